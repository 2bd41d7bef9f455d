package forward_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
)

// TestClientCancels has clients leave before the answer is there. Backends see that.
func TestClientCancels(t *testing.T) {
	// tellsEnd waits until the proxy closes the connection.
	tellsEnd := func(name, first string) answer {
		return answer{name: name, bytes: "content-type: none", do: func(l *link) {
			_, _ = io.WriteString(l, first)
			_, err := l.in.ReadByte()
			l.backend.end.note(served{backend: l.backend.name, bytes: fmt.Sprintf("connection closed: %v", err != nil)})
		}}
	}
	leaves := func(name, sends, waitsFor string) request {
		return request{name: name, do: func(c *client) {
			c.send(sends)
			in := bufio.NewReader(c)
			for line := ""; waitsFor != "" && !strings.Contains(line, waitsFor); {
				var err error
				if line, err = in.ReadString('\n'); err != nil {
					return
				}
			}
			c.stage.requests(1)
		}}
	}
	const (
		getIt  = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
		postIt = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
		events = head + "Content-Type: text/event-stream\r\n\r\ndata: 1\n"
	)
	var all []exchange
	for _, sends := range []string{getIt, postIt, strings.Replace(getIt, "GET", "HEAD", 1)} {
		all = append(all, in(leaves("leaves "+sends[:4], sends, ""), tellsEnd("silence", "")))
		if sends == postIt {
			all[len(all)-1].framing = length
		}
	}
	all = append(all,
		in(leaves("leaves in a header", getIt, ""), tellsEnd("half a header", head+"X: ")),
		in(leaves("leaves in events", getIt, "data: 1"), tellsEnd("events", events)),
		in(leaves("leaves in chunks", getIt, "abc"), tellsEnd("chunks", head+"Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabc\n\r\n")),
		in(leaves("leaves behind hints", getIt, "HTTP/1.1 103"), tellsEnd("hints", "HTTP/1.1 103 Early Hints\r\n\r\n")),
	)
	for i := range all {
		all[i].logged = 1
	}
	start(t).compareAll(t, "streams", all)
}

// TestLeastConnCounts has one backend be busy: the others get what comes next, on both ways and from
// all handlers.
func TestLeastConnCounts(t *testing.T) {
	l := start(t).lane(t, "least_conn busy")
	for _, e := range l.ends {
		for _, busyWith := range []request{get, {name: "POST of chunks", method: "POST", framing: chunked, body: "a"}, {name: "GET of another handler", target: "/other"}} {
			release := make(chan struct{})
			e.begin([]answer{{do: func(l *link) {
				<-release
				_, _ = io.WriteString(l, strings.Replace(ok, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
				l.closeAndWait()
			}}, fine}, nil)
			var busy sync.WaitGroup
			busy.Go(func() { e.try(t, busyWith) })
			if !e.requests(1) {
				t.Fatal("no backend got the request")
			}
			for range 10 {
				e.try(t, get)
				e.try(t, request{method: "POST", framing: chunked, body: "a"})
			}
			e.mu.Lock()
			first := e.got[0].backend
			for _, q := range e.got[1:] {
				if q.backend == first {
					t.Errorf("%s: a backend that is busy with %s got a request", e.side, busyWith.name)
				}
			}
			e.mu.Unlock()
			close(release)
			busy.Wait()
			e.calm()
		}
	}
}

// TestFewAtATime: a backend that is busy enough gets no more.
func TestFewAtATime(t *testing.T) {
	l := start(t).lane(t, "few at a time")
	for _, e := range l.ends {
		release := make(chan struct{})
		e.begin([]answer{{do: func(l *link) {
			<-release
			_, _ = io.WriteString(l, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
			l.closeAndWait()
		}}, fine}, nil)
		var busy sync.WaitGroup
		busy.Go(func() { e.try(t, get) })
		e.requests(1)
		if got := e.try(t, get); !strings.HasPrefix(got, "HTTP/1.1 503") {
			t.Errorf("%s: the second request got %q", e.side, got)
		}
		close(release)
		busy.Wait()
		e.calm()
	}
}

// TestWholeBody: a request that is sent to a second backend has its whole body. That is so on
// purpose: reverse_proxy has lost the body by then, and answers 502.
func TestWholeBody(t *testing.T) {
	l := start(t).lane(t, "retries")
	for _, size := range []int{1, 1000, 64 << 10} {
		for _, first := range []answer{hangUp, resets, {name: "half a header", bytes: head + "X", end: finish}} {
			e := l.ends[ours]
			body := strings.Repeat("b", size)
			e.begin([]answer{first, fine}, nil)
			got := e.try(t, request{framing: length, body: body})
			if !strings.HasPrefix(got, "HTTP/1.1 200") {
				t.Errorf("%d bytes, %s: got %.100q", size, first.name, got)
			}
			for i, q := range e.calm() {
				if _, sent, _ := strings.Cut(q.bytes, "\r\n\r\n"); sent != short(body) {
					t.Errorf("%d bytes, %s: try %d was sent %.100q", size, first.name, i, q.bytes)
				}
			}
		}
	}
}

// try sends a request to a site and returns the answer.
func (e *end) try(t *testing.T, q request) string {
	t.Helper()
	c, err := dial(e)
	if err != nil {
		t.Log(err)
		return ""
	}
	defer c.Close()
	return c.exchange(q.withDefaults())
}

// TestIdleConnections: connections that a backend has closed or reset while they were idle are
// not used, and those that are good are used again.
func TestIdleConnections(t *testing.T) {
	l := start(t).lane(t, "idle")
	for _, e := range l.ends {
		b := e.backends[0]
		e.begin([]answer{fine}, nil)
		for range 20 {
			e.try(t, get)
		}
		if n := b.open(); n != 1 {
			t.Errorf("%s: %d connections for requests one after the other", e.side, n)
		}
		for _, q := range []request{get, post, {name: "DELETE", method: "DELETE"}} {
			b.hangUp()
			await.That(t, "connections to be closed", func() bool { return b.open() == 0 })
			if e.side == oracle { // it reads from idle connections in a goroutine
				e.try(t, get)
				continue
			}
			if got := e.try(t, q); !strings.HasPrefix(got, "HTTP/1.1 200") {
				t.Errorf("%s %s behind a connection that was closed: %q", e.side, q.name, got)
			}
		}
	}
}

// TestBytesBehindAnswers: what a backend sends behind an answer is not taken for the next one.
func TestBytesBehindAnswers(t *testing.T) {
	l := start(t).lane(t, "idle")
	e := l.ends[ours]
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for _, text := range []string{ok, head + "Content-Length: 0\r\n\r\n", inChunks(head, "ok", ""), "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n"} {
		for range 5 {
			e.begin([]answer{{bytes: text + evil}, fine}, nil)
			e.try(t, get)
			if got := e.try(t, get); strings.Contains(got, "evil") {
				t.Errorf("behind %q came %q", text, got)
			}
			e.calm()
		}
	}
}

// TestConnectionsInUse: many requests at a time get many connections, each its own answer.
func TestConnectionsInUse(t *testing.T) {
	l := start(t).lane(t, "idle")
	for _, e := range l.ends {
		e.begin([]answer{{do: func(l *link) {
			for n := 0; ; n++ {
				target := l.backend.end.lastTarget(l.id)
				_, _ = fmt.Fprintf(l, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
				if h, err := l.head(); err != nil {
					return
				} else {
					l.backend.end.note(served{conn: l.id, bytes: h})
				}
			}
		}}}, nil)
		var clients sync.WaitGroup
		for i := range 10 {
			clients.Go(func() {
				c, err := dial(e)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				in := bufio.NewReader(c)
				for k := range 10 {
					target := fmt.Sprintf("/%d/%d", i, k)
					c.send("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n")
					res, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Errorf("%s: %v", e.side, err)
						return
					}
					if body, err := io.ReadAll(res.Body); string(body) != target || err != nil {
						t.Errorf("%s: %s got %q, %v", e.side, target, body, err)
					}
				}
			})
		}
		clients.Wait()
		e.backends[0].hangUp()
		e.calm()
	}
}

// lastTarget returns the target of the last request on a connection.
func (s *stage) lastTarget(conn int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, got := range slices.Backward(s.got) {
		if got.conn == conn {
			return strings.Fields(got.bytes)[1]
		}
	}
	return ""
}
