package forward_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
)

// TestReloadsUnderLoad: no request is lost when a configuration is loaded, and connections to
// backends of the one before are closed.
func TestReloadsUnderLoad(t *testing.T) {
	r := start(t)
	l := r.lane(t, "idle")
	var stop atomic.Bool
	var clients sync.WaitGroup
	var sent atomic.Int64
	for _, e := range l.ends {
		e.begin([]answer{fine}, nil)
		for range 2 {
			clients.Go(func() {
				for !stop.Load() {
					n := sent.Add(1)
					q := []request{get, post}[n%2]
					q.target = fmt.Sprintf("/%d/", n)
					q.header = []string{"Connection: close"}
					got := e.try(t, q)
					// A connection that the old listener has not accepted is reset.
					if lost := got == "" && !e.has(q.target); !lost && (!strings.HasPrefix(got, "HTTP/1.1 200") || !strings.HasSuffix(got, "ok")) {
						t.Errorf("%s: %q", e.side, got)
					}
				}
			})
		}
	}
	for range drill.Size(1, 20) {
		before := sent.Load()
		await.That(t, "more requests", func() bool { return sent.Load() > before+20 })
		if err := r.load(); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	clients.Wait()
	if err := r.load(); err != nil {
		t.Fatal(err)
	}
	e := l.ends[ours] // reverse_proxy keeps those that were in use until they have been idle for some time
	await.That(t, "connections to be closed", func() bool { return e.backends[0].open() == 0 })
}

// has reports whether a backend got a request with that in it.
func (s *stage) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.got, func(q served) bool { return strings.Contains(q.bytes, text) })
}

// TestReloadInRequests: requests that have begun go on when a configuration is loaded. Connections
// that have switched protocols are not here: Caddy has a data race when it closes them.
func TestReloadInRequests(t *testing.T) {
	r := start(t)
	var begun sync.WaitGroup
	loaded := make(chan struct{})
	waits := func(first, rest string) exchange {
		return in(request{name: "GET", header: []string{"Connection: close"}}, answer{name: "waits", bytes: "content-type: none", do: func(l *link) {
			_, _ = io.WriteString(l, first)
			begun.Done()
			<-loaded
			_, _ = io.WriteString(l, rest)
			l.closeAndWait()
		}})
	}
	var running sync.WaitGroup
	for i, x := range []exchange{
		waits("", ok),
		waits(head+"Content-Type: text/event-stream\r\n\r\ndata: 1\n\n", "data: 2\n\n"),
		waits(head+"Content-Length: 6\r\n\r\nabc", "def"),
	} {
		begun.Add(2)
		running.Go(func() { r.lanes["streams"][i].compare(t, x) })
	}
	begun.Wait()
	want := fmt.Sprint(r.loads.Load() + 1)
	over := make(chan error)
	go func() { over <- r.load() }() // which waits for requests that are under way, but not for ever
	await.That(t, "the new configuration", func() bool { return r.get(t, "http://"+r.generation) == want })
	close(loaded)
	if err := <-over; err != nil {
		t.Error(err)
	}
	running.Wait()
}

// TestHealth: what is known of backends is the same at the admin endpoint and in metrics.
func TestHealth(t *testing.T) {
	r := start(t)
	l := r.lane(t, "health")
	for _, x := range []exchange{in(get, fine), in(get, hangUp), in(get, fine), in(get, failing)} {
		l.compare(t, x)
	}
	known := r.upstreams(t)
	for _, e := range l.ends {
		for _, b := range e.backends {
			if got := known[b.address]; got.Fails != 1 || got.Requests != 0 {
				t.Errorf("%s: backend %s is said to be %+v", e.side, b.name, got)
			}
		}
	}
	l.compare(t, in(get, fine))      // 503
	if err := r.load(); err != nil { // which forgets failures
		t.Fatal(err)
	}
	l.compare(t, in(get, fine))
	if !drill.On() { // reverse_proxy tells them when it is loaded, and then each 10 seconds
		return
	}
	await.That(t, "gauges", func() bool {
		text := r.get(t, "http://"+r.admin+"/metrics")
		for _, e := range l.ends {
			for _, b := range e.backends {
				if !strings.Contains(text, fmt.Sprintf("caddy_reverse_proxy_upstreams_healthy{upstream=%q} ", b.address)) {
					return false
				}
			}
		}
		return true
	})
}

type upstreamState struct {
	Address  string `json:"address"`
	Requests int    `json:"num_requests"`
	Fails    int    `json:"fails"`
}

func (r *rig) upstreams(t *testing.T) map[string]upstreamState {
	t.Helper()
	var all []upstreamState
	if err := json.Unmarshal([]byte(r.get(t, "http://"+r.admin+"/reverse_proxy/upstreams")), &all); err != nil {
		t.Fatal(err)
	}
	known := map[string]upstreamState{}
	for _, u := range all {
		known[u.Address] = u
	}
	return known
}

// get returns what is at a URL.
func (r *rig) get(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		return "" // for example because the old listener has not accepted the connection
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Log(err)
	}
	return string(body)
}

// TestActiveHealth: backends that fail their checks get nothing.
func TestActiveHealth(t *testing.T) {
	l := start(t).lane(t, "active health")
	for _, e := range l.ends {
		e.begin([]answer{fine}, nil)
		for _, sick := range []string{"1", "2", ""} {
			e.mu.Lock()
			e.sick = sick
			e.mu.Unlock()
			want := "1"
			if sick == "1" {
				want = "2"
			}
			await.That(t, fmt.Sprintf("%s to ask backend %s", e.side, want), func() bool {
				e.begin([]answer{fine}, nil)
				got := e.try(t, get)
				seen := e.calm()
				return strings.HasPrefix(got, "HTTP/1.1 200") && len(seen) == 1 && seen[0].backend == want
			})
		}
	}
}
