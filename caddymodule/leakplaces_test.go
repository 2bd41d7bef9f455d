package caddymodule_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// Keys of all alphabets that keys have, which nothing but their value gives away.
var (
	strangeKnown   = []string{"CaNaRy4Known8Q7xkV2mPz9LrT4wb", "3f6c1e8a-52d3-4b9c-8f7f-3b9c1d5ecafe", "Cn+ry/Known1q2w3e4r5t6y7u8i9oPaSd==", "acme.canary-k7.9zXcVbNmQwErTy~1"}
	strangeUnknown = []string{"CaNaRy4Nobody5Gt0bVh2xQkZ9iOc", "7d1a9b3c-60e4-4f2d-9a1b-5c8e2f7dbeef", "Cn+ryNobody9o8i7u6y5t4r3e2w1qLkJh==", "acme-canary-n7_1mNbVcXzLkJhGf~2"}
)

const strangeSites = `{
	auto_https off
	metrics
	servers {
		trace
	}
	ingest_auth {
		keys file {{dir}}/keys.json
		recent_events on
	}
	log {
		output file {{dir}}/default.log
		format redact_keys {
			wrap console
		}
		level DEBUG
	}
}
:{{gate}} {
	log {
		output file {{dir}}/access.log
		format redact_keys
	}
	tracing {
		span "{http.request.method} {http.request.uri}"
	}
	log_append zq {http.request.orig_uri}
	handle /ok/* {
		ingest_auth
		respond ok
	}
	handle /report/* {
		ingest_auth {
			enforce off
		}
		reverse_proxy {{upstream}}
	}
	handle /down/* {
		ingest_auth
		reverse_proxy {{down}}
	}
	handle /panic/* {
		ingest_auth
		test_panic
	}
	handle /caddy/* {
		ingest_auth {
			errors caddy
		}
		respond ok
	}
	handle_errors {
		respond "{http.error.message}"
	}
}
`

// strangePlace puts a text into a place of a request that no list has.
type strangePlace struct {
	name string
	put  func(r *gatetest.Request, key string)
}

// strangePlaces are made of places, of names, of ways to write a key down, and of what
// stands around it.
func strangePlaces() (places []strangePlace) {
	b64 := base64.StdEncoding.EncodeToString
	percent := func(key string) (out string) {
		for i := range len(key) {
			out += fmt.Sprintf("%%%02x", key[i])
		}
		return out
	}
	writings := map[string]func(string) string{
		"plain":         func(key string) string { return key },
		"percent":       percent,
		"percent twice": func(key string) string { return url.QueryEscape(percent(key)) },
		"base64":        func(key string) string { return b64([]byte("user:" + key)) },
		"base64 of JSON": func(key string) string {
			return base64.RawURLEncoding.EncodeToString([]byte(`{"zq":["ü","` + key + `"]}`))
		},
		"in JSON":   func(key string) string { return `{"zq":{"deep":["` + strings.ReplaceAll(key, "/", `\/`) + `"]},"n":1}` },
		"in a list": func(key string) string { return `Zq zq_version=7, zq_k="` + key + `", zq_client=a/1` },
		"in a URL":  func(key string) string { return "https://zq.example/a/" + key + "/b?c=" + key },
	}
	header := func(name string) func(*gatetest.Request, string) {
		return func(r *gatetest.Request, text string) { r.Header[name] = []string{text} }
	}
	query := func(format string) func(*gatetest.Request, string) {
		return func(r *gatetest.Request, text string) {
			r.Target += strings.Replace(format, "KEY", url.QueryEscape(text), 1)
		}
	}
	spots := map[string]func(*gatetest.Request, string){
		"path":           func(r *gatetest.Request, text string) { r.Target += url.PathEscape(text) + "/config.js" },
		"path parameter": query("x;zq=KEY/y"), "fragment": query("x#KEY"), "query of a fragment": query("x#?zq=KEY"),
		"parameter": query("x?zq=KEY"), "parameter behind another": query("x?a=%zz&zq[a]=KEY"), "parameter that is a name": query("x?KEY=1"), "query": query("x?KEY"),
		"cookie": func(r *gatetest.Request, text string) {
			r.Header["Cookie"] = []string{"a=b; zq=" + url.QueryEscape(text)}
		},
		"user agent": header("User-Agent"), "referer": header("Referer"), "forwarded": header("X-Forwarded-Uri"), "trace": header("Tracestate"),
		"content type": header("Content-Type"),
		"form": func(r *gatetest.Request, text string) {
			r.Header["Content-Type"], r.Body = []string{"application/x-www-form-urlencoded"}, "zq="+url.QueryEscape(text)
		},
		"JSON": func(r *gatetest.Request, text string) {
			r.Header["Content-Type"], r.Body = []string{"application/json"}, `{"a":[{"zq":"`+strings.ReplaceAll(text, `"`, `\u0022`)+`"}]}`
		},
		"other body": func(r *gatetest.Request, text string) {
			r.Header["Content-Type"], r.Body = []string{"application/x-zq"}, "zq "+text
		},
	}
	for _, name := range []string{"X-Zq-A", "X-Zq-B2", "Zq", "X~Zq", "X-Zq-Team", "X-Zq-Id", "X-Zq-Project", "Zq-Tenant", "X-Zq-User"} {
		spots["header "+name] = header(name)
	}
	for spot, put := range spots {
		for writing, write := range writings {
			places = append(places, strangePlace{spot + ", " + writing, func(r *gatetest.Request, key string) { put(r, write(key)) }})
		}
	}
	places = append(places, strangePlace{"name of a header", func(r *gatetest.Request, key string) {
		name := strangeKnown[1] // has no capitals, of which HTTP makes its own
		if slices.Contains(strangeUnknown, key) {
			name = strangeUnknown[1]
		}
		r.Header[name] = []string{"1"}
	}})
	return places
}

// TestNothingLeaksFromAnyPlace: keys in places that no list has, known ones in requests that
// have a good key in a usual place, too, and others in requests that have none.
func TestNothingLeaksFromAnyPlace(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	spans := new(collector)
	otlp := httptest.NewServer(spans)
	t.Cleanup(otlp.Close)
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr, "down": freeport.Addr(t)})
	records := map[string]gatetest.Record{keyA: {"mode": "test"}}
	for i, key := range strangeKnown {
		records[key] = gatetest.Record{"mode": "test", "key_id": fmt.Sprintf("key_%d", i)}
	}
	records[strangeKnown[1]]["revoked_at"] = "2020-01-01T00:00:00Z"
	g.Write(t, "keys.json", gatetest.Keys(records))
	g.Run(t, strangeSites)

	places := strangePlaces()
	if len(places) < 200 {
		t.Errorf("there are %d places only", len(places))
	}
	sent := 0
	var recent strings.Builder
	for i, place := range places {
		for _, route := range []string{"/ok/", []string{"/report/", "/down/", "/panic/"}[i%3]} {
			req := gatetest.Request{Method: http.MethodPost, Target: route, Header: http.Header{"X-Api-Key": {keyA}}}
			place.put(&req, strangeKnown[i%len(strangeKnown)])
			_, _ = g.Try(req)
			sent++
		}
		for _, route := range []string{"/ok/", []string{"/report/", "/caddy/"}[i%2]} {
			req := gatetest.Request{Method: http.MethodPost, Target: route, Header: http.Header{}}
			place.put(&req, strangeUnknown[i/2%len(strangeUnknown)])
			_, _ = g.Try(req)
			sent++
		}
		if i%10 == 0 { // before the next events push these out
			recent.WriteString(adminDo(t, g, http.MethodGet, "recent", "", nil).Body)
		}
	}
	await.That(t, "spans", func() bool { return strings.Count(spans.String(), "POST /") >= sent })
	await.That(t, "access log", func() bool {
		b, _ := os.ReadFile(filepath.Join(g.Dir, "access.log"))
		return strings.Count(string(b), "\n") >= sent
	})
	run := &leakRun{gate: g, up: up, spans: spans}
	run.responses.WriteString(recent.String())
	for where, text := range run.outputs(t) {
		if where == "backend" { // gets what it always got
			continue
		}
		for _, key := range append(strangeKnown, strangeUnknown...) {
			for _, form := range append(forms(key), http.CanonicalHeaderKey(key)) {
				if i := strings.Index(text, form); i >= 0 {
					t.Errorf("%s has %s: …%s…", where, form, text[max(0, i-200):min(len(text), i+100)])
					break
				}
			}
		}
		if min := map[string]int{"file access.log": 2 * sent / 3, "file default.log": sent / 4, "spans": sent / 3, "responses": 20}[where]; strings.Count(text, "REDACTED") < min {
			t.Errorf("%s: %d times REDACTED, want %d or more: the suite is not what it was", where, strings.Count(text, "REDACTED"), min)
		}
	}
}
