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
	b := NewBudget(limit)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				if b.take(each) {
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
		if !b.take(each) {
			t.Error("what fits was refused")
		}
	}
	if b.take(each) || !b.take(limit%each) {
		t.Error("the limit is not exact")
	}
}

func TestReadWithinBudget(t *testing.T) {
	text := strings.Repeat("x", 100_000) // takes 128 KiB, and 64 KiB while it grows
	for _, tc := range []struct {
		name   string
		coding string
		body   string
		budget int64
		want   error
	}{
		{"enough", "", text, 192 << 10, nil},
		{"not enough to grow", "", text, 192<<10 - 1, ErrMemory},
		{"not enough to begin", "", text, 64<<10 - 1, ErrMemory},
		{"encoded", "gzip", string(encode("gzip", []byte(text))), 256 << 10, nil},
		{"encoded, not enough to decode", "gzip", string(encode("gzip", []byte(text))), 128 << 10, ErrMemory},
	} {
		t.Run(tc.name, func(t *testing.T) {
			budget := NewBudget(tc.budget)
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tc.body))
			if tc.coding != "" {
				r.Header.Set("Content-Encoding", tc.coding)
			}
			b, err := Read(r, Limits{Body: 1 << 20, Decoded: 1 << 20, Ratio: 10_000, Budget: budget})
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
