package flow_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

var start = time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC)

func record(id string) *keysync.Record { return &keysync.Record{KeyID: id, Account: "acme"} }

// TestSeries compares series with a count of the same requests that keeps
// everything.
func TestSeries(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	r := flow.NewRecorder()
	allowed, refused := map[int64]uint32{}, map[int64]uint32{}
	rec := record("key_a")
	now := start
	for range 2000 {
		now = now.Add(time.Duration(rng.IntN(90)) * time.Second)
		if rng.IntN(100) == 0 {
			now = now.Add(time.Duration(rng.IntN(150)) * time.Minute)
		}
		verdict, count := flow.Allowed, allowed
		if rng.IntN(3) == 0 {
			verdict, count = "rate_limited", refused
		}
		r.Note(now, rec, verdict, flow.Limit{})
		count[now.Unix()/60]++

		look := now.Add(time.Duration(rng.IntN(70)) * time.Minute)
		got := r.Keys(look)[0]
		for i := range flow.Minutes {
			minute := look.Unix()/60 - flow.Minutes + 1 + int64(i)
			if got.Allowed[i] != allowed[minute] || got.Refused[i] != refused[minute] {
				t.Fatalf("minute %d: %d allowed and %d refused, want %d and %d", minute, got.Allowed[i], got.Refused[i], allowed[minute], refused[minute])
			}
		}
		if v := r.Verdicts(look); v[flow.Allowed] != nil && *v[flow.Allowed] != got.Allowed {
			t.Fatalf("verdicts: %v, want %v", v[flow.Allowed], got.Allowed)
		}
	}
}

func TestClockSetBack(t *testing.T) {
	r := flow.NewRecorder()
	for _, shift := range []time.Duration{0, -30 * time.Second, -time.Minute, -90 * 24 * time.Hour} {
		r.Note(start.Add(shift), record("key_a"), flow.Allowed, flow.Limit{})
	}
	if got := r.Keys(start)[0].Allowed; got.Sum() != 0 {
		t.Errorf("%d requests an hour after the clock was set back by months", got.Sum())
	}
	back := start.Add(-90 * 24 * time.Hour)
	if got := r.Keys(back)[0].Allowed[flow.Minutes-1]; got != 1 {
		t.Errorf("%d requests in the minute after the clock was set back, want 1", got)
	}
}

func TestLateRequestCounts(t *testing.T) {
	r := flow.NewRecorder()
	r.Note(start, record("key_a"), flow.Allowed, flow.Limit{})
	r.Note(start.Add(-time.Second), record("key_a"), flow.Allowed, flow.Limit{})
	if got := r.Keys(start)[0].Allowed; got.Sum() != 2 {
		t.Errorf("%d requests, want 2: one came a second late", got.Sum())
	}
}

func TestUnknownKeysAreVerdictsOnly(t *testing.T) {
	r := flow.NewRecorder()
	for range 100 {
		r.Note(start, nil, "unknown_key", flow.Limit{})
	}
	if keys := r.Keys(start); len(keys) != 0 {
		t.Errorf("%d keys, want none", len(keys))
	}
	if v := r.Verdicts(start); len(v) != 1 || v["unknown_key"].Sum() != 100 {
		t.Errorf("verdicts %v", v)
	}
}

func TestLastSeenFirst(t *testing.T) {
	r := flow.NewRecorder()
	for i, id := range []string{"key_b", "key_c", "key_a", "key_b"} {
		r.Note(start.Add(time.Duration(i)*time.Second), record(id), flow.Allowed, flow.Limit{})
	}
	var ids []string
	for _, k := range r.Keys(start) {
		ids = append(ids, k.Record.KeyID)
	}
	if want := []string{"key_b", "key_a", "key_c"}; !slices.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}
}

func TestRecordIsTheLatest(t *testing.T) {
	r := flow.NewRecorder()
	r.Note(start, record("key_a"), flow.Allowed, flow.Limit{})
	changed := &keysync.Record{KeyID: "key_a", Successor: "key_b"}
	r.Note(start, changed, flow.Allowed, flow.Limit{})
	if got := r.Keys(start)[0].Record; got != changed {
		t.Errorf("%v, want the record that was seen last", got)
	}
}

func TestBounded(t *testing.T) {
	r := flow.NewRecorder()
	for i := range 20 * flow.MaxKeys {
		r.Note(start.Add(time.Duration(i)*time.Millisecond), record(fmt.Sprintf("key_%d", i)), flow.Allowed, flow.Limit{})
		r.Note(start, record("key_busy"), fmt.Sprintf("verdict_%d", i), flow.Limit{})
	}
	keys := r.Keys(start)
	if len(keys) > flow.MaxKeys || len(keys) < flow.MaxKeys*9/10 {
		t.Errorf("%d keys, want about %d", len(keys), flow.MaxKeys)
	}
	busy := slices.IndexFunc(keys, func(k flow.Key) bool { return k.Record.KeyID == "key_busy" })
	if busy < 0 || keys[busy].Refused.Sum() != 20*flow.MaxKeys {
		t.Error("a key in use was displaced")
	}
	for _, k := range keys {
		if k.Record.KeyID != "key_busy" && (k.Allowed.Sum() != 1 || k.Refused.Sum() != 0) {
			t.Fatalf("%s has the requests of the key it displaced", k.Record.KeyID)
		}
	}
	if n := len(r.Verdicts(start)); n > 1024 {
		t.Errorf("%d verdicts are remembered", n)
	}
}

func TestClosest(t *testing.T) {
	r := flow.NewRecorder()
	for id, l := range map[string]flow.Limit{
		"key_half":  {Name: "key", Limit: 10, Remaining: 5, Reset: start.Add(time.Minute)},
		"key_empty": {Name: "key", Limit: 1000, Remaining: 0, Reset: start.Add(time.Second)},
		"key_over":  {Name: "key", Limit: 10, Remaining: 0, Reset: start},
		"key_most":  {Name: "key", Limit: 1000, Remaining: 300, Reset: start.Add(time.Hour)},
		"key_none":  {},
	} {
		r.Note(start, record(id), flow.Allowed, l)
	}
	var ids []string
	for _, k := range flow.Closest(r.Keys(start), start, 10) {
		ids = append(ids, k.Record.KeyID)
	}
	if want := []string{"key_empty", "key_most", "key_half"}; !slices.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}
	if n := len(flow.Closest(r.Keys(start), start, 2)); n != 2 {
		t.Errorf("%d keys, want 2", n)
	}
}

func TestConcurrently(t *testing.T) {
	r := flow.NewRecorder()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 1000 {
				r.Note(start, record(fmt.Sprintf("key_%d", j%10)), []string{flow.Allowed, "expired_key"}[i%2], flow.Limit{})
				if j%100 == 0 {
					r.Keys(start)
					r.Verdicts(start)
				}
			}
		})
	}
	wg.Wait()
	for _, k := range r.Keys(start) {
		if k.Allowed.Sum() != 400 || k.Refused.Sum() != 400 {
			t.Errorf("%s: %d allowed, %d refused, want 400 and 400", k.Record.KeyID, k.Allowed.Sum(), k.Refused.Sum())
		}
	}
}

func TestNoteDoesNotAllocate(t *testing.T) {
	r, rec := flow.NewRecorder(), record("key_a")
	r.Note(start, rec, flow.Allowed, flow.Limit{})
	if n := testing.AllocsPerRun(1000, func() { r.Note(start, rec, flow.Allowed, flow.Limit{}) }); n != 0 {
		t.Errorf("%v allocations for a request", n)
	}
}

func BenchmarkNote(b *testing.B) {
	r := flow.NewRecorder()
	records := make([]*keysync.Record, 100)
	for i := range records {
		records[i] = record(fmt.Sprintf("key_%d", i))
	}
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			r.Note(now, records[i%len(records)], flow.Allowed, flow.Limit{})
		}
	})
}
