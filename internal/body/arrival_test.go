package body

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
)

// gradual is a body that arrives in pieces; each is a look at what is held before the next.
type gradual struct {
	rest int
	look func()
}

func (g *gradual) Read(p []byte) (int, error) {
	g.look()
	if g.rest == 0 {
		return 0, io.EOF
	}
	n := min(len(p), g.rest, 1000)
	g.rest -= n
	return n, nil
}

// TestMemoryIsChargedForWhatArrived: what a client announces costs others nothing. All lengths
// are announced truly, too low, too high and not at all.
func TestMemoryIsChargedForWhatArrived(t *testing.T) {
	for _, size := range []int{0, 1, 1000, 4096, 5000, 65535, 65536, 200_000, 1 << 20} {
		for _, announced := range []int{size, size / 2, 10 * size, 1 << 20, -1} {
			t.Run(fmt.Sprintf("%d of %d", size, announced), func(t *testing.T) {
				budget := NewBudget(64 << 20)
				src := &gradual{rest: size}
				src.look = func() {
					arrived := int64(size - src.rest)
					most := max(4*min(arrived, quickGrowth), 2*arrived)
					if arrived > 0 {
						most = max(most, 4<<10)
					}
					if held := budget.Held(); held > most {
						t.Errorf("%d bytes are held for %d", held, arrived)
					}
				}
				r := newRequest(src, announced)
				if announced == 0 {
					return // a server gives no body then
				}
				b, err := Read(r, Limits{Body: 64 << 20, Budget: budget, Verified: true})
				if err != nil || len(b.Bytes()) != size {
					t.Fatalf("%v", err)
				}
				if b.Free(); budget.Held() != 0 {
					t.Errorf("%d bytes are held at the end", budget.Held())
				}
			})
		}
	}
}

// TestHeadsAloneHoldNothing: a body that has not begun costs nothing, and the first byte of one
// is refused when there is no memory.
func TestHeadsAloneHoldNothing(t *testing.T) {
	budget := NewBudget(4 << 10)
	for _, tc := range []struct {
		name     string
		verified bool
		want     error
	}{{"key known", true, nil}, {"key not known", false, ErrMemory}} {
		t.Run(tc.name, func(t *testing.T) {
			var held []int64
			src := readerFunc(func([]byte) (int, error) {
				if held = append(held, budget.Held()); len(held) == 1 {
					return 1, nil
				}
				return 0, io.EOF
			})
			b, err := Read(newRequest(src, 4000), Limits{Body: 64 << 10, Budget: budget, Verified: tc.verified})
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if want := []int64{0, 4 << 10}[:len(held)]; !slices.Equal(held, want) {
				t.Errorf("%d bytes are held before each read, want %d", held, want)
			}
			if b != nil {
				b.Free()
			}
			if held := budget.Held(); held != 0 {
				t.Errorf("%d bytes are held at the end", held)
			}
		})
	}
}

// TestRecordingIsVerifiedWithItsRequest: a gate that only reports reads as one that enforces.
func TestRecordingIsVerifiedWithItsRequest(t *testing.T) {
	for _, verified := range []bool{true, false} {
		budget := NewBudget(16 << 10)
		other := budget.take(8<<10, true) // the half that is for all
		r := newRequest(&gradual{rest: 1000, look: func() {}}, 1000)
		r.Method = http.MethodPost
		rec := Record(r, budget)
		b, err := Read(r, Limits{Body: 4 << 10, Budget: budget, Verified: verified})
		if (err == nil) != verified || err != nil && !errors.Is(err, ErrMemory) || !other {
			t.Errorf("verified %t: %v", verified, err)
		}
		rec.Restore(r)
		if got, err := io.ReadAll(r.Body); len(got) != 1000 || err != nil {
			t.Errorf("verified %t: restored %d bytes, %v", verified, len(got), err)
		}
		if b != nil {
			b.Free()
		}
		rec.Free()
		if held := budget.Held(); held != 8<<10 {
			t.Errorf("verified %t: %d bytes are held at the end", verified, held)
		}
	}
}
