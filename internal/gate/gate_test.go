package gate_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// TestPlainHost takes a key in every usual place through a gate that no Caddy is around.
func TestPlainHost(t *testing.T) {
	t.Parallel()
	s := start(t, config.Gate{}, map[string]keysync.Record{keyA: {Account: "acme"}})
	for name, tc := range map[string]struct {
		request request
		uri     string
		body    string
	}{
		"bearer": {request{target: "/t?a=%7e", header: http.Header{"Authorization": {"Bearer " + keyA}}}, "/t?a=%7e", ""},
		"header": {get("/t", keyA), "/t", ""},
		"query":  {request{target: "/t?a=1&apiKey=" + keyA + "&b=+"}, "/t?a=1&b=+", ""},
		"body":   {postJSON("/t", "", `{"token":"`+keyA+`","n":1.0}`), "/t", `{"n":1.0}`},
	} {
		tc.request.header = tc.request.header.Clone()
		if tc.request.header == nil {
			tc.request.header = make(http.Header)
		}
		tc.request.header.Set(identityHeader, "spoofed")
		got := s.do(t, tc.request)
		if got.status != http.StatusOK || len(got.seen) != 1 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
			continue
		}
		saw := got.seen[0]
		if saw.uri != tc.uri || saw.body != tc.body || strings.Count(saw.header.Get(identityHeader), ".") != 2 {
			t.Errorf("%s: the backend saw %+v", name, saw)
		}
		if saw.header.Get("X-Api-Key")+saw.header.Get("Authorization") != "" {
			t.Errorf("%s: the backend saw the key: %v", name, saw.header)
		}
	}
	if got := s.do(t, request{target: "/"}); got.status != http.StatusUnauthorized || got.header.Get("Www-Authenticate") == "" {
		t.Errorf("without a key: %d %v", got.status, got.header)
	}
	if s.meter.verdicts["allowed"] != 4 || s.meter.verdicts["missing_key"] != 1 {
		t.Errorf("counted %v", s.meter.verdicts)
	}
}

// TestHostAnswers is for what the host adds to an answer: errors of its own, and
// placeholders.
func TestHostAnswers(t *testing.T) {
	t.Parallel()
	s := start(t, config.Gate{Errors: "caddy"}, nil)
	if got := s.do(t, get("/", keyA)); got.status != http.StatusUnauthorized || got.body != "the host says: Invalid API key\n" {
		t.Errorf("%d %s", got.status, got.body)
	}
	s = start(t, config.Gate{ErrorBodies: []config.ErrorBody{{Status: 401, ContentType: "text/plain", Body: "no: {http.ingest_auth.error}"}}}, nil)
	if got := s.do(t, get("/", keyA)); got.status != http.StatusUnauthorized || got.body != "no: Invalid API key" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestReleasesWhatItHolds: whatever becomes of a request with a body, the host may let
// go of what the gate uses once it is through.
func TestReleasesWhatItHolds(t *testing.T) {
	t.Parallel()
	s := start(t, config.Gate{InFlight: config.InFlight{N: 1, By: config.ByKey}, Require: []config.Requirement{{Fields: []string{"a"}}}}, map[string]keysync.Record{keyA: {}})
	for range 3 {
		if got := s.do(t, postJSON("/", keyA, `{"a":1}`)); got.status != http.StatusOK {
			t.Errorf("good: %d %s", got.status, got.body)
		}
		if got := s.do(t, postJSON("/", keyA, `{"b":1}`)); got.status != http.StatusBadRequest {
			t.Errorf("bad: %d %s", got.status, got.body)
		}
	}
	s.Close() // waits for the requests
	if held, ever := s.host.held.Load(), s.host.ever.Load(); held != 0 || ever != 6 {
		t.Errorf("%d of %d requests still hold it", held, ever)
	}
}

// TestTwoGates: the second one wants a key, too, and is told by the host that the first
// has taken one, unless that leaves keys where they are.
func TestTwoGates(t *testing.T) {
	t.Parallel()
	records := map[string]keysync.Record{keyA: {}}
	for strip, warnings := range map[string]int{"on": 1, "off": 0} {
		seen, logs := observer.New(zap.WarnLevel)
		first := newGate(t, config.Gate{Strip: strip, Credentials: []config.Location{{In: config.InHeader, Names: []string{"X-API-Key"}}}}, records, func(*gate.Options) {})
		second := newGate(t, config.Gate{Credentials: []config.Location{{In: config.InBearer}}}, records, func(o *gate.Options) { o.Log = zap.New(seen) })
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Api-Key", keyA)
		middleware(http.NotFoundHandler(), first, second).ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized || logs.Len() != warnings {
			t.Errorf("strip %s: %d, %d warnings, want %d", strip, w.Code, logs.Len(), warnings)
		}
	}
}
