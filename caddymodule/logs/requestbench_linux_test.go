package logs_test

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"

	_ "github.com/ingestauth/caddy-ingest-auth/caddymodule"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// benchKey is the key of accessRequest.
const benchKey = "iak_live_PublicDemoKeyDoNotUse000000000010ZukjS"

// BenchmarkAccessLogRequest is a whole request in Caddy's server, without the network, by what
// is logged of it. An access log costs what its row has more than the row "off".
func BenchmarkAccessLogRequest(b *testing.B) {
	const stock, gate = "", "ingest_auth {\nlimit 100000000/1m by key\n}\n"
	for _, c := range []struct{ name, handlers, log string }{
		{"stock/off", stock, ""},
		{"stock/json", stock, "format json"},
		{"stock/console", stock, "format console"},
		{"stock/redact_keys", stock, "format redact_keys"},
		{"gate/off", gate, ""},
		{"gate/redact_keys", gate, "format redact_keys"},
		{"gate/redact_keys console", gate, "format redact_keys {\nwrap console\n}"},
	} {
		b.Run(c.name, func(b *testing.B) { benchRequests(b, c.handlers, c.log) })
	}
}

// benchRequests reports CPU time, the collector's included: a busy machine changes it less.
func benchRequests(b *testing.B, handlers, format string) {
	b.Helper()
	server := benchServer(b, handlers, format)
	request := accessRequest()
	w := &answered{header: make(http.Header)}
	b.ReportAllocs()
	start := cpuTime()
	for b.Loop() {
		clear(w.header)
		server.ServeHTTP(w, request.Clone(request.Context()))
	}
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
	if w.status != http.StatusOK {
		b.Fatalf("status %d", w.status)
	}
}

// benchServer starts a server with a key file of 1,000 keys, whose access log is a file.
func benchServer(b *testing.B, handlers, format string) *caddyhttp.Server {
	b.Helper()
	g := gatetest.New(b, nil)
	records := map[string]gatetest.Record{benchKey: {}}
	for i := range 999 {
		records[fmt.Sprint("another key ", i)] = gatetest.Record{"key_id": fmt.Sprint("key_", i)}
	}
	g.Write(b, "keys.json", gatetest.Keys(records))
	if format != "" {
		format = "log {\noutput file {{dir}}/access.log {\nroll_disabled\n}\n" + format + "\n}\n"
	}
	g.Run(b, "{\nlog {\nlevel ERROR\noutput discard\nformat redact_keys\n}\ningest_auth {\nkeys file {{dir}}/keys.json\nlog_check off\n}\n}\n"+
		"http://:{{gate}} {\n"+format+handlers+"respond \"{}\"\n}\n")
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		b.Fatal(err)
	}
	return app.(*caddyhttp.App).Servers["srv0"]
}

// answered is a response that nobody reads.
type answered struct {
	header http.Header
	status int
}

func (w *answered) Header() http.Header         { return w.header }
func (w *answered) WriteHeader(status int)      { w.status = status }
func (w *answered) Write(p []byte) (int, error) { return len(p), nil }

const clockProcessCPU = 2 // CLOCK_PROCESS_CPUTIME_ID

// cpuTime returns the CPU time of this process.
func cpuTime() time.Duration {
	var t syscall.Timespec
	if _, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockProcessCPU, uintptr(unsafe.Pointer(&t)), 0); e != 0 {
		panic(e) // every Linux has this clock
	}
	return time.Duration(t.Nano())
}
