//go:build linux

package load

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const ms = time.Millisecond

// TestOpenPace: requests are due at fixed times, however late they are sent.
func TestOpenPace(t *testing.T) {
	p := &open{rate: 200, count: 4} // due at 0, 5, 10, 15 ms
	for i, step := range []struct {
		now, due time.Duration
		ok       bool
	}{
		{0, 0, true},
		{1 * ms, 0, false},
		{4*ms + 999*time.Microsecond, 0, false},
		{12 * ms, 5 * ms, true}, // a stall
		{12 * ms, 10 * ms, true},
		{12 * ms, 0, false},
		{80 * ms, 15 * ms, true}, // after its end
		{90 * ms, 0, false},
	} {
		due, ok := p.next(step.now, i)
		if due != step.due || ok != step.ok {
			t.Errorf("step %d: due %v, %v; want %v, %v", i, due, ok, step.due, step.ok)
		}
	}
	if !p.over(0) {
		t.Error("it is not over")
	}
	if p := (&open{rate: 3, sent: 300_000}); p.at() != 100_000*time.Second {
		t.Errorf("after many requests the next is due at %v", p.at())
	}
}

func TestClosedPace(t *testing.T) {
	p := &closed{active: 2, end: 10 * ms}
	for i, step := range []struct {
		now    time.Duration
		active int
		ok     bool
	}{
		{0, 0, true}, {1, 1, true}, {2, 2, false}, {9 * ms, 1, true}, {10 * ms, 0, false},
	} {
		if due, ok := p.next(step.now, step.active); ok != step.ok || ok && due != step.now {
			t.Errorf("step %d: due %v, %v", i, due, ok)
		}
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, tt := range []struct {
		values  []time.Duration
		percent int
		want    time.Duration
	}{
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100}, {hundred[:1], 99, 1}, {hundred[:2], 50, 1}, {hundred[:3], 50, 2}, {hundred[:10], 99, 10}, {hundred[:10], 0, 1},
	} {
		if got := percentile(tt.values, tt.percent); got != tt.want {
			t.Errorf("percentile %d of %d values is %d, want %d", tt.percent, len(tt.values), got, tt.want)
		}
	}
}

func TestParseHead(t *testing.T) {
	for _, tt := range []struct {
		head string
		want int
		err  string
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", 3, ""},
		{"HTTP/1.1 200 OK\r\nA: b\r\ncontent-length:12 \r\nB: c\r\n", 12, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n", 0, ""},
		{"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n", 0, "401"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", 0, "no Content-Length"},
		{"HTTP/1.1 200 OK\r\nContent-Length: x\r\n", 0, "Content-Length: x"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: Close\r\n", 0, "closes"},
		{"SSH-2.0\r\n", 0, "SSH"},
	} {
		got, err := parseHead([]byte(tt.head))
		if got != tt.want || (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: %d, %v", tt.head, got, err)
		}
	}
}

// server notes which connections were used and answers with what handle says.
func server(t *testing.T, handle http.HandlerFunc) (addr string, conns func() int) {
	t.Helper()
	var mu sync.Mutex
	seen := make(map[string]bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.RemoteAddr] = true
		mu.Unlock()
		handle(w, r)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }
}

func dial(t *testing.T, connections int, request string, addrs ...string) *Generator {
	t.Helper()
	g, err := Dial(addrs, connections, []byte(request))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// TestOpenCountsFromWhenDue: all that were due during a stall have waited, also those that could not be sent.
func TestOpenCountsFromWhenDue(t *testing.T) {
	var stalled atomic.Bool
	addr, _ := server(t, func(w http.ResponseWriter, _ *http.Request) {
		if stalled.CompareAndSwap(false, true) {
			time.Sleep(100 * ms) // the stall itself, which the ten requests below are in
		}
	})
	result, err := dial(t, 1, get, addr).Open(t.Context(), 100, 100*ms)
	if err != nil {
		t.Fatal(err)
	}
	// They waited 100, 90, … 10 ms at least: half of them 50 or more.
	if result.Requests != 10 || result.P50 < 50*ms || result.P99 < 100*ms {
		t.Errorf("got %+v", result)
	}
}

// TestAllConnectionsAreUsed: with few requests on their way, too, and at all addresses.
func TestAllConnectionsAreUsed(t *testing.T) {
	a, ofA := server(t, func(http.ResponseWriter, *http.Request) {})
	b, ofB := server(t, func(http.ResponseWriter, *http.Request) {})
	g := dial(t, 40, get, a, b)
	if result, err := g.Open(t.Context(), 2000, 50*ms); err != nil || result.Requests != 100 {
		t.Errorf("%+v, %v", result, err)
	}
	if ofA() != 20 || ofB() != 20 {
		t.Errorf("%d and %d connections were used", ofA(), ofB())
	}
}

// TestClosedKeepsActive: never more requests on their way than asked for.
func TestClosedKeepsActive(t *testing.T) {
	var active, most atomic.Int64
	addr, conns := server(t, func(http.ResponseWriter, *http.Request) {
		for n := active.Add(1); ; {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		time.Sleep(ms)
		active.Add(-1)
	})
	result, err := dial(t, 12, get, addr).Closed(t.Context(), 3, 100*ms)
	if err != nil || result.Requests < 12 || result.Throughput <= 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	if most.Load() > 3 || conns() != 12 {
		t.Errorf("%d requests at once, on %d connections", most.Load(), conns())
	}
}

// TestEach: one request on each connection.
func TestEach(t *testing.T) {
	var requests atomic.Int64
	addr, conns := server(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	if err := dial(t, 20, get, addr).Each(t.Context(), 3); err != nil || conns() != 20 || requests.Load() != 20 {
		t.Errorf("%d requests on %d connections, %v", requests.Load(), conns(), err)
	}
}

// TestWholeBodies: what does not go into the socket at once goes later.
func TestWholeBodies(t *testing.T) {
	body := strings.Repeat("0123456789", 1_200_000) // more than the buffers of a socket take
	var wrong atomic.Int64
	addr, _ := server(t, func(_ http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != body {
			wrong.Add(1)
		}
	})
	request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	result, err := dial(t, 1, request, addr).Open(t.Context(), 100, 20*ms)
	if err != nil || result.Requests != 2 || wrong.Load() != 0 {
		t.Errorf("%+v, %v, %d wrong bodies", result, err, wrong.Load())
	}
}

// TestAnswersInPieces: an answer is complete when all of it has come, in whatever pieces.
func TestAnswersInPieces(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 6000\r\n\r\n"
	pieces := append(strings.Split(answer, ""), strings.Repeat("x", 4096), strings.Repeat("x", 1904))
	go func() {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		in := bufio.NewReader(c)
		for range 2 {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			for p := range slices.Values(pieces) {
				_, _ = io.WriteString(c, p)
				time.Sleep(ms / 10)
			}
		}
	}()
	if result, err := dial(t, 1, get, listener.Addr().String()).Open(t.Context(), 1000, 2*ms); err != nil || result.Requests != 2 {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestFailuresEndTheRun: figures of a run in which requests fail mean nothing.
func TestFailuresEndTheRun(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{
		"status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"closed":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"chunked": func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() },
	} {
		addr, _ := server(t, handle)
		if result, err := dial(t, 2, get, addr).Closed(t.Context(), 2, time.Second); err == nil {
			t.Errorf("%s: %+v", name, result)
		}
	}
	c := &conn{body: -1}
	if _, err := c.took([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n more")); err == nil {
		t.Error("more than an answer, and no error")
	}
	c = &conn{body: -1, unsent: []byte("rest")}
	if _, err := c.took([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")); err == nil {
		t.Error("an answer before the request, and no error")
	}
	if _, err := Dial([]string{"127.0.0.1:1"}, 1, []byte(get)); err == nil {
		t.Error("nothing listens, and no error")
	}
}
