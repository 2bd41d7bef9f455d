package caddymodule_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// TestAttackOtherDecodersOfQueries: what some decoder reads as a credential or as
// a bound parameter, and we do not, is refused. FuzzDecoders has more of that kind.
func TestAttackOtherDecodersOfQueries(t *testing.T) {
	g, up := start(t, "resource project query project_id {\noptional\n}",
		map[string]gatetest.Record{keyA: {"resources": map[string][]string{"project": {"p1"}}}, keyB: {}})
	with := func(target string) string { return raw("GET "+target, withKey) }
	runAttacks(t, g, up, []attack{
		{"a leading ? alone", raw("GET /track??apiKey=" + keyB), 400, "", ""},
		{"a leading ? beside a good key", with("/track??apiKey=" + keyB), 400, "", ""},
		{"several", with("/track????apiKey=" + keyB), 400, "", ""},
		{"first once the key is cut", raw("GET /track?apiKey=" + keyA + "&?apiKey=" + keyB), 400, "", ""},
		{"a leading ? of another parameter stays", with("/track??a=1&apiKey=" + keyA), 200, "", "/track??a=1"},
		{"a byte-order mark", with("/track?%EF%BB%BFapiKey=" + keyB), 400, "", ""},
		{"a bad escape that ASP drops", with("/track?a%piKey=" + keyB), 400, "", ""},
		{"overlong UTF-8", with("/track?%C1%A1piKey=" + keyB), 400, "", ""},
		{"a similar letter", with("/track?%uff41piKey=" + keyB), 400, "", ""},
		{"a resource", with("/t?project_id=p1"), 200, "", "/t?project_id=p1"},
		{"a resource behind a leading ?", with("/t??project_id=p2&project_id=p1"), 400, "", ""},
		{"a resource behind a leading ?, later", with("/t?project_id=p1&?project_id=p2"), 400, "", ""},
		{"a resource in another case", with("/t?Project_ID=p1"), 400, "", ""},
		{"a resource as PHP names it", with("/t?project.id=p2&project_id=p1"), 400, "", ""},
		{"a resource in a fragment", with("/t?x=1#&project_id=p1"), 400, "", ""},
	})
}

func TestAttackOtherDecodersOfForms(t *testing.T) {
	g, up := start(t, "credential bearer\ncredential form key", map[string]gatetest.Record{keyA: {}, keyB: {}})
	for body, want := range map[string]string{
		"a=1&key=" + keyA:          "a=1",
		"?a=1&key=" + keyA:         "?a=1",
		"?key=" + keyB:             "",
		"key=" + keyA + "&?a=1":    "",
		"\ufeffkey=" + keyB:        "",
		"k%ey=" + keyB:             "",
		"key=" + keyA + "&%FFkey=": "",
	} {
		resp := g.Do(t, gatetest.Request{Target: "/", Body: body, Header: http.Header{"Authorization": {"Bearer " + keyA}, "Content-Type": {"application/x-www-form-urlencoded"}}})
		if want == "" {
			if resp.Status != http.StatusBadRequest || len(up.Take()) > 0 {
				t.Errorf("%q: %d %s", body, resp.Status, resp.Body)
			}
			continue
		}
		if resp.Status != http.StatusOK {
			t.Errorf("%q: %d %s", body, resp.Status, resp.Body)
			continue
		}
		if seen := up.One(t); seen.Body != want {
			t.Errorf("%q: the backend saw %q", body, seen.Body)
		}
	}
}

// TestAttackOtherCaseInBodies: backends differ in whether case matters in members.
// What the gate relies on, such as a resource, a required field or an array, must be
// written as configured, in every row; a key is found in any case.
func TestAttackOtherCaseInBodies(t *testing.T) {
	g, up := start(t, "credential bearer\ncredential body token\ncredential body key in events\n"+
		"resource environment body environment {\noptional\n}\nrequire all id in batch\nlimit 1000/1h by key cost body_items in items",
		map[string]gatetest.Record{keyA: {"resources": map[string][]string{"environment": {"production"}}}, keyB: {}})
	for body, want := range map[string]string{
		`{"environment":"production","batch":[{"id":1}]}`:                                    "",
		`{"\u0065nvironment":"production","batch":[{"id":1}]}`:                               "",
		`{"TOKEN":"` + keyA + `","Events":[{"Key":"` + keyA + `"}],"batch":[]}`:              "",
		`{"Environment":"development","batch":[]}`:                                           "environment",
		`{"environment":"production","ENVIRONMENT":"development","batch":[]}`:                "environment",
		`[{"environment":"production","batch":[]},{"Environment":"development","batch":[]}]`: "environment",
		`{"Batch":[{"id":1}]}`:                         "batch",
		`{"batch":[{"id":1},{"id":2,"ID":3}]}`:         "id",
		`{"batch":[],"Items":[1,2,3]}`:                 "items",
		`{"batch":[],"items":[],"\u0049tems":[1,2,3]}`: "items",
		`{"Environment":"development","environment":"production","batch":[],"token":"` + keyB + `"}`: "environment",
	} {
		resp := g.Do(t, gatetest.Request{Target: "/", Body: body, Header: http.Header{"Authorization": {"Bearer " + keyA}, "Content-Type": {"application/json"}}})
		seen := up.Take()
		switch {
		case want == "" && (resp.Status != http.StatusOK || strings.Contains(seen[0].Body, keyA)):
			t.Errorf("%s: %d %s", body, resp.Status, resp.Body)
		case want != "" && (len(seen) > 0 || resp.Status != http.StatusBadRequest || resp.Body != `{"error":"Field must be spelled exactly: `+want+`","code":"malformed_body"}`):
			t.Errorf("%s: %d %s", body, resp.Status, resp.Body)
		}
	}
}
