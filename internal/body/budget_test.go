package body

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func TestBudgetIsNeverExceeded(t *testing.T) {
	const limit, each = 10, 3
	const verified = true
	b := NewBudget(limit)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				if b.take(each, verified) {
					if held := b.Held(); held > limit {
						t.Errorf("%d held", held)
					}
					b.give(each)
				}
			}
		})
	}
	wg.Wait()
	if b.Held() != 0 {
		t.Errorf("%d held at the end", b.Held())
	}
	for range limit / each {
		if !b.take(each, verified) {
			t.Error("what fits was refused")
		}
	}
	if b.take(each, verified) || !b.take(limit%each, verified) {
		t.Error("the limit is not exact")
	}
}

// TestBudgetKeepsRoom: a client that takes all it can get leaves room for those that must be
// served before it.
func TestBudgetKeepsRoom(t *testing.T) {
	const limit, small, large = 1 << 20, 4 << 10, 8 << 10
	for _, greedy := range []struct {
		verified bool
		each     int64
		most     int64 // bytes that it can get, and that are in use when it gets no more
	}{
		{false, large, limit/2 - limit/8},
		{false, small, limit / 2},
		{true, large, limit - limit/8},
		{true, small, limit},
	} {
		b := NewBudget(limit)
		for b.take(greedy.each, greedy.verified) {
			if b.Held() > greedy.most {
				break
			}
		}
		if b.Held() != greedy.most {
			t.Errorf("%+v: %d bytes are held", greedy, b.Held())
		}
		for _, other := range []struct {
			verified bool
			n        int64
			most     int64
		}{{true, small, limit}, {true, large, limit - limit/8}, {false, small, limit / 2}, {false, large, limit/2 - limit/8}} {
			want := greedy.most+other.n <= other.most
			if got := b.take(other.n, other.verified); got != want {
				t.Errorf("%+v: then %+v gets memory: %t", greedy, other, got)
			} else if got {
				b.give(other.n)
			}
		}
	}
}

func TestReadWithinBudget(t *testing.T) {
	text := strings.Repeat("x", 100_000) // takes 128 KiB, and 64 KiB while it grows
	zipped := string(encode("gzip", []byte(text)))
	const each = 8 // large bodies leave an eighth, so budgets are divided by seven
	for _, tc := range []struct {
		name   string
		coding string
		body   string
		budget int64
		want   error
	}{
		{"enough", "", text, (192<<10)/7*each + each, nil},
		{"not enough to grow", "", text, (192 << 10) / 7 * each, ErrMemory},
		{"not enough to begin", "", text, 4<<10 - 1, ErrMemory},
		{"encoded", "gzip", zipped, (196<<10)/7*each + each, nil},
		{"encoded, not enough to decode", "gzip", zipped, (195 << 10) / 7 * each, ErrMemory},
		{"encoded in brotli", "br", string(encode("br", []byte(text))), (196<<10)/7*each + each, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			budget := NewBudget(tc.budget)
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tc.body))
			if tc.coding != "" {
				r.Header.Set("Content-Encoding", tc.coding)
			}
			b, err := Read(r, Limits{Body: 1 << 20, Decoded: 1 << 20, Ratio: 10_000, Budget: budget, Verified: true})
			if !errors.Is(err, tc.want) {
				t.Fatalf("error %v, want %v", err, tc.want)
			}
			if err == nil {
				if string(b.Bytes()) != text || budget.Held() != 128<<10 {
					t.Errorf("%d bytes, %d held", len(b.Bytes()), budget.Held())
				}
				b.Free()
				b.Free()
			}
			if budget.Held() != 0 {
				t.Errorf("%d held at the end", budget.Held())
			}
		})
	}
}

func TestAbandon(t *testing.T) {
	budget := NewBudget(1 << 20)
	limits := Limits{Body: 1 << 20, Budget: budget}
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader("hello"))
	b, err := Read(r, limits)
	if err != nil {
		t.Fatal(err)
	}
	replay := Replace(r, b, false)
	replay.Abandon(ctx)
	if got, _ := io.ReadAll(r.Body); string(got) != "hello" || budget.Held() == 0 {
		t.Errorf("an error route reads %q while %d bytes are held", got, budget.Held())
	}
	given := make(chan bool)
	cancel()
	context.AfterFunc(ctx, func() { close(given) })
	<-given
	for budget.Held() != 0 { // the other function of ctx runs at the same time
	}
	replay.Release()
	replay.Abandon(ctx)
	if budget.Held() != 0 {
		t.Errorf("%d held at the end", budget.Held())
	}
}
