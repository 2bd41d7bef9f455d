package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/internal/vaulttest"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

// proxy is in front of Vault and does what a real Vault cannot be made to do.
type proxy struct {
	URL  string
	mode atomic.Pointer[http.HandlerFunc]
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(u)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	forward.Transport = transport
	forward.ErrorLog = log.New(io.Discard, "", 0)
	p := new(proxy)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := p.mode.Load(); h != nil {
			(*h)(w, r)
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		transport.CloseIdleConnections()
	})
	p.URL = srv.URL
	return p
}

// set makes every request go through h first; nil ends that. h panics with
// http.ErrAbortHandler to keep a request from Vault.
func (p *proxy) set(h http.HandlerFunc) {
	if h == nil {
		p.mode.Store(nil)
		return
	}
	p.mode.Store(&h)
}

// witness notes when each record was really read, apart from the cache.
type witness struct {
	keysync.Source
	mu    sync.Mutex
	read  map[keysync.Digest]time.Time
	times []time.Time // of all reads
}

// Lookup asks the source.
func (w *witness) Lookup(ctx context.Context, d keysync.Digest) (*keysync.Record, error) {
	began := time.Now()
	w.mu.Lock()
	w.times = append(w.times, began)
	w.mu.Unlock()
	rec, err := w.Source.Lookup(ctx, d)
	if err == nil {
		w.mu.Lock()
		w.read[d] = began
		w.mu.Unlock()
	}
	return rec, err
}

func (w *witness) age(d keysync.Digest, at time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return at.Sub(w.read[d])
}

// forget starts noting again from empty.
func (w *witness) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.times = nil
}

// mostIn returns the largest number of reads within a length of time.
func (w *witness) mostIn(d time.Duration) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	most, first := 0, 0
	for i, at := range w.times {
		for at.Sub(w.times[first]) > d {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

const (
	drillKeys   = 50
	drillBudget = 200 * time.Millisecond
	drillFresh  = 300 * time.Millisecond
	drillOutage = 2 * time.Second
	drillReads  = 100
)

// Load runs on a cache while Vault fails in some way for longer than the ceiling
// and comes back. No key is taken for unknown, none is refused that is to be
// served, and none is served past the ceiling.
func TestOutageDrill(t *testing.T) {
	drill.Only(t)
	t.Parallel()
	slow := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(2 * time.Second):
		case <-r.Context().Done():
		}
	}
	drills := []struct {
		name  string
		start func(s *vaulttest.Server, p *proxy)
		end   func(s *vaulttest.Server, p *proxy)
	}{
		{"stopped", func(s *vaulttest.Server, _ *proxy) { s.Pause() }, func(s *vaulttest.Server, _ *proxy) { s.Resume() }},
		{"killed", func(s *vaulttest.Server, _ *proxy) { s.Kill() }, func(s *vaulttest.Server, _ *proxy) { s.Restart() }},
		{"sealed", func(s *vaulttest.Server, _ *proxy) { s.Seal() }, func(s *vaulttest.Server, _ *proxy) { s.Restart() }},
		{"5xx", func(_ *vaulttest.Server, p *proxy) {
			p.set(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader([]int{500, 502, 503, 504}[rand.N(4)])
				panic(http.ErrAbortHandler)
			})
		}, func(_ *vaulttest.Server, p *proxy) { p.set(nil) }},
		{"slow", func(_ *vaulttest.Server, p *proxy) { p.set(slow) }, func(_ *vaulttest.Server, p *proxy) { p.set(nil) }},
		{"hanging up", func(_ *vaulttest.Server, p *proxy) {
			p.set(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		}, func(_ *vaulttest.Server, p *proxy) { p.set(nil) }},
	}
	for _, d := range drills {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := vaulttest.StartOnDisk(t)
			p := startProxy(t, s.URL())
			opts := rootOptions(s)
			opts.Timeout = drillBudget
			if d.name == "5xx" || d.name == "slow" || d.name == "hanging up" {
				opts.Address = p.URL
			}
			runDrill(t, opts, func() { d.start(s, p) }, func() { d.end(s, p) })
		})
	}
}

func runDrill(t *testing.T, opts Options, start, end func()) {
	v, _ := openVault(t, opts)
	entries := make([]keysync.Entry, drillKeys)
	for i := range entries {
		entries[i] = sourcetest.Entry(i)
	}
	sourcetest.MustCreate(t, v, entries...)
	w := &witness{Source: v, read: map[keysync.Digest]time.Time{}}
	c := newTestCache(t, w, cache.Options{
		Fresh: drillFresh, Outage: drillOutage, Unknown: time.Second, Reads: drillReads, Timeout: drillBudget,
	})
	for i := range drillKeys {
		await.That(t, "all keys are in the cache", func() bool {
			_, _, err := c.Get(t.Context(), sourcetest.Digest(i))
			return err == nil
		})
	}
	load := startLoad(t, w, c)
	time.Sleep(2 * drillFresh)
	load.expectNoErrors(t, "before the outage")

	start()
	time.Sleep(drillOutage + 3*drillBudget)
	for i := range 3 {
		if _, _, err := c.Get(t.Context(), sourcetest.Digest(i)); !errors.Is(err, keysync.ErrUnavailable) {
			t.Errorf("key %d past the ceiling: error %v", i, err)
		}
	}
	end()
	await.That(t, "all keys are served again", func() bool {
		for i := range drillKeys {
			if _, _, err := c.Get(t.Context(), sourcetest.Digest(i)); err != nil {
				return false
			}
		}
		return true
	})
	load.forgetErrors()
	time.Sleep(2 * drillFresh)
	load.expectNoErrors(t, "after the outage")
	load.end(t)
	checkReads(t, w)
}

func checkReads(t *testing.T, w *witness) {
	t.Helper()
	if most := w.mostIn(time.Second); most > drillReads+drillReads/4+1+drillKeys { // an empty cache may be filled beyond the cap
		t.Errorf("%d reads within a second, the cap is %d", most, drillReads)
	}
}

// load looks keys up and judges every answer.
type load struct {
	stop   chan struct{}
	wg     sync.WaitGroup
	errors atomic.Int64
	wrong  atomic.Int64

	mu    sync.Mutex
	took  []time.Duration
	count map[keysync.Outcome]int

	lag time.Duration // by how much a sleep was too long at worst
}

// measureLag finds out how busy the machine is.
func (l *load) measureLag() {
	for {
		began := time.Now()
		select {
		case <-l.stop:
			return
		case <-time.After(2 * time.Millisecond):
			l.lag = max(l.lag, time.Since(began)-2*time.Millisecond)
		}
	}
}

func startLoad(t *testing.T, w *witness, c *cache.Cache) *load {
	l := &load{stop: make(chan struct{}), count: map[keysync.Outcome]int{}}
	l.wg.Go(l.measureLag)
	for range 8 {
		l.wg.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(2 * time.Millisecond):
					l.lookUp(t, w, c, sourcetest.Digest(rand.N(drillKeys)))
				}
			}
		})
	}
	return l
}

func (l *load) lookUp(t *testing.T, w *witness, c *cache.Cache, d keysync.Digest) {
	began := time.Now()
	older := w.age(d, began)
	rec, out, err := c.Get(t.Context(), d)
	ended := time.Now()
	l.mu.Lock()
	l.took = append(l.took, ended.Sub(began))
	l.count[out]++
	l.mu.Unlock()
	switch {
	case err == nil && rec == nil, errors.Is(err, keysync.ErrUnknown):
		l.complain(t, "a key was taken for unknown: %v", err)
	case err == nil && w.age(d, began) >= drillOutage:
		l.complain(t, "a record of age %v was served", w.age(d, began))
	case err != nil && older < drillOutage-drillBudget-50*time.Millisecond:
		l.complain(t, "a record of age %v was refused: %v", older, err)
	}
	if err != nil {
		l.errors.Add(1)
	}
}

// complain reports the first few wrong answers.
func (l *load) complain(t *testing.T, format string, args ...any) {
	if l.wrong.Add(1) <= 5 {
		t.Errorf(format, args...)
	}
}

func (l *load) forgetErrors() { l.errors.Store(0) }

func (l *load) expectNoErrors(t *testing.T, when string) {
	t.Helper()
	if n := l.errors.Load(); n > 0 {
		t.Errorf("%d errors %s", n, when)
	}
}

// end stops the load and checks how long look-ups took.
func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	slices.Sort(l.took)
	p := func(percent float64) time.Duration { return l.took[int(float64(len(l.took)-1)*percent/100)] }
	t.Logf("%d look-ups, wrong answers %d, p50 %v, p99 %v, p99.9 %v, lag of the machine %v; %v",
		len(l.took), l.wrong.Load(), p(50), p(99), p(99.9), l.lag, l.count)
	if p(99) > drillBudget+50*time.Millisecond+l.lag {
		t.Errorf("one look-up in a hundred took longer than %v", p(99))
	}
}

// A gateway that is started while Vault is down serves what its predecessor
// knew, if it has a snapshot.
func TestStartDuringAnOutage(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartOnDisk(t)
	v, _ := openVault(t, rootOptions(s))
	sourcetest.MustCreate(t, v, sourcetest.Entry(1), sourcetest.Entry(2))
	before := newTestCache(t, v, cache.Options{})
	sourcetest.Expect(t, before, sourcetest.Digest(1), keysync.OutcomeMiss, "key_1")
	snap := takeSnapshot(t, before)
	s.Kill()

	next, err := New(rootOptions(s), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	without := newTestCache(t, next, cache.Options{})
	sourcetest.Expect(t, without, sourcetest.Digest(1), keysync.OutcomeError, "")
	with := newTestCache(t, next, cache.Options{})
	if n, err := with.Restore(snap, snapshotKey); n != 1 || err != nil {
		t.Fatalf("restored %d, %v", n, err)
	}
	sourcetest.Expect(t, with, sourcetest.Digest(1), keysync.OutcomeStale, "key_1")
	sourcetest.Expect(t, with, sourcetest.Digest(2), keysync.OutcomeError, "")

	s.Restart()
	for _, c := range []*cache.Cache{without, with} {
		for i := 1; i <= 2; i++ {
			await.That(t, "fresh records are served", func() bool {
				_, out, _ := c.Get(t.Context(), sourcetest.Digest(i))
				return out == keysync.OutcomeHit
			})
		}
	}
}

// 1,000 look-ups of one cold key are one read, also of a real server.
func TestOneReadForManyLookups(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t)
	v, _ := openVault(t, rootOptions(s))
	sourcetest.MustCreate(t, v, sourcetest.Entry(1))
	w := &witness{Source: v, read: map[keysync.Digest]time.Time{}}
	c := newTestCache(t, w, cache.Options{Timeout: 5 * time.Second})
	var wg sync.WaitGroup
	go1000 := make(chan struct{})
	for range 1000 {
		wg.Go(func() {
			<-go1000
			if _, _, err := c.Get(t.Context(), sourcetest.Digest(1)); err != nil {
				t.Error(err)
			}
		})
	}
	close(go1000)
	wg.Wait()
	if n := len(w.times); n != 1 {
		t.Errorf("%d reads, want 1", n)
	}
}

// 100,000 random keys: live keys are served from the cache, and the server is
// asked no more often than the cap allows.
func TestFloodOfRandomKeys(t *testing.T) {
	const live = 100
	random := drill.Size[int64](20_000, 100_000)
	s := vaulttest.Start(t)
	v, _ := openVault(t, rootOptions(s))
	entries := make([]keysync.Entry, live)
	for i := range entries {
		entries[i] = sourcetest.Entry(i)
	}
	sourcetest.MustCreate(t, v, entries...)
	w := &witness{Source: v, read: map[keysync.Digest]time.Time{}}
	c := newTestCache(t, w, cache.Options{Size: live, Reads: drillReads})
	for i := range live {
		await.That(t, "live keys are in the cache", func() bool {
			_, _, err := c.Get(t.Context(), sourcetest.Digest(i))
			return err == nil
		})
	}
	var wg sync.WaitGroup
	for i := range 5 * live { // they find nothing, and use the allowance for an empty cache up
		wg.Go(func() { _, _, _ = c.Get(t.Context(), sourcetest.Digest(10_000_000+i)) })
	}
	wg.Wait()
	w.forget()
	var next, unknown, refused atomic.Int64
	for range 200 {
		wg.Go(func() {
			for i := next.Add(1); i <= random; i = next.Add(1) {
				switch _, out, err := c.Get(t.Context(), sourcetest.Digest(int(1_000_000+i))); {
				case out == keysync.OutcomeUnknown:
					unknown.Add(1)
				case errors.Is(err, keysync.ErrUnavailable):
					refused.Add(1)
				default:
					t.Errorf("a random key: %v, %v", out, err)
				}
				if _, out, err := c.Get(t.Context(), sourcetest.Digest(int(i%live))); out != keysync.OutcomeHit {
					t.Errorf("a live key: %v, %v", out, err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d random keys: %d reads, %d unknown, %d refused", random, len(w.times), unknown.Load(), refused.Load())
	if unknown.Load() == 0 || refused.Load() == 0 {
		t.Error("the flood was not answered as expected")
	}
	checkReads(t, w)
}

// BenchmarkVaultLookup reads one record from a real server over and over.
func BenchmarkVaultLookup(b *testing.B) {
	s := vaulttest.Start(b)
	v, err := New(rootOptions(s), zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	if err := v.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
	if _, err := v.Create(b.Context(), sourcetest.Entry(1)); err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 8} {
		b.Run(fmt.Sprintf("%d at once", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(n)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := v.Lookup(context.Background(), sourcetest.Digest(1)); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
