package examples_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// clientKey is a key as several services issue them: 32 hexadecimal digits.
const clientKey = "4f9c21d7e08b43a6b5d2f7108c3e9a61"

// client is a client as it comes, and what it needs of a backend.
type client struct {
	section string // of examples/clients/README.md
	run     string // what runs it: send, browse or gosdk; send if empty
	answer  http.HandlerFunc
	same    bool // the body is not JSON: it arrives byte for byte
}

var clients = map[string]client{
	"posthog-node":                 {section: "PostHog"},
	"posthog-go":                   {section: "PostHog", run: "gosdk"},
	"posthog-js":                   {section: "PostHog", run: "browse", answer: text("application/json", `{"supportedCompression":["gzip-js","base64"]}`)},
	"mixpanel":                     {section: "Mixpanel", answer: text("text/plain", "1")},
	"mixpanel-browser":             {section: "Mixpanel", run: "browse", answer: text("text/plain", "1")},
	"@segment/analytics-node":      {section: "Segment and RudderStack"},
	"@segment/analytics-next":      {section: "Segment and RudderStack", run: "browse"},
	"@rudderstack/rudder-sdk-node": {section: "Segment and RudderStack"},
	"@sentry/node":                 {section: "Sentry"},
	"@sentry/browser":              {section: "Sentry", run: "browse"},
	"sentry-go":                    {section: "Sentry", run: "gosdk"},
	"@amplitude/analytics-node":    {section: "Amplitude", answer: text("application/json", `{"code":200,"events_ingested":2}`)},
	"@bugsnag/node":                {section: "Bugsnag"},
	"rollbar":                      {section: "Rollbar"},
	"@axiomhq/js":                  {section: "Bearer tokens"},
	"@logtail/node":                {section: "Bearer tokens", same: true},
	"@elastic/elasticsearch":       {section: "Elasticsearch", answer: elastic},
	"@influxdata/influxdb-client":  {section: "InfluxDB", answer: status(http.StatusNoContent), same: true},
	"libhoney":                     {section: "Honeycomb", answer: text("application/json", `[{"status":202},{"status":202}]`)},
	"splunk-logging":               {section: "Splunk", answer: text("application/json", `{"text":"Success","code":0}`)},
	"otlptracehttp":                {section: "OpenTelemetry", run: "gosdk", answer: text("application/x-protobuf", ""), same: true},
	"@opentelemetry/exporter-trace-otlp-http":  {section: "OpenTelemetry"},
	"@opentelemetry/exporter-trace-otlp-proto": {section: "OpenTelemetry", answer: text("application/x-protobuf", ""), same: true},
}

func text(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func elastic(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	text("application/vnd.elasticsearch+json; compatible-with=9", `{"errors":false,"items":[]}`)(w, r)
}

const clientTest = "../internal/clienttest"

// TestClients runs clients as they come against the gate that README.md has for them: all
// events arrive, what arrives is what was sent but for the key, and the key is nowhere.
func TestClients(t *testing.T) {
	needClients(t)
	snippets := clientSnippets(t)
	for name, c := range clients {
		t.Run(name, func(t *testing.T) {
			answer := c.answer
			if answer == nil {
				answer = text("application/json", "{}")
			}
			page, up := freeport.Addr(t), gatetest.NewUpstream(t, answer)
			g := startClientGate(t, up.Addr, clientGate(t, snippets, c.section, page))
			sent := gatetest.NewUpstream(t, toGate(g.Addr))

			events := []string{"signup-completed", "invoice-paid"}
			var got []gatetest.Seen
			runClient(t, name, c, append([]string{"http://" + sent.Addr}, events...), page, func() bool {
				got = append(got, up.Take()...)
				return !slices.ContainsFunc(events, func(event string) bool { return !arrived(got, event) })
			})
			got = append(got, up.Take()...)
			requests := slices.DeleteFunc(sent.Take(), func(s gatetest.Seen) bool { return s.Method == http.MethodOptions }) // the gate answers preflights
			compareClient(t, c, requests, got)
			if log, _ := os.ReadFile(filepath.Join(g.Dir, "caddy.log")); holdsKey(string(log)) || len(log) == 0 || t.Failed() {
				t.Errorf("the access log:\n%s", log)
			}
		})
	}
}

func needClients(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(clientTest, "node_modules", "posthog-node")); err != nil {
		t.Skip("needs Node.js and the clients: run `make clients`")
	}
}

// startClientGate runs a gate that knows the key.
func startClientGate(t *testing.T, upstream, caddyfile string) *gatetest.Gate {
	t.Helper()
	g := gatetest.New(t, gatetest.Vars{"upstream": upstream})
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{clientKey: {"key_id": "key_client", "account": "acme"}}))
	g.Run(t, caddyfile)
	return g
}

// toGate forwards as a client connects: nothing is changed.
func toGate(addr string) http.HandlerFunc {
	return (&httputil.ReverseProxy{
		Transport: &http.Transport{DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.URL.RawQuery = "http", addr, r.In.URL.RawQuery
			r.Out.Host = r.In.Host
		},
	}).ServeHTTP
}

// clientSnippets returns the Caddyfiles of the guide by their headings.
func clientSnippets(t *testing.T) map[string]string {
	t.Helper()
	guide, err := os.ReadFile("clients/README.md")
	if err != nil {
		t.Fatal(err)
	}
	snippets := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^### (.+)\n(?:[^#\n].*\n|\n)*?```caddyfile\n((?s).*?)```").FindAllSubmatch(guide, -1) {
		snippets[string(m[1])] = string(m[2])
	}
	return snippets
}

func clientGate(t *testing.T, snippets map[string]string, section, page string) string {
	t.Helper()
	snippet, ok := snippets[section]
	if !ok {
		t.Fatalf("examples/clients/README.md has no Caddyfile below ### %s", section)
	}
	if got := string(caddyfile.Format([]byte(snippet))); got != snippet {
		t.Errorf("not formatted:\n%s", snippet)
	}
	global := `{
	skip_install_trust
	ingest_auth {
		keys file {{dir}}/keys.json
	}
	log {
		output file {{dir}}/caddy.log
		format redact_keys
	}
}
`
	return global + strings.NewReplacer(":8080 {\n", ":{{gate}} {\n\tlog\n", "localhost:9000", "{{upstream}}", "https://shop.example.com", "http://"+page).Replace(snippet)
}

// runClient runs a client until it has ended, and one in a page until done.
func runClient(t *testing.T, name string, c client, args []string, page string, done func() bool) {
	t.Helper()
	command := []string{"node", "send.js", name}
	switch c.run {
	case "browse":
		command[1] = "browse.js"
		if _, err := exec.LookPath("chromium"); err != nil {
			t.Skip("needs a browser: install chromium")
		}
	case "gosdk":
		command = []string{"./gosdk/gosdk", name}
	}
	cmd := exec.CommandContext(t.Context(), command[0], append(command[1:], args...)...)
	chromium, _ := exec.LookPath("chromium")
	cmd.Dir, cmd.Env = clientTest, append(os.Environ(), "KEY="+clientKey, "CHROMIUM="+chromium, "PAGE_PORT="+portOf(page))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); c.run == "browse" && !done() && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	if !done() {
		t.Errorf("not all events arrived\n%s", out.String())
	}
}

// compareClient compares what arrived with what was sent.
func compareClient(t *testing.T, c client, sent, got []gatetest.Seen) {
	t.Helper()
	if len(sent) != len(got) {
		t.Errorf("%d requests sent, %d arrived", len(sent), len(got))
		return
	}
	if !holdsKey(plain(sent)) {
		t.Error("no request carried the key")
	}
	if holdsKey(plain(got)) {
		t.Errorf("the backend got the key:\n%s", plain(got))
	}
	for _, s := range sent {
		if !slices.ContainsFunc(got, func(g gatetest.Seen) bool { return sameRequest(c, s, g) }) {
			t.Errorf("sent:\n%s\narrived:\n%s", plain([]gatetest.Seen{s}), plain(got))
		}
	}
}

// sameRequest reports whether a request is one that was sent, but for the key.
func sameRequest(c client, sent, got gatetest.Seen) bool {
	from, _ := url.ParseRequestURI(sent.URI)
	to, _ := url.ParseRequestURI(got.URI)
	if sent.Method != got.Method || strings.ReplaceAll(from.Path, clientKey, "key_client") != to.Path {
		return false
	}
	if !reflect.DeepEqual(fields(from.RawQuery), fields(to.RawQuery)) {
		return false
	}
	if c.same {
		return sent.Body == got.Body
	}
	return reflect.DeepEqual(meaning(sent), meaning(got))
}

// meaning is what a backend reads in a body, without keys.
func meaning(s gatetest.Seen) any {
	body := unzipped(s)
	if strings.HasPrefix(body, "data=") {
		return fields(body)
	}
	return document(body)
}

// fields are those of a query or a form, without keys.
func fields(query string) map[string][]any {
	values, _ := url.ParseQuery(query)
	list := make(map[string][]any)
	for name, all := range values {
		for _, value := range all {
			if value != clientKey {
				list[name] = append(list[name], document(value))
			}
		}
	}
	return list
}

// document reads JSON texts one after the other, plain or in base64, without keys. What is
// not JSON is itself.
func document(s string) any {
	if b, err := base64.StdEncoding.DecodeString(s); err == nil && json.Valid(b) {
		s = string(b)
	}
	var texts []any
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	for {
		var v any
		if err := d.Decode(&v); err != nil {
			rest, _ := io.ReadAll(d.Buffered())
			return append(texts, strings.ReplaceAll(string(rest), clientKey, ""))
		}
		texts = append(texts, withoutKey(v))
	}
}

// withoutKey removes members that are the key or empty, and the key from other strings. A
// member is emptied rather than cut where the body as a whole is no JSON.
func withoutKey(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if v[name] = withoutKey(member); v[name] == "" {
				delete(v, name)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutKey(v[i])
		}
	case string:
		return strings.ReplaceAll(v, clientKey, "")
	}
	return v
}

// plain is all of some requests, decompressed.
func plain(list []gatetest.Seen) string {
	var b strings.Builder
	for _, s := range list {
		s.Body = unzipped(s)
		b.WriteString(s.String() + "\n")
	}
	return b.String()
}

func unzipped(s gatetest.Seen) string {
	r, err := gzip.NewReader(strings.NewReader(s.Body))
	if err != nil {
		return s.Body
	}
	b, _ := io.ReadAll(r)
	return string(b)
}

func arrived(got []gatetest.Seen, event string) bool {
	return strings.Contains(decoded(plain(got)), event)
}

// holdsKey reports whether a text holds the key as it is or in base64.
func holdsKey(text string) bool { return strings.Contains(decoded(text), clientKey) }

var base64Runs = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`)

// decoded is a text, and behind it the text percent-decoded and whatever is base64 in the two.
func decoded(text string) string {
	unescaped := regexp.MustCompile(`%[0-9A-Fa-f]{2}`).ReplaceAllStringFunc(text, func(s string) string { s, _ = url.PathUnescape(s); return s })
	all := text + "\n" + unescaped
	for _, run := range base64Runs.FindAllString(all, -1) {
		run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
		for i := range 4 {
			if b, _ := base64.RawStdEncoding.DecodeString(run[min(i, len(run)):]); len(b) > 0 {
				all += "\n" + string(b)
			}
		}
	}
	return all
}

// requestsOfClients are requests as the documentation of clients describes them that are not
// run here, and what the backend must get.
var requestsOfClients = map[string]struct {
	section string
	req     gatetest.Request
	path    string
	header  http.Header
}{
	"Datadog": {"Datadog", gatetest.Request{
		Target: "/api/v2/logs", Body: `[{"message":"paid"}]`, Header: http.Header{"Content-Type": {"application/json"}, "Dd-Api-Key": {clientKey}},
	}, "/api/v2/logs", http.Header{"Dd-Api-Key": nil}},
	"Prometheus, bearer": {"Tenants", remoteWrite("Bearer " + clientKey), "/api/v1/push", http.Header{"X-Scope-Orgid": {"acme"}, "Authorization": nil}},
	"Prometheus, basic":  {"Tenants", remoteWrite("Basic " + base64.StdEncoding.EncodeToString([]byte("prometheus:"+clientKey))), "/api/v1/push", http.Header{"X-Scope-Orgid": {"acme"}, "Authorization": nil}},
	"webhook": {"Webhooks", gatetest.Request{
		Target: "/services/" + clientKey + "/events", Body: `{"a":1}`, Header: http.Header{"Content-Type": {"application/json"}},
	}, "/services/key_client/events", nil},
}

// remoteWrite is a request of Prometheus of somebody who would like to be another tenant.
func remoteWrite(authorization string) gatetest.Request {
	return gatetest.Request{Target: "/api/v1/push", Body: "\x00snappy", Header: http.Header{
		"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"snappy"}, "Authorization": {authorization}, "X-Scope-Orgid": {"other"},
	}}
}

func TestRequestsOfClients(t *testing.T) {
	snippets := clientSnippets(t)
	for name, tc := range requestsOfClients {
		t.Run(name, func(t *testing.T) {
			up := gatetest.NewUpstream(t, nil)
			g := startClientGate(t, up.Addr, clientGate(t, snippets, tc.section, freeport.Addr(t)))
			if resp := g.Do(t, tc.req); resp.Status != http.StatusOK {
				t.Fatalf("%d %s", resp.Status, resp.Body)
			}
			got := up.One(t)
			if got.URI != tc.path || got.Body != tc.req.Body || holdsKey(got.String()) {
				t.Errorf("the backend got:\n%s", got)
			}
			for name, want := range tc.header {
				if !slices.Equal(got.Header[name], want) {
					t.Errorf("%s: %q, want %q", name, got.Header[name], want)
				}
			}
		})
	}
}

// TestClientOverGRPC: the exporter of OpenTelemetry that speaks gRPC.
func TestClientOverGRPC(t *testing.T) {
	needClients(t)
	var mu sync.Mutex
	var got []gatetest.Seen
	backend := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		got = append(got, gatetest.Seen{Method: r.Method, URI: r.RequestURI, Header: r.Header, Body: string(body)})
		mu.Unlock()
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write(make([]byte, 5)) // an empty message
		w.Header().Set("Grpc-Status", "0")
	}))
	backend.Config.Protocols = new(http.Protocols)
	backend.Config.Protocols.SetUnencryptedHTTP2(true)
	backend.Start()
	t.Cleanup(backend.Close)
	page := freeport.Addr(t)
	g := startClientGate(t, backend.Listener.Addr().String(), clientGate(t, clientSnippets(t), "OpenTelemetry over gRPC", page))
	runClient(t, "@opentelemetry/exporter-trace-otlp-grpc", client{}, []string{"http://" + g.Addr, "signup-completed", "invoice-paid"}, page, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return arrived(got, "signup-completed") && arrived(got, "invoice-paid")
	})
	if holdsKey(plain(got)) {
		t.Errorf("the backend got the key:\n%s", plain(got))
	}
}
