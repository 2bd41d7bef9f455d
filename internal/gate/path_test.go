package gate_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func inPath(patterns ...string) []config.Location {
	return []config.Location{{In: config.InPath, Names: patterns}, {In: config.InHeader, Names: []string{"X-API-Key"}}}
}

// TestKeyInPath: the ID of the key takes its place; what two readers may take for two paths
// does not pass.
func TestKeyInPath(t *testing.T) {
	t.Parallel()
	g := start(t, config.Gate{
		Credentials: inPath("/array/{key}/config.js", "/services/{key}/*"),
		Remove:      []config.Location{{In: config.InPath, Names: []string{"/services/{team}/secret/{key}/*", "/old/{key}"}}},
		Resources:   []config.Resource{{Name: "team", In: "query", At: "team", Optional: true}},
	}, map[string]keysync.Record{keyA: {}, keyB: {Scopes: []string{"x"}}})
	escaped := strings.Replace(keyA, "g", "%67", 1)
	for target, want := range map[string]string{
		"/array/" + keyA + "/config.js":                      "/array/key_a/config.js",
		"/array/" + keyA + "/config.js?v=1&x=%20":            "/array/key_a/config.js?v=1&x=%20",
		"/Array/" + escaped + "/config.js/":                  "/Array/key_a/config.js/",
		"/services/" + keyA:                                  "/services/key_a",
		"/services/" + keyA + "/a%20b/c":                     "/services/key_a/a%20b/c",
		"/services/" + keyA + "/secret/" + keyC + "/x%C3%A9": "/services/key_a/secret/x%C3%A9",
	} {
		got := g.do(t, request{target: target})
		if got.status != http.StatusOK || len(got.seen) != 1 || got.seen[0].uri != want {
			t.Errorf("%s: %d %s, seen %+v, want %s", target, got.status, got.body, got.seen, want)
		}
	}
	if got := g.do(t, get("/old/"+keyC, keyA)); got.status != http.StatusOK || got.seen[0].uri != "/old" {
		t.Errorf("removed only: %+v", got)
	}
	override := get("/services/"+keyA, "")
	override.header = http.Header{"X-Original-Url": {"/services/other"}}
	if got := g.do(t, override); got.status != http.StatusOK || got.seen[0].header["X-Original-Url"] != nil {
		t.Errorf("another path in a header: %+v", got)
	}
	malformed, conflict, unknown, missing := answer{400, "malformed_path"}, answer{400, "conflicting_credentials"}, answer{401, "invalid_key"}, answer{401, "missing_key"}
	requests, want := make(map[string]request), make(map[string]answer)
	for target, a := range map[string]answer{
		"/array//" + keyA + "/config.js":         malformed,
		"/array/./" + keyA + "/config.js":        malformed,
		"/array/%2e/" + keyA + "/config.js":      malformed,
		"/x/../array/" + keyA + "/config.js":     malformed,
		"/array%2F" + keyA + "/config.js":        malformed,
		"/array%5c" + keyA + "/config.js":        malformed,
		"/array/" + keyA + ";x=1/config.js":      malformed,
		"/array/" + keyA + "%3bx=1/config.js":    malformed,
		"/array/" + keyA + "./config.js":         malformed,
		"/array/" + keyA + "%20/config.js":       malformed,
		"/array/" + keyA + "%2500/config.js":     malformed,
		"/array/" + keyA + "%00/config.js":       malformed,
		"/array/" + keyA + "%ff/config.js":       malformed,
		"/array/" + keyC + "/config.js":          unknown,
		"/array/config.js":                       missing,
		"/services/":                             missing,
		"/elsewhere/" + keyA:                     missing,
		"/services/" + keyA + "?team=a&team=b":   {400, "malformed_query"},
		"/services/" + strings.Repeat("k", 5000): unknown,
	} {
		requests[target], want[target] = request{target: target}, a
	}
	requests["two"], want["two"] = get("/services/"+keyA, keyB), conflict
	requests["same twice"], want["same twice"] = get("/services/"+keyA, keyA), answer{200, ""}
	g.check(t, requests, want)
}

// TestKeyInPathStays: with `strip off` the backend gets it; in report mode all passes.
func TestKeyInPathStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		enforce, strip, target, want string
	}{
		"strip off":            {"on", "off", "/services/" + keyA + "/x", "/services/" + keyA + "/x"},
		"report":               {"off", "", "/services/" + keyA + "/x", "/services/" + keyA + "/x"},
		"report, strip on":     {"off", "on", "/services/" + keyA + "/x", "/services/key_a/x"},
		"report, unknown":      {"off", "on", "/services/" + keyC + "/x", "/services/REDACTED/x"},
		"report, unclear":      {"off", "on", "/services//" + keyA, "/services//" + keyA},
		"report, unclear, off": {"off", "", "/services//" + keyA, "/services//" + keyA},
	} {
		g := start(t, config.Gate{Enforce: c.enforce, Strip: c.strip, Credentials: inPath("/services/{key}/*")}, map[string]keysync.Record{keyA: {}})
		got := g.do(t, request{target: c.target})
		if got.status != http.StatusOK || len(got.seen) != 1 || got.seen[0].uri != c.want {
			t.Errorf("%s: %d %s, seen %+v, want %s", name, got.status, got.body, got.seen, c.want)
		}
	}
}

// TestPreflightForKeyInPath: it is not authenticated, and takes no key along.
func TestPreflightForKeyInPath(t *testing.T) {
	t.Parallel()
	g := start(t, config.Gate{PassPreflights: true, Credentials: inPath("/services/{key}/*")}, map[string]keysync.Record{keyA: {}})
	got := g.do(t, request{method: http.MethodOptions, target: "/services/" + keyA, header: http.Header{"Origin": {"https://a"}, "Access-Control-Request-Method": {"POST"}}})
	if got.status != http.StatusOK || len(got.seen) != 1 || got.seen[0].uri != "/services/REDACTED" {
		t.Errorf("%+v", got)
	}
}

// TestBoundToThePathThatIsForwarded: the assertion is about the path as the backend sees it.
func TestBoundToThePathThatIsForwarded(t *testing.T) {
	t.Parallel()
	g := start(t, config.Gate{Bind: "request", Credentials: inPath("/services/{key}/*")}, map[string]keysync.Record{keyA: {}})
	got := g.do(t, request{target: "/services/" + keyA + "/x"})
	if got.status != http.StatusOK || claimsOf(t, got.seen[0].header)["htp"] != "/services/key_a/x" {
		t.Errorf("%d %s: %v", got.status, got.body, got.seen)
	}
}

// TestRefusedPathHasNoKey: whoever sees a request after its refusal, such as an error page,
// sees no key in the path; also where the backend would have got it.
func TestRefusedPathHasNoKey(t *testing.T) {
	t.Parallel()
	for _, strip := range []string{"on", "off"} {
		g := newGate(t, config.Gate{Strip: strip, Credentials: inPath("/services/{key}/*"), Scopes: []config.Scope{{Names: []string{"x"}}}},
			map[string]keysync.Record{keyA: {}}, func(*gate.Options) {})
		for target, want := range map[string]string{
			"/services/" + keyA + "/x?a=1": "/services/key_a/x?a=1", // lacks the scope
			"/services/" + keyC + "/x":     "/services/REDACTED/x",
			"/services//" + keyA + "?a=1":  "/?a=1",
			"/services/%2e/" + keyA:        "/",
		} {
			r := httptest.NewRequestWithContext(context.WithValue(t.Context(), notesKey{}, new(notes)), http.MethodGet, target, http.NoBody)
			w := httptest.NewRecorder()
			if err := (chain{gates: []*gate.Gate{g}, last: http.NotFoundHandler()}).ServeHTTP(w, r); err != nil || w.Code == http.StatusNotFound {
				t.Errorf("%s: %v, %d", target, err, w.Code)
			}
			if r.RequestURI != want || r.URL.RequestURI() != want {
				t.Errorf("strip %s: %s is %s, %s, want %s", strip, target, r.RequestURI, r.URL, want)
			}
		}
	}
}

// TestLocationsAreNoCopies: a key in its location is not elsewhere, whether it is cut or stays.
func TestLocationsAreNoCopies(t *testing.T) {
	t.Parallel()
	locations := append(inPath("/services/{key}/*"), config.Location{In: config.InCookie, Names: []string{"key"}}, config.Location{In: config.InHeader, Names: []string{"X-Auth"}, Param: "key"})
	requests := map[string]request{
		"path":               {target: "/services/" + keyA + "/x"},
		"cookie":             {target: "/x", header: http.Header{"Cookie": {"a=b; key=" + keyA}}},
		"param":              {target: "/x", header: http.Header{"X-Auth": {"v1 a=b, key=" + keyA}}},
		"path and elsewhere": {target: "/services/" + keyA + "/" + keyA},
		"another cookie":     {target: "/x", header: http.Header{"Cookie": {"a=" + keyA + "; key=" + keyA}}},
		"another param":      {target: "/x", header: http.Header{"X-Auth": {"v1 a=" + keyA + ", key=" + keyA}}},
	}
	for _, enforce := range []string{"on", "off"} {
		g := start(t, config.Gate{Enforce: enforce, Copies: "refuse", Credentials: locations}, map[string]keysync.Record{keyA: {}})
		for name, q := range requests {
			g.do(t, q)
			want := "allowed"
			if strings.Contains(name, "another") || strings.Contains(name, "elsewhere") {
				want = "key_elsewhere"
			}
			if got := g.meter.verdicts; len(got) != 1 || got[want] != 1 {
				t.Errorf("enforce %s, %s: %v, want %s", enforce, name, got, want)
			}
			clear(g.meter.verdicts)
		}
	}
}
