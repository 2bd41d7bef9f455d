package caddymodule_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule"
	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// otherBodies are bodies that are not JSON, of types under which JSON is looked for.
var otherBodies = map[string][]string{
	"text/plain":                        {"hello, world", "  \r\n\t hello", "[2026-01-01 10:00] started\n", "{{name}}, hello", "a,b\n1,2", "x", "\x00\x01\x02\x03"},
	"text/csv":                          {"id,name\n1,a\n"},
	"":                                  {"hello", "\x89PNG\r\n\x1a\n\x00\x00\x00\x0d", "a=1&b={}"},
	"application/octet-stream":          {"\x0a\x7b\x0a\x05hello\x12\x02ab", "\x08\x01\x12\x5bsome text", "\x00\x00\x00\x00\x7b\x0a\x05hello\x10\x01", "\x0b\x0b\x0b\x0b", strings.Repeat("\x00", 500)},
	"application/x-www-form-urlencoded": {"a=1&b=2", "=", "a={}"},
	"not a type":                        {"hello"},
}

// TestOtherBodiesPassUnchanged: what nobody takes for JSON is passed on as it came,
// byte for byte, with its length or without.
func TestOtherBodiesPassUnchanged(t *testing.T) {
	for _, gate := range []string{"", "bind body", "enforce off", "enforce off\nstrip on", "strip off"} {
		g, up := start(t, "credential header X-API-Key\ncredential body token\n"+gate, map[string]gatetest.Record{keyA: {}})
		for contentType, bodies := range otherBodies {
			for _, body := range append(bodies, bodies[0]+strings.Repeat("\x00{\"token\":[", 100_000)) {
				for _, f := range gatetest.Framings {
					if gate == "bind body" && len(body) > 1<<20 {
						continue // is read
					}
					wantStatus(t, g, gatetest.Request{Framing: f, Target: "/", Body: body, Header: typed(contentType)}, 200)
					seen := up.One(t)
					if seen.Body != body || seen.BodyErr != nil || f == gatetest.Length && seen.Length != int64(len(body)) {
						t.Errorf("%q, %s, %q: backend saw %d bytes of %d, length %d", gate, f, contentType, len(seen.Body), len(body), seen.Length)
					}
				}
			}
		}
	}
}

// trickle is a body that is sent on demand.
type trickle struct {
	contentType string
	framing     gatetest.Framing
	beginning   string
}

// streamingUpstream is a backend that tells as soon as it has read as many bytes of
// a body as what it is to begin with has.
func streamingUpstream(t *testing.T) (addr string, began chan string) {
	t.Helper()
	began = make(chan string, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := make([]byte, 5)
		_, _ = io.ReadFull(r.Body, first)
		began <- string(first)
		rest, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, len(first)+len(rest), err, r.Trailer.Get("X-Sum"), r.Trailer.Get("X-Api-Key"), r.Trailer.Get("X-Ingest-Identity"))
	})}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().String(), began
}

// TestOtherBodiesStream: the backend has the first bytes while the client keeps the
// others back, and trailers that clients may send come through.
func TestOtherBodiesStream(t *testing.T) {
	backend, began := streamingUpstream(t)
	g := startSite(t, "ingest_auth {\ncredential bearer\ncredential header X-API-Key\ncredential body token\n}\nreverse_proxy "+backend+" {\nflush_interval -1\n}", map[string]gatetest.Record{keyA: {}}, nil)
	for _, b := range []trickle{
		{"text/plain", gatetest.Chunked, "hello"},
		{"", gatetest.Chunked, "\n\n\nab"},
		{"application/octet-stream", gatetest.Chunked, "\x0a\x7b\x0a\x01h\x12\x02ab"},
		{"application/x-www-form-urlencoded", gatetest.Chunked, "a=1&b"},
		{"text/plain", gatetest.HTTP2, "hello"},
		{"text/plain", gatetest.Length, "hello"},
		{"image/png", gatetest.Length, "\x89PNG\r"},
	} {
		t.Run(fmt.Sprint(b.contentType, b.framing), func(t *testing.T) {
			if b.framing == gatetest.Length { // clients buffer a few KiB
				b.beginning += strings.Repeat("x", 64<<10)
			}
			pr, pw := io.Pipe()
			go func() {
				_, _ = io.WriteString(pw, b.beginning)
				if first := <-began; first != b.beginning[:5] {
					_ = pw.CloseWithError(fmt.Errorf("the backend has %q first", first))
					return
				}
				_, _ = io.WriteString(pw, strings.Repeat("x", 2<<20))
				_ = pw.Close()
			}()
			length, trailers := int64(-1), "1"
			if b.framing == gatetest.Length {
				length, trailers = int64(len(b.beginning)+2<<20), ""
			}
			got := sendSlowly(t, g, b, pr, length)
			if want := fmt.Sprint(len(b.beginning)+2<<20, nil, trailers); got != want {
				t.Errorf("the backend says %q, want %q", got, want)
			}
		})
	}
}

// sendSlowly sends a body as it comes, and returns what the backend says.
func sendSlowly(t *testing.T, g *gatetest.Gate, b trickle, body io.Reader, length int64) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+g.Addr+"/", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header, r.ContentLength = typed(b.contentType), length
	if length < 0 {
		r.Trailer = http.Header{"X-Sum": {"1"}, "X-Api-Key": {keyB}, "X-Ingest-Identity": {forged}}
	}
	resp, err := gatetest.Client(b.framing).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return string(answer)
}

// TestMaxBodyOfStreamedBodies: unless it is written, max_body is for what is read
// into memory.
func TestMaxBodyOfStreamedBodies(t *testing.T) {
	large := strings.Repeat("x", 1_200_000)
	for _, tc := range []struct {
		gate, contentType, body string
		status                  int
	}{
		{"credential bearer", "application/json", `{"a":"` + large + `"}`, 200},
		{"", "application/json", `{"a":"` + large + `"}`, 413},
		{"", "image/png", large, 200},
		{"", "text/plain", large, 200},
		{"", "text/plain", `{"a":"` + large + `"}`, 413},
		{"", "text/plain", strings.Repeat(" ", 1_200_000), 413}, // is not peeked into for ever
		{"bind body", "image/png", large, 413},
		{"credential form key", "application/x-www-form-urlencoded", "a=" + large, 413},
		{"credential form key", "application/json", `{"a":"` + large + `"}`, 200},
		{"max_body 1MiB\ncredential bearer", "application/json", `{"a":"` + large + `"}`, 413},
		{"max_body 1MiB", "image/png", large, 413},
		{"max_body 1MiB", "text/plain", large, 413},
		{"max_body 2MiB", "application/json", `{"a":"` + large + `"}`, 200},
		{"max_body 2MiB", "text/plain", large, 200},
	} {
		g, up := start(t, tc.gate, map[string]gatetest.Record{keyA: {}})
		for _, f := range gatetest.Framings {
			h := http.Header{"Content-Type": {tc.contentType}, "Authorization": {"Bearer " + keyA}}
			if tc.gate == "credential form key" {
				h = http.Header{"Content-Type": {tc.contentType}}
			}
			resp := g.Do(t, gatetest.Request{Framing: f, Target: "/", Body: tc.body, Header: h})
			want := tc.status
			if tc.gate == "credential form key" && want == 200 {
				want = 401 // but not for its size
			}
			if resp.Status != want {
				t.Errorf("%q, %s of %d bytes, %s: status %d, want %d", tc.gate, tc.contentType, len(tc.body), f, resp.Status, want)
			}
			for _, seen := range up.Take() {
				if want != 200 && seen.BodyErr == nil || want == 200 && seen.Body != tc.body {
					t.Errorf("%q, %s, %s: backend took %d bytes for whole", tc.gate, tc.contentType, f, len(seen.Body))
				}
			}
		}
	}
	await.That(t, "all memory to be given back", func() bool { return caddymodule.BufferedBytes() == 0 })
}

// TestEndlessWhiteSpace: what could still become JSON is not peeked into for ever,
// and no part of it gets to the backend.
func TestEndlessWhiteSpace(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {}})
	for beginning, space := range map[string]string{"": " ", "\r": "\n", "\x01": "\x00", "//": "// x\n", "/*": "*", "[": "a"} {
		pr, pw := io.Pipe()
		go func() {
			_, err := io.WriteString(pw, beginning)
			for chunk := []byte(strings.Repeat(space, 8<<10)); err == nil; {
				_, err = pw.Write(chunk)
			}
		}()
		r, _ := http.NewRequest(http.MethodPost, "http://"+g.Addr+"/", pr)
		r.Header = typed("text/plain")
		resp, err := gatetest.Client(gatetest.HTTP2).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		_ = pr.CloseWithError(errors.New("enough"))
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%q and %q for ever: status %d", beginning, space, resp.StatusCode)
		}
	}
	if n := len(up.Take()); n > 0 {
		t.Errorf("backend saw %d requests", n)
	}
}

// TestStreamedBodyIsNeverCutShort: a proxy that tries the next backend when the
// first has hung up must not send it what is left of a body, which may be nothing.
func TestStreamedBodyIsNeverCutShort(t *testing.T) {
	body := strings.Repeat("event ", 40_000)
	for _, contentType := range []string{"text/plain", "application/octet-stream", "image/png"} {
		for _, f := range gatetest.Framings {
			for _, after := range []int{1, 1000, 100_000, len(body) + 20_000} {
				bad, hits := hangUp(t, after)
				good := gatetest.NewUpstream(t, nil)
				g := startSite(t, `ingest_auth
				reverse_proxy {{bad}} {{good}} {
					lb_policy first
					lb_retries 1
					lb_try_interval 1ms
					lb_retry_match method POST
					fail_duration 1m
				}`, map[string]gatetest.Record{keyA: {}}, gatetest.Vars{"bad": bad, "good": good.Addr})
				resp := g.Do(t, gatetest.Request{Framing: f, Target: "/", Body: body, Header: typed(contentType)})
				if hits() == 0 {
					t.Fatal("the first backend was not asked")
				}
				for _, seen := range good.Take() {
					if seen.BodyErr == nil && seen.Body != body {
						t.Errorf("%s, %s: second backend took %d bytes for whole", contentType, f, len(seen.Body))
					}
				}
				if resp.Status != http.StatusOK && resp.Status != http.StatusBadGateway {
					t.Errorf("status %d", resp.Status)
				}
			}
		}
	}
}

func TestStreamedBodyAfterDialError(t *testing.T) {
	good := gatetest.NewUpstream(t, nil)
	g := startSite(t, "ingest_auth\nreverse_proxy {{bad}} {{good}} {\nlb_policy first\nlb_retries 1\nfail_duration 1m\n}",
		map[string]gatetest.Record{keyA: {}}, gatetest.Vars{"bad": freeport.Addr(t), "good": good.Addr})
	for _, f := range gatetest.Framings {
		wantStatus(t, g, gatetest.Request{Framing: f, Target: "/", Body: "hello", Header: typed("text/plain")}, 200)
		if seen := good.One(t); seen.Body != "hello" || seen.BodyErr != nil {
			t.Errorf("%s: body %q", f, seen.Body)
		}
	}
}

// TestRefusedBodyThatWasPeekedInto is never forwarded, by an error route neither.
func TestRefusedBodyThatWasPeekedInto(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	for _, copied := range []string{"", "tracing\n"} { // which copies the request
		testRefusedBody(t, copied)
	}
}

func testRefusedBody(t *testing.T, site string) {
	t.Helper()
	up := gatetest.NewUpstream(t, nil)
	g := startSite(t, site+`ingest_auth {
		errors caddy
		limit 1/`+year+` by key
		max_body 64KiB
	}
	reverse_proxy {{up}}
	handle_errors {
		reverse_proxy {{up}}
	}`, map[string]gatetest.Record{keyA: {}}, gatetest.Vars{"up": up.Addr})
	for _, f := range gatetest.Framings {
		req := gatetest.Request{Framing: f, Target: "/", Body: "a canary in a text", Header: typed("text/plain")}
		g.Do(t, req)
		up.Take()
		g.Do(t, req) // over the limit
		req.Header = header("text/plain")
		g.Do(t, req) // no key
		for _, seen := range up.Take() {
			if strings.Contains(seen.Body, "canary") {
				t.Errorf("%s: an error route forwards %q", f, seen.Body)
			}
		}
	}
}

// TestPeekedBodyThatBreaksOff is not forwarded as a whole one.
func TestPeekedBodyThatBreaksOff(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {}})
	for _, request := range []string{
		raw("POST /", withKey, "Content-Type: text/plain", "Transfer-Encoding: chunked") + "5\r\nhello\r\nzz\r\n",
		raw("POST /", withKey, "Content-Type: text/plain", "Transfer-Encoding: chunked") + "5\r\nhello\r\n10000\r\n" + strings.Repeat("x", 1<<16) + "\r\nzz\r\n",
		raw("POST /", withKey, "Content-Type: text/plain", "Transfer-Encoding: chunked") + "zz\r\n",
		raw("POST /", withKey, "Content-Type: text/plain", "Content-Length: 100") + "hello",
	} {
		conn, err := net.Dial("tcp", g.Addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, request)
		if strings.Contains(request, "Content-Length") {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil && resp.StatusCode == http.StatusOK {
			t.Errorf("%.200q: status %d", request, resp.StatusCode)
		}
		_ = conn.Close()
	}
	for _, seen := range up.Take() {
		if seen.BodyErr == nil {
			t.Errorf("backend took %.20q for whole", seen.Body)
		}
	}
}

// TestEncodedBodiesAreRead: an encoded body of such a type may be JSON.
func TestEncodedBodiesAreRead(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {}, keyB: {}})
	req := gatetest.Request{Target: "/", Body: string(gzipped([]byte(`{"token":"` + keyB + `"}`))), Header: typed("text/plain")}
	req.Header.Set("Content-Encoding", "gzip")
	wantStatus(t, g, req, 400)
	req.Body = string(gzipped(bytes.Repeat([]byte("text "), 1000)))
	wantStatus(t, g, req, 200)
	if seen := up.One(t); len(seen.Body) != 5000 || seen.Header.Get("Content-Encoding") != "" {
		t.Errorf("backend saw %d bytes", len(seen.Body))
	}
}
