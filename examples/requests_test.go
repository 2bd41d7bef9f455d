package examples_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
)

// titles matches the titles of the requests in requests.sh.
var titles = regexp.MustCompile(`(?m)^request ["'](.*?)["'] "\$`)

// requests runs requests.sh of an example, and returns what it says, its exit code,
// and the titles of the requests in it.
func requests(t *testing.T, name, addr string) (out string, code int, sends []string) {
	t.Helper()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	script := filepath.Join(name, "requests.sh")
	content, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range titles.FindAllStringSubmatch(string(content), -1) {
		sends = append(sends, m[1])
	}
	if want := strings.Count(string(content), "\nrequest "); len(sends) != want || want < 10 {
		t.Fatalf("%s: %d titles of %d requests", script, len(sends), want)
	}
	cmd := exec.CommandContext(t.Context(), "bash", script, "http://"+addr)
	combined, _ := cmd.CombinedOutput()
	return string(combined), cmd.ProcessState.ExitCode(), sends
}

// TestRequests: an example gives all requests of its requests.sh what they should
// get, and its backends see no key.
func TestRequests(t *testing.T) {
	for _, name := range examples {
		t.Run(name, func(t *testing.T) {
			ex := start(t, name, nil)
			out, code, sends := requests(t, name, ex.Addr)
			if code != 0 {
				t.Errorf("exit code %d:\n%s", code, out)
			}
			for _, title := range sends {
				if !strings.Contains(out, " "+title+"\n") {
					t.Errorf("not sent: %s\n%s", title, out)
				}
			}
			for _, seen := range append(ex.live.Take(), ex.test.Take()...) {
				if strings.Contains(seen.String(), anyKey) {
					t.Errorf("a backend saw a key:\n%s", seen)
				}
			}
		})
	}
}

// falsified are ways in which answers can be other than they should, and what of
// the answers to a script differs then.
var falsified = []struct {
	what    string
	falsify func(*http.Response)
	all     bool // of all requests
}{
	{"statuses", func(r *http.Response) { r.StatusCode = http.StatusTeapot }, true},
	{"bodies", func(r *http.Response) { addToBody(r, "x") }, true},
	{"what a backend sees", func(r *http.Response) { r.Header.Set("Backend-Saw", r.Header.Get("Backend-Saw")+"x") }, true},
	{"headers", func(r *http.Response) {
		r.Header = http.Header{"Backend-Saw": r.Header["Backend-Saw"], "Content-Type": {"text/plain"}}
	}, false},
}

func addToBody(r *http.Response, more string) {
	if r.StatusCode == http.StatusNoContent {
		r.StatusCode = http.StatusOK
	}
	b, _ := io.ReadAll(r.Body)
	_ = r.Body.Close()
	b = append(b, more...)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	r.Header.Del("Content-Length")
}

// TestRequestsFail: a script fails, and names every request that got something else. The
// scripts share what compares: each is tried with another falsification, in a drill with all.
func TestRequestsFail(t *testing.T) {
	for i, name := range examples {
		for j, f := range falsified {
			if !drill.On() && i%len(falsified) != j {
				continue
			}
			t.Run(name+" "+f.what, func(t *testing.T) {
				ex := start(t, name, nil)
				proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: ex.Addr})
				proxy.ModifyResponse = func(r *http.Response) error { f.falsify(r); return nil }
				srv := httptest.NewServer(proxy)
				t.Cleanup(srv.Close)
				out, code, sends := requests(t, name, strings.TrimPrefix(srv.URL, "http://"))
				_, named, _ := strings.Cut(out, "requests got something else:\n")
				if code == 0 || named == "" {
					t.Fatalf("exit code %d:\n%s", code, out)
				}
				for _, title := range sends {
					if f.all && !strings.Contains(named, "    "+title+"\n") {
						t.Errorf("not named: %s\n%s", title, out)
					}
				}
			})
		}
		t.Run(name+" nobody there", func(t *testing.T) {
			srv := httptest.NewServer(nil)
			srv.Close()
			out, code, sends := requests(t, name, strings.TrimPrefix(srv.URL, "http://"))
			if code == 0 || !strings.Contains(out, "requests got something else:\n    "+sends[0]+"\n") {
				t.Errorf("exit code %d:\n%s", code, out)
			}
		})
	}
}
