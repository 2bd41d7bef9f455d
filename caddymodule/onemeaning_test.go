package caddymodule_test

import (
	"net/http"
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
