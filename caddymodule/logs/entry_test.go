package logs_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule/logs"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Zap's encoders get the same objects and arrays again and again, and headers without Caddy's
// marshaler. Other encoders get new ones of Caddy's own types. What is written is the same, to
// the byte, and what Caddy's encoder alone writes if nothing had to be cleaned.
func TestEntriesAreWrittenAlike(t *testing.T) {
	t.Cleanup(logs.Names.AddSource(keyFile{keysync.DigestOf([]byte(keyA)): true}))
	for _, wrapped := range []string{"json", "console"} {
		stock := encoder(t, wrapped, "{}")
		fast := encoder(t, "redact_keys", `{"wrap":{"format":"`+wrapped+`"}}`)
		general := encoder(t, "redact_keys", `{"wrap":{"format":"filter","wrap":{"format":"`+wrapped+`"}}}`)
		unchanged := 0
		for i := range uint64(1000) {
			entry := generator{rand.New(rand.NewPCG(i, 0)), i%2 == 0}.entry()
			got, want := encoded(t, fast, entry), encoded(t, general, entry)
			if got != want {
				t.Fatalf("entry %d\n got %s\nwant %s", i, got, want)
			}
			if strings.Contains(got, keyA) {
				t.Fatalf("entry %d: %s", i, got)
			}
			clean := encoded(t, stock, entry)
			if got == clean {
				unchanged++
			} else if !strings.Contains(got, "REDACTED") && !strings.Contains(got, base64.StdEncoding.EncodeToString([]byte("REDACTED"))) {
				t.Fatalf("entry %d\n got %s\nwant %s", i, got, clean)
			}
		}
		if unchanged < 100 || unchanged > 900 {
			t.Errorf("%s: %d of 1000 entries were clean: the test tests less than it should", wrapped, unchanged)
		}
	}
}

// In a header with many fields these come in any order.
func TestHeadersAreWrittenAlike(t *testing.T) {
	clean, stock := encoders(t)
	for i := range uint64(200) {
		g := generator{rand.New(rand.NewPCG(i, 1)), true}
		request, response := httptest.NewRequest(http.MethodGet, "/a?b=c", nil), g.header(20)
		request.Header = g.header(20)
		for _, h := range []http.Header{request.Header, response} {
			maps.DeleteFunc(h, func(name string, _ []string) bool { return logs.Names.IsField(name) })
			for name := range h {
				h[name] = []string{"a", "\"b\"\xff", name}
			}
		}
		use := func(l *zap.Logger) {
			l.With(zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: request, ShouldLogCredentials: i%2 == 0})).
				Info("m", zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: response, ShouldLogCredentials: i%3 == 0}))
		}
		if diff := cmp.Diff(written(t, stock, use), written(t, clean, use)); diff != "" {
			t.Fatalf("entry %d: %s", i, diff)
		}
	}
}

// A filter inside of redact_keys gets the values of a header as Caddy's own filters expect
// them, also if there was a key among them.
func TestFiltersInside(t *testing.T) {
	t.Cleanup(logs.Names.AddSource(keyFile{keysync.DigestOf([]byte(keyA)): true}))
	enc := encoder(t, "redact_keys", `{"wrap":{"format":"filter","wrap":{"format":"json"},"fields":{
		"request>headers>Referer":{"filter":"query","actions":[{"type":"replace","parameter":"email","value":"hidden"}]},
		"request>headers>X-Real-Ip":{"filter":"ip_mask","ipv4_cidr":16}}}}`)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["Referer"] = []string{"https://h.example/?a=" + keyA + "&email=me", "https://h.example/?email=me"}
	r.Header["X-Real-Ip"] = []string{keyA, "192.0.2.1"}
	got := encoded(t, enc, logged{context: []zapcore.Field{zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: r})}})
	for _, want := range []string{`"Referer":["https://h.example/?a=REDACTED&email=hidden","https://h.example/?email=hidden"]`, `"X-Real-Ip":["REDACTED","192.0.0.0"]`} {
		if !strings.Contains(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if strings.Contains(got, keyA) {
		t.Error(got)
	}
}

// TestEntriesNeedNoMemory: nothing is allocated for each field, nor for each header.
func TestEntriesNeedNoMemory(t *testing.T) {
	clean, _ := encoders(t)
	fields := func(n int) []zapcore.Field {
		header := http.Header{}
		all := []zapcore.Field{zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: header}), zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: accessRequest()})}
		for i := range n {
			header[strings.Repeat("A", i+1)] = []string{"text/html, */*;q=0.8", "/a?b=c"}
			all = append(all, zap.String("field", "a value"))
		}
		return all
	}
	allocations := func(fields []zapcore.Field) float64 {
		least := 1e9 // the collector empties pools
		for range 20 {
			least = min(least, testing.AllocsPerRun(20, func() {
				buf, err := clean.EncodeEntry(zapcore.Entry{Message: "m"}, fields)
				if err != nil {
					t.Fatal(err)
				}
				buf.Free()
			}))
		}
		return least
	}
	// Under the race detector pools forget some of what they hold.
	if few, many := allocations(fields(2)), allocations(fields(20)); many > few+9 {
		t.Errorf("%v allocations with 2 fields, %v with 20", few, many)
	}
}

// logged is an entry, and the context of its logger.
type logged struct {
	entry           zapcore.Entry
	context, fields []zapcore.Field
}

func encoded(t *testing.T, enc zapcore.Encoder, l logged) string {
	t.Helper()
	enc = enc.Clone()
	for _, f := range l.context {
		f.AddTo(enc)
	}
	buf, err := enc.EncodeEntry(l.entry, l.fields)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Free()
	return buf.String()
}

// encoder returns a log encoder with these settings.
func encoder(t *testing.T, format, settings string) zapcore.Encoder {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	m, err := ctx.LoadModuleByID("caddy.logging.encoders."+format, json.RawMessage(settings))
	if err != nil {
		t.Fatal(err)
	}
	return m.(zapcore.Encoder)
}
