package caddymodule_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// startForward runs a gate in front of backends, with further lines for the directive. It does
// not log level DEBUG, with which ingest_forward is reverse_proxy.
func startForward(t *testing.T, directive, lines string, backends ...string) *gatetest.Gate {
	t.Helper()
	g := gatetest.New(t, nil)
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {}}))
	site := fmt.Sprintf(":{{gate}} {\nlog\ningest_auth\n%s %s {\n%s\n}\n}\n", directive, strings.Join(backends, " "), lines)
	g.Run(t, strings.Replace(options, "level DEBUG", "level INFO", 1)+site)
	return g
}

// TestForwardLikeProxy sends the same requests through both directives.
func TestForwardLikeProxy(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 300_000))
		case "/trailers":
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "ok")
			w.Header().Set("X-Sum", "1")
			w.Header().Set(http.TrailerPrefix+"X-Late", "2")
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/refused":
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		default:
			_, _ = io.WriteString(w, "ok")
		}
	}
	type result struct {
		Responses []gatetest.Response
		Seen      []gatetest.Seen
	}
	results := map[string]result{}
	for _, directive := range []string{"reverse_proxy", "ingest_forward"} {
		t.Run(directive, func(t *testing.T) {
			up := gatetest.NewUpstream(t, handler)
			g := startForward(t, directive, "", up.Addr)
			var res result
			for _, f := range gatetest.Framings {
				for _, path := range []string{"/", "/long", "/trailers", "/empty", "/refused"} {
					for _, method := range []string{"GET", "HEAD", "POST", "PUT"} {
						body := ""
						if method != "GET" && method != "HEAD" {
							body = strings.Repeat("event ", 500)
						}
						resp := g.Do(t, gatetest.Request{
							Framing: f, Method: method, Target: path + "?a=%2f&b=c", Body: body,
							Header: http.Header{"Authorization": {"Bearer " + keyA}, "X-A": {"1", "2"}, "Te": {"trailers"}},
						})
						res.Responses = append(res.Responses, resp)
						res.Seen = append(res.Seen, up.One(t))
					}
				}
			}
			results[directive] = res
		})
	}
	perGate := cmpopts.IgnoreMapEntries(func(name string, _ []string) bool {
		return name == "X-Ingest-Identity" || name == "X-Forwarded-Host" || name == "Date"
	})
	if diff := cmp.Diff(results["reverse_proxy"], results["ingest_forward"], perGate, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("reverse_proxy -, ingest_forward +\n%s", diff)
	}
}

// TestForwardRetry has a first backend that cannot be reached, or reads a part of the
// request and hangs up.
func TestForwardRetry(t *testing.T) {
	body := strings.Repeat("event ", 1000)
	post := gatetest.Request{Body: body, Target: "/", Header: http.Header{"X-Api-Key": {keyA}}}
	const lines = "lb_policy first\nlb_retries 1\nlb_try_interval 1ms\nfail_duration 1m\n"
	t.Run("refused", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = ln.Close()
		good := gatetest.NewUpstream(t, nil)
		g := startForward(t, "ingest_forward", lines, ln.Addr().String(), good.Addr)
		if resp := g.Do(t, post); resp.Status != http.StatusOK {
			t.Errorf("status %d", resp.Status)
		}
		if seen := good.One(t); seen.Body != body {
			t.Errorf("second backend got %d bytes", len(seen.Body))
		}
	})
	for _, after := range []int{1, 1000, len(body) + 2000} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("hangs up after %d bytes, match %t", after, again), func(t *testing.T) {
				bad, hits := hangUp(t, after)
				good := gatetest.NewUpstream(t, nil)
				match := ""
				if again {
					match = "lb_retry_match method POST\n"
				}
				g := startForward(t, "ingest_forward", lines+match, bad, good.Addr)
				resp := g.Do(t, post)
				if hits() != 1 {
					t.Errorf("first backend was asked %d times", hits())
				}
				seen := good.Take()
				if !again && (len(seen) > 0 || resp.Status != http.StatusBadGateway) {
					t.Errorf("status %d, %d requests to the second backend", resp.Status, len(seen))
				}
				for _, s := range seen {
					if s.BodyErr == nil && s.Body != body {
						t.Errorf("second backend took a body of %d bytes for whole", len(s.Body))
					}
				}
			})
		}
	}
}

// restartable is a backend that can be stopped and started on the same address.
type restartable struct {
	addr string
	mu   sync.Mutex
	seen int
	srv  *http.Server
}

func (b *restartable) start(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	b.addr = ln.Addr().String()
	b.srv = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		b.mu.Lock()
		b.seen++
		b.mu.Unlock()
		_, _ = io.WriteString(w, "ok")
	})}
	srv := b.srv
	go func() { _ = srv.Serve(ln) }()
}

func TestForwardBackendRestarts(t *testing.T) {
	b := &restartable{addr: "127.0.0.1:0"}
	b.start(t)
	defer func() { _ = b.srv.Close() }()
	g := startForward(t, "ingest_forward", "", b.addr)
	for i := range 10 {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if resp, err := g.Try(gatetest.Request{Target: "/", Body: "event", Header: http.Header{"X-Api-Key": {keyA}}}); resp.Status != http.StatusOK {
					t.Errorf("round %d: status %d, %v", i, resp.Status, err)
				}
			})
		}
		all.Wait()
		if err := b.srv.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.start(t)
	}
	if b.seen != 80 {
		t.Errorf("backend got %d events, want 80", b.seen)
	}
}

func TestForwardUpgrade(t *testing.T) {
	up := gatetest.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
	})
	g := startForward(t, "ingest_forward", "", up.Addr)
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: gate\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"+withKey+"\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := r.ReadString('\n'); line != "hello\n" {
		t.Errorf("echo %q, %v", line, err)
	}
}

// TestForwardStreams has a backend that sends each part of the response when the client has
// the part before it, and that sends early hints first.
func TestForwardStreams(t *testing.T) {
	next := make(chan struct{})
	up := gatetest.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		for i := range 5 {
			_, _ = fmt.Fprintf(w, "%d", i)
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	})
	g := startForward(t, "ingest_forward", "", up.Addr)
	var hints []int
	ctx, cancel := context.WithTimeout(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			hints = append(hints, code)
			return nil
		},
	}), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", keyA)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for i := range 5 {
		var b [1]byte
		if _, err := io.ReadFull(resp.Body, b[:]); err != nil || string(b[:]) != fmt.Sprint(i) {
			t.Fatalf("part %d: %q, %v", i, b, err)
		}
		next <- struct{}{}
	}
	if diff := cmp.Diff([]int{103}, hints); diff != "" {
		t.Error(diff)
	}
}

// TestForwardClientGone checks that the backend hears of a client that hangs up, before and
// in the middle of the response.
func TestForwardClientGone(t *testing.T) {
	for _, started := range []bool{false, true} {
		t.Run(fmt.Sprintf("response started %t", started), func(t *testing.T) {
			here, gone := make(chan struct{}), make(chan struct{})
			up := gatetest.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
				if started {
					_, _ = io.WriteString(w, "part")
					_ = http.NewResponseController(w).Flush()
				}
				close(here)
				<-r.Context().Done()
				close(gone)
			})
			g := startForward(t, "ingest_forward", "", up.Addr)
			conn, err := net.Dial("tcp", g.Addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: gate\r\n"+withKey+"\r\n\r\n")
			<-here
			_ = conn.Close()
			select {
			case <-gone:
			case <-time.After(30 * time.Second):
				t.Error("the backend still works for nobody")
			}
		})
	}
}

func TestForwardUnixSocket(t *testing.T) {
	g := gatetest.New(t, nil)
	ln, err := net.Listen("unix", g.Dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	g.Run(t, ":{{gate}} {\ningest_forward unix/{{dir}}/s\n}\n")
	for _, size := range []int{1, 60_000, 600_000} { // the last goes the usual way
		body := strings.Repeat("b", size)
		if resp := g.Do(t, gatetest.Request{Target: "/", Body: body}); resp.Body != body {
			t.Errorf("status %d, %d of %d bytes", resp.Status, len(resp.Body), size)
		}
	}
}

// TestForwardConcurrent has hundreds of requests at once, each of which must get its own
// answer.
func TestForwardConcurrent(t *testing.T) {
	n := drill.Size(300, 1000)
	up := gatetest.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	g := startForward(t, "ingest_forward", "", up.Addr)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			body := bytes.Repeat(fmt.Appendf(nil, "%d ", i), 1+i)
			resp, err := g.Try(gatetest.Request{Target: "/", Body: string(body), Header: http.Header{"X-Api-Key": {keyA}}})
			if err != nil || resp.Body != string(body) {
				t.Errorf("request %d: status %d, %v", i, resp.Status, err)
			}
		})
	}
	all.Wait()
	if seen := len(up.Take()); seen != n {
		t.Errorf("backend got %d requests", seen)
	}
}

// TestForwardReload checks that the connections of a configuration go with it.
func TestForwardReload(t *testing.T) {
	closed := make(chan struct{}, 10)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				closed <- struct{}{}
			}
		},
	}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	site := ":{{gate}} {\ningest_forward " + ln.Addr().String() + "\n}\n"
	g := gatetest.New(t, nil)
	g.Run(t, site)
	g.Do(t, gatetest.Request{Target: "/"})
	if err := g.Load(site); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(30 * time.Second):
		t.Error("the idle connection is still open")
	}
}
