// Package examples_test holds the examples to the documentation of the APIs that
// they stand for, sentence by sentence.
package examples_test

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

var examples = []string{"altertable", "eventicat", "instasent", "ours-privacy"}

// example is an example that runs. Between the gate and the backends that its
// Caddyfile plays stand recorders.
type example struct {
	*gatetest.Gate
	live, test *gatetest.Upstream
	keys       string // path of its copy of the key file
}

// start runs the Caddyfile of an example as it is on disk, but for addresses and
// the path of the key file. It uses a copy of the key file with more records.
func start(t *testing.T, name string, more map[string]gatetest.Record) *example {
	t.Helper()
	liveBackend, testBackend := freeport.Addr(t), freeport.Addr(t)
	ex := &example{
		live: gatetest.NewUpstream(t, forward(liveBackend)),
		test: gatetest.NewUpstream(t, forward(testBackend)),
	}
	ex.Gate = gatetest.New(t, gatetest.Vars{
		"live": ex.live.Addr, "test": ex.test.Addr,
		"live backend": portOf(liveBackend), "test backend": portOf(testBackend),
	})
	ex.keys = ex.Write(t, "keys.json", withRecords(t, filepath.Join(name, "keys.json"), more))
	content, err := os.ReadFile(filepath.Join(name, "Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	ex.Run(t, strings.NewReplacer(
		":8080 {", ":{{gate}} {",
		"localhost:9000", "{{live}}", ":9000 {", ":{{live backend}} {",
		"localhost:9001", "{{test}}", ":9001 {", ":{{test backend}} {",
		"examples/"+name+"/", "{{dir}}/",
	).Replace(string(content)))
	return ex
}

// Headers of a request that make a recorder fail in place of the backend.
const (
	testAbort  = "X-Test-Abort"  // the connection is closed without an answer
	testStatus = "X-Test-Status" // the answer has this status
)

// forward passes requests on to the backend that the Caddyfile plays.
func forward(addr string) http.HandlerFunc {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(testAbort) != "" {
			panic(http.ErrAbortHandler)
		}
		if status, err := strconv.Atoi(r.Header.Get(testStatus)); err == nil {
			w.WriteHeader(status)
			return
		}
		proxy.ServeHTTP(w, r)
	}
}

// withRecords returns a key file with more records.
func withRecords(t *testing.T, path string, more map[string]gatetest.Record) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(more) == 0 {
		return string(content)
	}
	list := strings.TrimSuffix(strings.TrimPrefix(gatetest.Keys(more), `{"keys":[`), `]}`)
	return strings.Replace(string(content), "[", "["+list+",", 1)
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func TestCaddyfilesAreFormatted(t *testing.T) {
	for _, name := range examples {
		content, err := os.ReadFile(filepath.Join(name, "Caddyfile"))
		if err != nil {
			t.Fatal(err)
		}
		if got := caddyfile.Format(content); string(got) != string(content) {
			t.Errorf("%s/Caddyfile is not formatted; run `ingest-auth fmt --overwrite`", name)
		}
	}
}
