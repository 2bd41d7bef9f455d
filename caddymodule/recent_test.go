package caddymodule_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// recentList is what GET /ingest_auth/recent answers.
type recentList struct {
	Events []struct {
		ID          int       `json:"id"`
		Time        time.Time `json:"time"`
		KeyID       string    `json:"key_id"`
		Account     string    `json:"account"`
		Mode        string    `json:"mode"`
		Method      string    `json:"method"`
		Path        string    `json:"path"`
		Verdict     string    `json:"verdict"`
		Copies      []string  `json:"copies"`
		ContentType string    `json:"content_type"`
		Body        string    `json:"body"`
		BodyNote    string    `json:"body_note"`
	} `json:"events"`
}

// startRecent runs a gate with more subdirectives that keeps recent events of
// keyA, a key for tests, but not of keyB.
func startRecent(t *testing.T, subdirectives string) *gatetest.Gate {
	t.Helper()
	g := gatetest.New(t, gatetest.Vars{"upstream": gatetest.NewUpstream(t, nil).Addr})
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {"key_id": "key_a", "mode": "test"}, keyB: {"key_id": "key_b"}}))
	g.Run(t, strings.Replace(options, "keys file", "recent_events on\nkeys file", 1)+`:{{gate}} {
		log
		ingest_auth {
			credential header X-API-Key
			credential query key
			credential body token
			credential form key
			`+subdirectives+`
		}
		reverse_proxy {{upstream}}
	}
	`)
	return g
}

func TestRecentEvents(t *testing.T) {
	for _, gate := range []string{"", "strip off", "enforce off", "enforce off\nstrip on", "bind body"} {
		t.Run(gate, func(t *testing.T) {
			g := startRecent(t, gate)
			escaped := url.QueryEscape(keyA)
			cut := func(c string) (body, note string) { // where keys stay, a copy is not shown
				if strings.HasSuffix(gate, "off") {
					return "", "withheld"
				}
				return c, ""
			}
			copied, copiedNote := cut(`{}`)
			mentioned, mentionedNote := cut(`{"note":"it is "}`)
			for _, c := range []struct{ name, contentType, sent, body, note string }{
				{"JSON", "application/json", `{"a":1,"token":"` + keyA + `"}`, `{"a":1}`, ""},
				{"JSON without a type", "", `[{"token":"` + keyA + `"},{"b":2}]`, `[{},{"b":2}]`, ""},
				{"NDJSON", "application/x-ndjson", `{"token":"` + keyA + `","a":1}` + "\n" + `{"a":2}` + "\n", `{"a":1}` + "\n" + `{"a":2}` + "\n", ""},
				{"form", "application/x-www-form-urlencoded", "a=1&key=" + escaped + "&b=2", "a=1&b=2", ""},
				{"the key in another member, escaped", "application/json", `{"token":"` + keyA + `","note":"\u0063` + keyA[1:] + `"}`, copied, copiedNote},
				{"the key in another member", "application/json", `{"token":"` + keyA + `","note":"it is ` + keyA + `"}`, mentioned, mentionedNote},
				{"another secret", "application/json", `{"token":"` + keyA + `","password":"hunter2hunter2"}`, `{"password":"REDACTED"}`, ""},
				{"long", "application/json", `{"token":"` + keyA + `","a":"` + strings.Repeat("é", 5000) + `"}`, `{"a":"` + strings.Repeat("é", 2045), "truncated"},
			} {
				resp := g.Do(t, gatetest.Request{Target: "/v1/" + url.PathEscape(c.name), Header: header(c.contentType), Body: c.sent})
				if resp.Status != http.StatusOK {
					t.Fatalf("%s: %d %s", c.name, resp.Status, resp.Body)
				}
				e := adminGet[recentList](t, g, "recent").Events[0]
				if e.Body != c.body || e.BodyNote != c.note || e.KeyID != "key_a" || e.Account != "acme" || e.Mode != "test" || e.Method != http.MethodPost ||
					e.Path != "/v1/"+c.name || e.ContentType != c.contentType || e.Verdict != "allowed" || time.Since(e.Time).Abs() > time.Minute {
					t.Errorf("%s: %+v", c.name, e)
				}
			}
		})
	}
}

func header(contentType string) http.Header {
	if contentType == "" {
		return http.Header{"Content-Type": nil}
	}
	return http.Header{"Content-Type": {contentType}}
}

func TestRecentEventsOfOtherBodies(t *testing.T) {
	for _, gate := range []string{"", "bind body", "enforce off"} {
		g := startRecent(t, gate)
		key := http.Header{"X-Api-Key": {keyA}}
		with := func(name, value string) http.Header {
			h := key.Clone()
			h.Set(name, value)
			return h
		}
		for name, c := range map[string]struct {
			req  gatetest.Request
			note string
		}{
			"none":           {gatetest.Request{Target: "/none", Header: key}, ""},
			"opaque":         {gatetest.Request{Target: "/opaque", Header: with("Content-Type", "image/png"), Body: "apiKey=canary"}, "streamed withheld"},
			"plain text":     {gatetest.Request{Target: "/text", Header: with("Content-Type", "text/plain"), Body: "canary"}, "streamed withheld"},
			"malformed":      {gatetest.Request{Target: "/malformed", Header: with("Content-Type", "application/json"), Body: `{"token":"canary",`}, "withheld"},
			"unknown coding": {gatetest.Request{Target: "/coding", Header: with("Content-Encoding", "compress"), Body: `{"token":"canary"}`}, "streamed withheld"},
		} {
			g.Do(t, c.req)
			e := adminGet[recentList](t, g, "recent").Events[0]
			if e.Path != c.req.Target || e.Body != "" || !strings.Contains(c.note, e.BodyNote) || c.note != "" && e.BodyNote == "" {
				t.Errorf("%q %s: %+v", gate, name, e)
			}
		}
	}
}

func TestRecentEventsAreOfTestKeys(t *testing.T) {
	g := startRecent(t, "")
	send(t, g, 1, keyB)
	send(t, g, 1, "no-such-key")
	if got := adminGet[recentList](t, g, "recent").Events; len(got) != 0 || got == nil {
		t.Errorf("%+v", got)
	}
}

func TestRecentEventsAreBounded(t *testing.T) {
	g := startRecent(t, "")
	body := `{"token":"` + keyA + `","a":"` + strings.Repeat("x", 4000) + `"}`
	for i := range 130 {
		g.Do(t, gatetest.Request{Target: fmt.Sprintf("/%d/%s", i, strings.Repeat("p", 2000)), Body: body, Header: header("application/json")})
	}
	events := adminGet[recentList](t, g, "recent").Events
	bytes := 0
	for i, e := range events {
		if want := fmt.Sprintf("/%d/p", 129-i); !strings.HasPrefix(e.Path, want) || e.ID != 130-i || len(e.Path) > 256 {
			t.Fatalf("event %d: %d %s, want %s", i, e.ID, e.Path, want)
		}
		bytes += len(e.Body) + len(e.Path)
	}
	if len(events) != 50 || bytes > 50*(4096+256) {
		t.Errorf("%d events of %d bytes", len(events), bytes)
	}
}

// digests returns the digests of keys in the source.
func digests(keys ...string) []string {
	var list []string
	for _, key := range keys {
		sum := sha256.Sum256([]byte(key))
		list = append(list, hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:]))
	}
	return list
}

// TestAdminLeaksNothing takes canaries through every flow and searches all admin
// routes for keys and digests.
func TestAdminLeaksNothing(t *testing.T) {
	oneIn := drill.Size(5, 1)
	for n, strip := range []string{"strip on", "strip off", "enforce off"} {
		t.Run(strip, func(t *testing.T) {
			up := gatetest.NewUpstream(t, nil)
			g := gatetest.New(t, gatetest.Vars{
				"upstream": up.Addr, "fallback": up.Addr, "down": freeport.Addr(t), "early": earlyCloser(t), "format": "redact_keys", "check": "on\nrecent_events on",
			})
			g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{
				canaryGood:    {"mode": "test", "resources": map[string]any{"project": []string{"p"}}},
				canaryRevoked: {"mode": "test", "revoked_at": "2020-01-01T00:00:00Z"},
			}))
			t.Setenv("OTEL_TRACES_EXPORTER", "none")
			g.Run(t, strings.Replace(leakSites, "max_body 64KiB", "max_body 64KiB\n"+strip, 1))
			var shown strings.Builder
			events := 0
			for i, req := range share(leakRequests(), oneIn, n%oneIn) {
				_, _ = g.Try(req)
				if i%45 == 0 {
					text := adminDo(t, g, http.MethodGet, "recent", "", nil).Body
					events += strings.Count(text, `"path"`)
					shown.WriteString(text)
				}
			}
			for route, method := range adminRoutes {
				shown.WriteString(adminDo(t, g, method, route, `{"all":true}`, nil).Body)
			}
			searchFor := append(digests(canaryGood, canaryRevoked, canaryUnknown), "eyJhbGciOi") // how tokens begin: {"alg":
			for _, key := range []string{canaryGood, canaryRevoked, canaryUnknown} {
				searchFor = append(searchFor, forms(key)...)
			}
			for _, secret := range searchFor {
				if i := strings.Index(shown.String(), secret); i >= 0 {
					t.Errorf("shown: …%s…", shown.String()[max(0, i-200):i+len(secret)])
				}
			}
			if events < 500/oneIn || !strings.Contains(shown.String(), `"body":"`) {
				t.Errorf("%d events were searched: the suite is not what it was", events)
			}
		})
	}
}
