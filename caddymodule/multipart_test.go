package caddymodule_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// TestMultipartThroughProxies: a file behind the key streams through every transport and
// framing, to a second backend if the first cannot be reached; a key behind the file gets the
// client 400, and no backend takes what it has for the whole body.
func TestMultipartThroughProxies(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	hung, _ := hangUp(t, 100_000)
	g := startSite(t, `ingest_auth {
		credential multipart api_key
	}
	handle /http {
		reverse_proxy {{up}}
	}
	handle /ingest {
		ingest_forward {{up}}
	}
	handle /down {
		reverse_proxy {{down}} {{up}} {
			lb_policy first
			lb_retries 1
			fail_duration 1m
		}
	}
	handle /hung {
		reverse_proxy {{hung}} {{up}} {
			lb_policy first
			lb_retries 1
			lb_retry_match method POST
		}
	}`, map[string]gatetest.Record{keyA: {}}, gatetest.Vars{"up": up.Addr, "down": freeport.Addr(t), "hung": hung})
	part := func(disposition, value string) string {
		return "--xx\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + value + "\r\n"
	}
	key := part(`name="api_key"`, keyA)
	for _, f := range gatetest.Framings {
		for _, size := range []int{100, 300 << 10} {
			file := part(`name="dump"; filename="a"`, strings.Repeat("x\r\n", size/3))
			for _, path := range []string{"/http", "/ingest", "/down", "/hung"} {
				good := gatetest.Request{Framing: f, Target: path, Body: key + file + "--xx--\r\n", Header: http.Header{"Content-Type": {"multipart/form-data; boundary=xx"}}}
				resp, err := g.Try(good)
				whole := wholeBodies(t, path+", "+string(f), up, file+"--xx--\r\n")
				if path == "/hung" {
					continue // it may get through, or not
				}
				if err != nil || resp.Status != http.StatusOK || whole != 1 {
					t.Errorf("%s, %s, file of %d: %d %s, %v, %d whole bodies", path, f, size, resp.Status, resp.Body, err, whole)
				}
				if size < 64<<10 || path == "/down" { // which would be taken for a fault of the backend
					continue
				}
				late := good
				late.Body = key + file + key + "--xx--\r\n"
				if resp := g.Do(t, late); resp.Status != http.StatusBadRequest || !strings.Contains(resp.Body, "before files") {
					t.Errorf("%s, %s, file of %d, late key: %d %s", path, f, size, resp.Status, resp.Body)
				}
			}
		}
	}
}

// wholeBodies returns how many bodies a backend took for whole: it may be this one only. Those
// that break off may be seen later than the client has its answer.
func wholeBodies(t *testing.T, name string, up *gatetest.Upstream, want string) (n int) {
	t.Helper()
	for _, seen := range up.Take() {
		switch {
		case strings.Contains(seen.Body, keyA):
			t.Errorf("%s: the backend saw the key", name)
		case seen.BodyErr == nil && seen.Body != want:
			t.Errorf("%s: the backend took %d bytes for the body", name, len(seen.Body))
		case seen.BodyErr == nil:
			n++
		}
	}
	return n
}
