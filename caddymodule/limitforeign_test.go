package caddymodule_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// TestRefusalsTellNothingOfOthers: what a request is answered that has no business
// with a resource is the same to the byte whatever the owner has used up. Of two
// resources each may be allowed for and the two together be somebody else's: all
// datasources, but of another project.
func TestRefusalsTellNothingOfOthers(t *testing.T) {
	const (
		owner, stranger   = keyA, keyB
		product, revoked  = keyC, keyD
		path              = "resource project path /{project}/{datasource}\nresource datasource path /{project}/{datasource}\n"
		query             = "resource project query p\nresource datasource query d\n"
		body              = "resource datasource path /{datasource}\nresource project body p\n"
		everywhere, event = "*", `{"p":"shop"}`
	)
	all := func(project, datasource string) map[string][]string {
		return map[string][]string{"project": {project}, "datasource": {datasource}}
	}
	records := map[string]gatetest.Record{
		owner:    {"key_id": "key_owner", "account": "acme", "scopes": []string{"write"}, "resources": all("shop", everywhere)},
		stranger: {"key_id": "key_stranger", "account": "other", "scopes": []string{"write"}, "resources": all("other", everywhere)},
		product:  {"key_id": "key_product", "account": "other", "resources": all("other", "web")},
		revoked:  {"key_id": "key_revoked", "account": "other", "resources": all("shop", everywhere), "revoked_at": "2026-01-01T00:00:00Z"},
	}
	for _, c := range []struct{ name, resources, target string }{
		{"path", path, "/shop/crm"}, {"query", query, "/?p=shop&d=crm"}, {"query, one missing", query, "/?d=crm"}, {"body", body, "/crm"},
	} {
		for _, by := range []string{"datasource route", "datasource", "project datasource route", "project"} {
			t.Run(c.name+" by "+by, func(t *testing.T) {
				own := c.target
				if c.name == "query, one missing" {
					own = "/?p=shop&d=crm"
				}
				g, up := start(t, c.resources+"scope write\nlimit 3/"+year+" by "+by+"\nlimit 1000/"+year+" by account", records)
				request := func(key, target, body string) gatetest.Request {
					req := postJSON(target, key, body)
					if key == "" {
						req.Header.Del("X-Api-Key")
					}
					return req
				}
				var before []string
				for used := range 5 {
					var now []string
					for _, key := range []string{stranger, product, revoked, "nobody", ""} {
						for _, body := range []string{event, `{"p":`, `{"p":"other"}`} {
							if key == stranger && c.name == "body" && body == `{"p":"other"}` {
								continue // that is the stranger's own
							}
							resp := g.Do(t, request(key, c.target, body))
							if resp.Status < 400 || resp.Status == http.StatusTooManyRequests {
								t.Errorf("%s got %d", key, resp.Status)
							}
							now = append(now, key+" "+body+": "+onTheWire(resp))
						}
					}
					for i := range before {
						if now[i] != before[i] {
							t.Errorf("after %d requests of the owner:\n%s\nbefore:\n%s", used, now[i], before[i])
						}
					}
					before = now
					g.Do(t, request(owner, own, event))
				}
				if got := len(up.Take()); got != 3 {
					t.Errorf("the backend saw %d requests of the owner, want 3", got)
				}
			})
		}
	}
}

// onTheWire is an answer to the byte, but for the time of it.
func onTheWire(resp gatetest.Response) string {
	var b bytes.Buffer
	resp.Header.Del("Date")
	_ = resp.Header.Write(&b)
	return fmt.Sprintf("%d\n%s\n%s", resp.Status, b.String(), resp.Body)
}
