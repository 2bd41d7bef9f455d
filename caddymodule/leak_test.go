package caddymodule_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// Canaries of the leak suite. They have characters that URLs escape, and are
// tokens all the same (RFC 6750), so that every style can carry them.
const (
	canaryGood    = "CaNaRy+good/7Hq2vXc9zLmT4wRb=="
	canaryRevoked = "CaNaRy+gone/1Kd8sYf3nPjU6eWa=="
	canaryUnknown = "CaNaRy+none/5Gt0bVh2xQkZ9iOc=="
	canaryPath    = "CaNaRy+path.8Jw3nXb6yRlE1oDs" // good, and without what cannot stand in a path
)

func init() {
	caddy.RegisterModule(panicker{})
	httpcaddyfile.RegisterHandlerDirective("test_panic", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return panicker{}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("test_panic", httpcaddyfile.Before, "respond")
}

// panicker is a handler with a bug, which shows all that it can see.
type panicker struct{}

func (panicker) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_panic", New: func() caddy.Module { return new(panicker) }}
}

func (panicker) ServeHTTP(_ http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	body, _ := io.ReadAll(r.Body)
	panic(fmt.Sprintf("bug: %s %s %v %v %s", r.Method, r.RequestURI, r.URL, r.Header, body))
}

const leakSites = `{
	auto_https off
	metrics
	servers {
		protocols h1 h2c
		trace
		log_credentials
	}
	ingest_auth {
		keys file {{dir}}/keys.json
		log_check {{check}}
	}
	log {
		output file {{dir}}/default.log
		format {{format}} {
			wrap console
		}
		level DEBUG
	}
}
(gate) {
	ingest_auth {
		credential bearer
		credential basic
		credential header X-API-Key
		credential query apiKey
		credential body token
		credential form key
		credential scheme Token
		credential header X-Sentry-Auth param sentry_key
		credential cookie session_key
		credential path /{flow}/x/services/{key}
		credential multipart key
		body_in query events
		body_in form events
		resource project query project
		max_body 64KiB
		{args[:]}
	}
}
:{{gate}} {
	log {
		output file {{dir}}/access.log
		format {{format}}
	}
	tracing {
		span "{http.request.method} {http.request.uri}"
		span_attributes {
			original "{http.request.orig_uri}"
			header   "{http.request.header.X-Api-Key}"
		}
	}
	log_append uri    {http.request.orig_uri}
	log_append query  {http.request.uri.query}
	log_append header {http.request.header.X-Api-Key}
	handle /ok/* {
		import gate
		reverse_proxy {{upstream}}
	}
	handle /rewritten/* {
		rewrite * /elsewhere?project=p
		import gate
		reverse_proxy {{upstream}}
	}
	handle /scope/* {
		import gate scope events:write
		reverse_proxy {{upstream}}
	}
	handle /down/* {
		import gate
		reverse_proxy {{down}}
	}
	handle /early/* {
		import gate
		reverse_proxy {{early}}
	}
	handle /panic/* {
		import gate
		test_panic
	}
	handle /caddy/* {
		import gate errors caddy
		reverse_proxy {{down}}
	}
	handle /template/* {
		import gate error 401 text/plain "{http.ingest_auth.error} {http.request.orig_uri}"
		reverse_proxy {{upstream}}
	}
	handle_errors {
		@proxied query proxied=1
		reverse_proxy @proxied {{fallback}}
		respond "{http.error.status_code} {http.error.message} {http.request.orig_uri} {http.request.uri} {http.request.header.X-Api-Key}"
	}
}
`

// leakRun is one run of the leak suite.
type leakRun struct {
	gate      *gatetest.Gate
	up        *gatetest.Upstream
	spans     *collector
	responses strings.Builder
}

// collector is an OpenTelemetry collector that keeps what it is sent.
type collector struct {
	mu   sync.Mutex
	sent strings.Builder
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent.Write(b)
}

func (c *collector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent.String()
}

// runLeakFlows takes canaries through every flow and gathers what came out.
func runLeakFlows(t *testing.T, format, check string, requests []gatetest.Request) *leakRun {
	t.Helper()
	run := &leakRun{up: gatetest.NewUpstream(t, nil), spans: new(collector)}
	otlp := httptest.NewServer(run.spans)
	t.Cleanup(otlp.Close)
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")

	run.gate = gatetest.New(t, gatetest.Vars{
		"upstream": run.up.Addr, "fallback": run.up.Addr, "down": freeport.Addr(t), "early": earlyCloser(t), "format": format, "check": check,
	})
	run.gate.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{
		canaryGood:    {"resources": map[string]any{"project": []string{"p"}}},
		canaryPath:    {"resources": map[string]any{"project": []string{"p"}}},
		canaryRevoked: {"revoked_at": "2020-01-01T00:00:00Z"},
	}))
	run.gate.Run(t, leakSites)
	for _, req := range requests {
		resp, err := run.gate.Try(req)
		fmt.Fprintf(&run.responses, "%d %v %v\n%s\n", resp.Status, err != nil, resp.Header, resp.Body)
	}
	await.That(t, "spans", func() bool { return strings.Count(run.spans.String(), "POST /") >= spans(requests) })
	await.That(t, "access log", func() bool {
		b, _ := os.ReadFile(filepath.Join(run.gate.Dir, "access.log"))
		return strings.Count(string(b), "\n") >= len(requests)
	})
	return run
}

// spans is how many requests there are whose spans are called POST. One that panics has none.
func spans(requests []gatetest.Request) (n int) {
	for _, req := range requests {
		if req.Method == http.MethodPost && !strings.HasPrefix(req.Target, "/panic/") {
			n++
		}
	}
	return n
}

// leakRequests are requests for every flow, style and kind of key.
func leakRequests() []gatetest.Request {
	var requests []gatetest.Request
	for _, path := range []string{"/ok/", "/rewritten/", "/scope/", "/down/", "/early/", "/panic/", "/caddy/", "/template/"} {
		for _, query := range []string{"?project=p", "?project=other", "?project=p&proxied=1", "?project=other&proxied=1", "?a=%zz;b"} {
			for i, s := range styles {
				for _, key := range []string{canaryGood, canaryRevoked, canaryUnknown} {
					req := baseRequest(gatetest.Framings[i%len(gatetest.Framings)])
					req.Target = path + "x" + query
					s.add(&req, encodeFor(s.name, key))
					requests = append(requests, req)
				}
				conflict := baseRequest(gatetest.Length)
				conflict.Target = path + "x" + query
				s.add(&conflict, encodeFor(s.name, canaryGood))
				styles[(i+1)%3].add(&conflict, encodeFor(styles[(i+1)%3].name, canaryUnknown))
				requests = append(requests, conflict)
			}
		}
		requests = append(requests, oddRequests(path)...)
		requests = append(requests, fieldRequests(path)...)
	}
	return requests
}

// share returns one in n of the requests. As n divides no number of styles or keys, all of
// those are among them on every path.
func share(requests []gatetest.Request, n, first int) (some []gatetest.Request) {
	for i := first; i < len(requests); i += n {
		some = append(some, requests[i])
	}
	return some
}

// encodeFor percent-encodes a key for the styles that need it.
func encodeFor(style, key string) string {
	switch {
	case style == "query" || style == "form" || style == "cookie":
		return url.QueryEscape(key)
	case style == "path" && key == canaryGood:
		return canaryPath
	case style == "path":
		return url.PathEscape(key)
	}
	return key
}

// oddRequests are requests that are refused before the key is known, or carry it
// where no backend would look.
func oddRequests(path string) []gatetest.Request {
	with := func(target string, header http.Header, body string) gatetest.Request {
		return gatetest.Request{Method: http.MethodPost, Target: target, Header: header, Body: body}
	}
	esc := url.QueryEscape(canaryGood)
	everyByte := ""
	for _, c := range []byte(canaryGood) {
		everyByte += fmt.Sprintf("%%%02x", c)
	}
	json := http.Header{"Content-Type": {"application/json"}}
	return []gatetest.Request{
		with(path+"?apiKey=%zz"+esc, nil, ""),
		with(path+"?%61piKey="+esc, nil, ""),
		with(path+"?apiKey="+everyByte, nil, ""),
		with(path+"?APIKEY="+canaryGood, nil, ""),
		with(path+"?a=1;apiKey="+esc, nil, ""),
		with(path+"?apiKey[]="+esc, nil, ""),
		with(path+"?%2561piKey="+esc, nil, ""),
		with(path+"#?apiKey="+esc, nil, ""),
		with(path+"x/services//"+canaryPath, nil, ""),
		with(path+"x/./services/%43"+canaryPath[1:], nil, ""),
		with(path+"x/Services/"+canaryPath+";v=1?a", nil, ""),
		with(path, http.Header{"Referer": {"https://app.example.com/ok/x/services/" + canaryPath}}, ""),
		with(path, http.Header{"Cookie": {"a=b session_key=" + canaryPath}}, ""),
		with(path, http.Header{"X-Sentry-Auth": {`Sentry a="b, sentry_key=` + canaryPath + `"`}}, ""),
		with(path, http.Header{"Authorization": {`Token nonce="x", token="` + canaryPath + `"`}}, ""),
		with(path+"?next="+url.QueryEscape("/y?apiKey="+esc), nil, ""),
		with(path, http.Header{"Referer": {"https://app.example.com/?apiKey=" + esc}}, ""),
		with(path, http.Header{"X_api_key": {canaryGood}}, ""),
		with(path, http.Header{"X.Api.Key": {canaryGood}}, ""),
		with(path, http.Header{"Authorization": {canaryGood}}, ""),
		with(path, http.Header{"X-Forwarded-Uri": {path + "?apiKey=" + esc}}, ""),
		with(path, json, `{"token":"`+canaryGood+`",}`),
		with(path, json, `{"token":"`+canaryGood+`","token":"x"}`),
		with(path, json, `{"a":"`+strings.Repeat("x", 70_000)+`","token":"`+canaryGood+`"}`),
		with(path, http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"compress"}}, `{"token":"`+canaryGood+`"}`),
		with(path, http.Header{"Content-Type": {"application/json; charset=utf-16"}}, `{"token":"`+canaryGood+`"}`),
		with(path, http.Header{"X-Ingest-Identity": {canaryGood}, "X-Api-Key": {canaryGood}}, ""),
	}
}

// fieldRequests are requests with the key in a document that is a field, or in a multipart
// body: where it is taken, and where it cannot be.
func fieldRequests(path string) []gatetest.Request {
	doc := url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(`{"a":1,"token":"` + canaryGood + `"}`)))
	plain := url.QueryEscape(`{"a":1,"token":"` + canaryGood + `"}`)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	post := func(query, body string, header http.Header) gatetest.Request {
		return gatetest.Request{Method: http.MethodPost, Target: path + "x?project=p" + query, Body: body, Header: header}
	}
	part := "--xx\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n" + canaryGood + "\r\n--xx"
	multipart := http.Header{"Content-Type": {"multipart/form-data; boundary=xx"}}
	var requests []gatetest.Request
	for _, d := range []string{doc, plain, strings.ReplaceAll(doc, "%3D", "")} {
		requests = append(requests,
			post("&events="+d+"&b=2", "", nil), post("&events="+d+"&events="+d, "", nil), post("&events="+d+"x", "", nil), post("&event%73="+d, "", nil),
			post("&Events="+d, "", nil), post("&events[]="+d, "", nil), post("&events="+d+";b", "", nil),
			post("&events="+d, "x", nil), post("", "events="+d, form), post("", "events="+d+"&events="+d, form), post("", "events="+d, http.Header{"Content-Type": {"text/plain"}}),
			gatetest.Request{Method: http.MethodPost, Target: path, Header: http.Header{"Referer": {"https://app.example.com/track?events=" + d}}},
		)
	}
	return append(requests,
		post("", part+"--\r\n", multipart), post("", part+"\r\n"+strings.Replace(part, canaryGood, canaryUnknown, 1)+"--\r\n", multipart),
		post("", part, multipart), post("", strings.ReplaceAll(part, "\r\n", "\n")+"--", multipart))
}

// earlyCloser is a backend that hangs up after it has read something.
func earlyCloser(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 100))
			_ = conn.Close()
		}
	}()
	return ln.Addr().String()
}

// outputs returns everything that came out of the gate, by where.
func (run *leakRun) outputs(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{"responses": run.responses.String(), "spans": run.spans.String()}
	for _, path := range []string{"/config/", "/metrics", "/ingest_auth/jwks", "/ingest_auth/status", "/ingest_auth/keys", "/ingest_auth/ready", "/reverse_proxy/upstreams", "/debug/vars"} {
		resp, err := http.Get("http://" + run.gate.Admin + path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		out["admin "+path] = string(b)
	}
	var seen strings.Builder
	for _, s := range run.up.Take() {
		seen.WriteString(s.String())
	}
	out["backend"] = seen.String()
	err := filepath.WalkDir(run.gate.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out["file "+filepath.Base(path)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// forms are the spellings in which a key could be found.
func forms(key string) []string {
	list := []string{key, strings.TrimPrefix(key, "CaNaRy+"), // what does not stand in other canaries
		url.QueryEscape(key), url.PathEscape(key), url.QueryEscape(url.QueryEscape(key))}
	var all, upper string
	for _, c := range []byte(key) {
		all += fmt.Sprintf("%%%02x", c)
		upper += fmt.Sprintf("%%%02X", c)
	}
	list = append(list, all, upper)
	for offset := range 3 { // base64 of a text in which the key stands anywhere
		b := base64.RawStdEncoding.EncodeToString([]byte("xxx"[:offset] + key))
		list = append(list, b[4:len(b)-4])
	}
	return list
}

func (run *leakRun) leaks(t *testing.T) (found []string) {
	t.Helper()
	for where, text := range run.outputs(t) {
		for _, key := range []string{canaryGood, canaryPath, canaryRevoked, canaryUnknown} {
			for _, form := range forms(key) {
				if i := strings.Index(text, form); i >= 0 {
					found = append(found, fmt.Sprintf("%s: …%s…", where, text[max(0, i-300):min(len(text), i+100)]))
				}
			}
		}
	}
	return found
}

func TestNothingLeaks(t *testing.T) {
	run := runLeakFlows(t, "redact_keys", "on", leakRequests())
	for _, f := range run.leaks(t) {
		t.Errorf("a key leaks to %s", f)
	}
	for _, code := range []string{"200", "400", "401", "403", "404", "413", "415", "502"} {
		if !strings.Contains(run.responses.String(), "\n"+code+" false ") {
			t.Errorf("no flow ended with status %s: the suite is not what it was", code)
		}
	}
}

func TestLeakSuiteSeesLeaks(t *testing.T) {
	run := runLeakFlows(t, "append", "off", share(leakRequests(), 5, 0)) // an encoder that only wraps another
	places := map[string]bool{}
	for _, f := range run.leaks(t) {
		where, _, _ := strings.Cut(f, ": ")
		places[where] = true
	}
	for _, where := range []string{"file default.log", "file access.log"} {
		if !places[where] {
			t.Errorf("the suite sees no leak in %s without the encoder", where)
		}
	}
}
