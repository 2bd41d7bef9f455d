package gatetest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Seen is a request as the backend saw it.
type Seen struct {
	Method  string
	URI     string // request target, as in the request line
	Proto   string
	Length  int64 // Content-Length, -1 for chunked
	Header  http.Header
	Trailer http.Header
	Body    string
	BodyErr error
}

// String renders everything of the request, for searching.
func (s Seen) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\n", s.Method, s.URI, s.Proto)
	_ = s.Header.Write(&b)
	b.WriteString("\n" + s.Body + "\n")
	_ = s.Trailer.Write(&b)
	return b.String()
}

// Upstream is a backend that records what it gets.
type Upstream struct {
	Addr string // host:port

	mu   sync.Mutex
	seen []Seen
}

// NewUpstream starts a backend. Without a handler it answers 200 and "ok".
func NewUpstream(tb testing.TB, handler http.HandlerFunc) *Upstream {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	u := &Upstream{Addr: ln.Addr().String()}
	srv := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    8 << 20,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			u.record(r)
			if handler != nil {
				handler(w, r)
				return
			}
			_, _ = io.WriteString(w, "ok")
		}),
	}
	go func() { _ = srv.Serve(ln) }()
	tb.Cleanup(func() { _ = srv.Close() })
	return u
}

func (u *Upstream) record(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen = append(u.seen, Seen{
		Method: r.Method, URI: r.RequestURI, Proto: r.Proto, Length: r.ContentLength,
		Header: r.Header.Clone(), Trailer: r.Trailer.Clone(), Body: string(body), BodyErr: err,
	})
}

// Take returns what was seen since the last call.
func (u *Upstream) Take() []Seen {
	u.mu.Lock()
	defer u.mu.Unlock()
	seen := u.seen
	u.seen = nil
	return seen
}

// One returns the only request seen since the last call, and fails the test if
// there was none or more than one.
func (u *Upstream) One(tb testing.TB) Seen {
	tb.Helper()
	seen := u.Take()
	if len(seen) != 1 {
		tb.Fatalf("backend saw %d requests, want 1", len(seen))
	}
	return seen[0]
}
