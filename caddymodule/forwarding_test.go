package caddymodule_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// hangUp is a backend that reads requests up to the given number of bytes and
// closes the connection without an answer.
func hangUp(t *testing.T, after int) (addr string, hits func() int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	var mu sync.Mutex
	n := 0
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			n++
			mu.Unlock()
			_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			_, _ = io.CopyN(io.Discard, conn, int64(after))
			_ = conn.Close()
		}
	}()
	return ln.Addr().String(), func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func TestRetrySeesTheWholeBodyOrFails(t *testing.T) {
	body := `{"token":"` + keyA + `","event":"` + strings.Repeat("x", 200_000) + `"}`
	want := strings.Replace(body, `"token":"`+keyA+`",`, "", 1)
	for _, after := range []int{1, 1000, 100_000, len(want) + 2000} {
		for _, f := range gatetest.Framings {
			t.Run(fmt.Sprintf("%s, first backend reads %d bytes", f, after), func(t *testing.T) {
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
				resp := g.Do(t, gatetest.Request{Framing: f, Target: "/", Body: body, Header: http.Header{"Content-Type": {"application/json"}}})
				if hits() == 0 {
					t.Fatal("the first backend was not asked")
				}
				for _, seen := range good.Take() {
					if seen.BodyErr == nil && seen.Body != want {
						t.Errorf("second backend took a body of %d bytes for whole, want %d", len(seen.Body), len(want))
					}
				}
				if resp.Status != http.StatusOK && resp.Status != http.StatusBadGateway {
					t.Errorf("status %d", resp.Status)
				}
			})
		}
	}
}

func TestRetryAfterDialErrorLosesNothing(t *testing.T) {
	good := gatetest.NewUpstream(t, nil)
	g := startSite(t, `ingest_auth
	reverse_proxy {{bad}} {{good}} {
		lb_policy first
		lb_retries 1
		fail_duration 1m
	}`, map[string]gatetest.Record{keyA: {}}, gatetest.Vars{"bad": freeport.Addr(t), "good": good.Addr})
	for _, f := range gatetest.Framings {
		resp := g.Do(t, gatetest.Request{Framing: f, Target: "/", Body: `{"token":"` + keyA + `","a":1}`, Header: http.Header{"Content-Type": {"application/json"}}})
		if seen := good.One(t); resp.Status != http.StatusOK || seen.Body != `{"a":1}` {
			t.Errorf("%s: status %d, body %q", f, resp.Status, seen.Body)
		}
	}
}

func TestContentEncodings(t *testing.T) {
	g, up := start(t, "credential body token", map[string]gatetest.Record{keyA: {}})
	plain := []byte(`{"event":"` + strings.Repeat("abc ", 1000) + `","token":"` + keyA + `"}`)
	want := strings.Replace(string(plain), `,"token":"`+keyA+`"`, "", 1)
	compressed := map[string][]byte{"gzip": gzipped(plain), "x-gzip": gzipped(plain), "identity": plain}
	var buf bytes.Buffer
	zl := zlib.NewWriter(&buf)
	_, _ = zl.Write(plain)
	_ = zl.Close()
	compressed["deflate"] = bytes.Clone(buf.Bytes())
	buf.Reset()
	fl, _ := flate.NewWriter(&buf, 6)
	_, _ = fl.Write(plain)
	_ = fl.Close()
	compressed["Deflate"] = bytes.Clone(buf.Bytes()) // without zlib's frame
	enc, _ := zstd.NewWriter(nil)
	compressed["zstd"] = enc.EncodeAll(plain, nil)
	compressed["br"] = brotlied(plain)
	for coding, body := range compressed {
		for _, f := range gatetest.Framings {
			t.Run(coding+" "+string(f), func(t *testing.T) {
				resp := g.Do(t, gatetest.Request{
					Framing: f, Target: "/", Body: string(body),
					Header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {coding}, "Content-Md5": {"x"}},
				})
				if resp.Status != http.StatusOK {
					t.Fatalf("status %d: %s", resp.Status, resp.Body)
				}
				seen := up.One(t)
				if seen.Body != want || seen.Length != int64(len(want)) {
					t.Errorf("body of %d bytes, length %d, want %d", len(seen.Body), seen.Length, len(want))
				}
				if v := seen.Header.Get("Content-Encoding"); v != "" && v != "identity" {
					t.Errorf("Content-Encoding: %s", v)
				}
				if v := seen.Header.Get("Content-Md5"); v != "" {
					t.Errorf("Content-MD5: %s", v)
				}
			})
		}
	}
}

func TestBodiesThatAreNotLookedAtStreamThrough(t *testing.T) {
	g, up := start(t, "max_body 64KiB", map[string]gatetest.Record{keyA: {}})
	header := http.Header{"Content-Type": {"image/png"}, "Content-Encoding": {"br"}, "X-Api-Key": {keyA}}
	for _, f := range gatetest.Framings {
		resp := g.Do(t, gatetest.Request{Framing: f, Target: "/", Body: "\x89PNG{\"token\":1", Header: header})
		if seen := up.One(t); resp.Status != http.StatusOK || seen.Body != "\x89PNG{\"token\":1" || seen.Header.Get("Content-Encoding") != "br" {
			t.Errorf("%s: status %d, body %q", f, resp.Status, seen.Body)
		}
	}
}

func TestStreamedBodyThatIsTooLarge(t *testing.T) {
	for _, f := range gatetest.Framings {
		g, up := start(t, "max_body 64KiB", map[string]gatetest.Record{keyA: {}})
		resp := g.Do(t, gatetest.Request{
			Framing: f, Target: "/", Body: strings.Repeat("x", 70_000),
			Header: http.Header{"Content-Type": {"image/png"}, "X-Api-Key": {keyA}},
		})
		if resp.Status != http.StatusRequestEntityTooLarge || !strings.Contains(resp.Body, "body_too_large") {
			t.Errorf("%s: status %d: %s", f, resp.Status, resp.Body)
		}
		for _, seen := range up.Take() {
			if seen.BodyErr == nil {
				t.Errorf("%s: backend took a body of %d bytes for whole", f, len(seen.Body))
			}
		}
	}
}

func TestTrailersOfStreamedBodiesStay(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {}})
	g.Do(t, gatetest.Request{
		Target: "/", Body: "bytes", Header: http.Header{"Content-Type": {"image/png"}, "X-Api-Key": {keyA}},
		Trailer: http.Header{"X-Sum": {"1"}},
	})
	if got := up.One(t).Trailer.Get("X-Sum"); got != "1" {
		t.Errorf("trailer X-Sum: %q", got)
	}
}

func TestExpectContinue(t *testing.T) {
	g, up := start(t, "credential header X-API-Key\ncredential body token", map[string]gatetest.Record{keyA: {}})
	post := func(key, length string) string {
		return raw("POST /", "X-Api-Key: "+key, "Content-Type: application/json", "Expect: 100-continue", "Content-Length: "+length)
	}
	for name, tc := range map[string]struct {
		request string
		status  int
	}{
		"a wrong key in a header":            {post("nobody-has-this", "100"), 401},
		"a body that is said to be too long": {post(keyA, "2097152"), 413},
		"a good key":                         {post(keyA, "7"), 100},
	} {
		if resp := g.Raw(t, "POST", tc.request); resp.StatusCode != tc.status {
			t.Errorf("%s: first status %d, want %d", name, resp.StatusCode, tc.status)
		}
	}
	if n := len(up.Take()); n != 0 {
		t.Errorf("backend saw %d requests before a body was sent", n)
	}
}

func TestNDJSON(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {}})
	body := `{"token":"` + keyA + `","n":1}` + "\n" + `{"n":2,"token":"` + keyA + `"}` + "\r\n\n" + `{"n":3}` + "\n"
	resp := g.Do(t, gatetest.Request{Target: "/", Body: body, Header: http.Header{"Content-Type": {"application/x-ndjson"}}})
	if seen := up.One(t); resp.Status != http.StatusOK || seen.Body != "{\"n\":1}\n{\"n\":2}\r\n\n{\"n\":3}\n" {
		t.Errorf("status %d, body %q", resp.Status, seen.Body)
	}
}

func TestArrays(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {}, keyB: {}})
	header := http.Header{"Content-Type": {"application/vnd.events+json; charset=UTF-8"}}
	resp := g.Do(t, gatetest.Request{Target: "/", Header: header, Body: `[ {"token":"` + keyA + `"}, 7, {"a":1 ,"token":"` + keyA + `"} ]`})
	if seen := up.One(t); resp.Status != http.StatusOK || seen.Body != `[ {}, 7, {"a":1 } ]` {
		t.Errorf("status %d, body %q", resp.Status, seen.Body)
	}
	resp = g.Do(t, gatetest.Request{Target: "/", Header: header, Body: `[{"token":"` + keyA + `"},{"token":"` + keyB + `"}]`})
	if resp.Status != http.StatusBadRequest {
		t.Errorf("different keys in one array: status %d", resp.Status)
	}
}
