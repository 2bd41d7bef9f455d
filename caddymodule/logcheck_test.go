package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

func TestLogCheck(t *testing.T) {
	const (
		toGlobal = "a global log"
		toLog0   = `the access log "log0"`
	)
	for name, tc := range map[string]struct {
		global, site string
		want         []string // none: it starts
	}{
		"no log at all":                          {"", "", []string{toGlobal}},
		"default log in another format":          {"log {\nformat json\n}", "", []string{toGlobal}},
		"default log at a high level":            {"log {\nlevel PANIC\n}", "", []string{toGlobal}},
		"default log redacts":                    {"log {\nformat redact_keys\n}", "", nil},
		"site logs to the default log":           {"log {\nformat redact_keys\n}", "log", nil},
		"site log does not inherit the encoder":  {"log {\nformat redact_keys\n}", "log {\noutput file {{dir}}/a.log\n}", []string{toLog0}},
		"site log redacts, default does not":     {"", "log {\noutput file {{dir}}/a.log\nformat redact_keys\n}", []string{toGlobal}},
		"site log and default log do not redact": {"", "log {\noutput file {{dir}}/a.log\n}", []string{toGlobal, toLog0}},
		"both redact":                            {"log {\nformat redact_keys\n}", "log {\noutput file {{dir}}/a.log\nformat redact_keys\n}", nil},
		"another log of access logs":             {"log {\nformat redact_keys\n}\nlog b {\noutput file {{dir}}/b.log\ninclude http.log.access\n}", "log", []string{toGlobal}},
		"another log of reverse_proxy":           {"log {\nformat redact_keys\n}\nlog b {\noutput file {{dir}}/b.log\ninclude http.handlers.reverse_proxy\n}", "", []string{toGlobal}},
		"another log of something else":          {"log {\nformat redact_keys\n}\nlog b {\noutput file {{dir}}/b.log\ninclude tls\n}", "", nil},
		"redact_keys inside filter":              {"log {\nformat filter {\nwrap redact_keys\nrequest>uri delete\n}\n}", "", nil},
		"redact_keys around filter":              {"log {\nformat redact_keys {\nwrap filter {\nwrap console\nrequest>uri delete\n}\n}\n}", "", nil},
		"redact_keys inside append":              {"log {\nformat append {\nwrap redact_keys\na b\n}\n}", "", nil},
		"sampled":                                {"log {\nformat redact_keys\nsampling {\nfirst 1\n}\n}", "", nil},
		"sampled, in another format":             {"log {\nformat json\nsampling {\nfirst 1\n}\n}", "", []string{toGlobal}},
		"the check is off":                       {"ingest_auth {\nlog_check off\nkeys file {{dir}}/keys.json\n}", "log", nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := gatetest.New(t, nil)
			g.Write(t, "keys.json", gatetest.Keys(nil))
			app := "ingest_auth {\nkeys file {{dir}}/keys.json\n}\n"
			if strings.Contains(tc.global, "ingest_auth") {
				app = ""
			}
			err := g.Load("{\nauto_https off\n" + app + tc.global + "\n}\n:{{gate}} {\n" + tc.site + "\ningest_auth\nrespond ok\n}\n")
			if err == nil {
				defer func() { _ = caddy.Stop() }()
			}
			if (err == nil) != (tc.want == nil) {
				t.Fatalf("started: %t: %v", err == nil, err)
			}
			for _, place := range []string{toGlobal, toLog0} {
				named := err != nil && strings.Contains(err.Error(), place)
				if wanted := strings.Contains(strings.Join(tc.want, " "), place); named != wanted {
					t.Errorf("%s named: %t, want %t: %v", place, named, wanted, err)
				}
			}
			if err != nil && !strings.Contains(err.Error(), "format redact_keys") {
				t.Errorf("no remedy: %v", err)
			}
		})
	}
}

// TestLogCheckFilters: encoders around redact_keys change what comes to it, and some of that
// hides from it where a key stands. The log itself is the oracle: what starts must not write a key
// where a client puts one, and what is refused would have.
func TestLogCheckFilters(t *testing.T) {
	const key = "canary-word" // by its value it is no key that the encoder would look up
	const outside, inside = "log {\noutput file {{dir}}/x.log\nformat filter {\nwrap redact_keys\n%s\n}\n}", "log {\noutput file {{dir}}/x.log\nformat redact_keys {\nwrap filter {\nwrap json\n%s\n}\n}\n}"
	for _, tc := range []struct {
		name, format, filter string
		leaks                string // the field, "" if none does
	}{
		{"a header under another name", outside, "request>headers>X-Api-Key rename zy", "request>headers>X-Api-Key"},
		{"a header of this gate only", outside, "request>headers>X-Shop rename zy", "request>headers>X-Shop"},
		{"a header that is only emptied", outside, "request>headers>X-Session rename zy", "request>headers>X-Session"},
		{"a header of the answer", outside, "resp_headers>X-Api-Key rename zy", "resp_headers>X-Api-Key"},
		{"the assertion", outside, "request>headers>X-Ingest-Identity rename zy", "request>headers>X-Ingest-Identity"},
		{"a parameter under another name", outside, `request>uri regexp apiKey= zy=`, "request>uri"},
		{"a parameter of this gate only", outside, `request>uri regexp shop= zy=`, "request>uri"},
		{"what is left of a URI", outside, `request>uri regexp .*apiKey=(\w+).* $1`, "request>uri"},
		{"a parameter of a link", outside, `request>headers>Referer regexp apiKey= zy=`, "request>headers>Referer"},
		{"two regular expressions", outside, "request>uri regexp api zy\nrequest>uri regexp (?i)key= zy=", "request>uri"},

		{"deleted", outside, "request>headers>X-Api-Key delete\nrequest>uri delete", ""},
		{"the request deleted", outside, "request delete", ""},
		{"hashed", outside, "request>headers>X-Api-Key hash\nrequest>uri hash", ""},
		{"replaced", outside, "request>headers>X-Api-Key replace x\nrequest>uri replace x", ""},
		{"masked", outside, "request>headers>X-Api-Key ip_mask 16 32\nrequest>uri ip_mask 16 32\nrequest>remote_ip ip_mask 16 32", ""},
		{"a regular expression that keeps the name", outside, `request>headers>X-Api-Key regexp ^(.{4}).* $1`, ""},
		{"parameters", outside, "request>uri query {\nreplace apiKey x\nhash shop\ndelete zy\n}", ""},
		{"cookies", outside, "request>headers>Cookie cookie {\ndelete session\n}", ""},
		{"the URI under another name", outside, "request>uri rename zy", ""},
		{"all headers under another name", outside, "request>headers rename zy", ""},
		{"a link under another name", outside, "request>headers>Referer rename zy", ""},
		{"a header whose new name is known", strings.Replace(outside, "wrap redact_keys", "wrap redact_keys {\nheaders zx\n}", 1), "request>headers>X-Api-Key rename zx", ""},
		{"a filter inside", inside, "request>headers>X-Api-Key rename zy\nrequest>uri regexp apiKey= zy=", ""},
		{"a filter in a filter, of which Caddy does nothing", "log {\noutput file {{dir}}/x.log\nformat filter {\nwrap filter {\nwrap redact_keys\nrequest>headers>X-Api-Key rename zy\n}\n}\n}", "", ""},
		{"fields added", "log {\noutput file {{dir}}/x.log\nformat append {\nwrap redact_keys\na b\n}\n}", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			load := func(check string) (*gatetest.Gate, error) {
				g := gatetest.New(t, nil)
				g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{key: {}}))
				return g, g.Load("{\nauto_https off\ningest_auth {\nkeys file {{dir}}/keys.json\nlog_check " + check + "\n}\n" + strings.Replace(tc.format, "%s", tc.filter, 1) +
					"\n}\n:{{gate}} {\nlog\ningest_auth {\ncredential header X-API-Key X-Shop\ncredential query apiKey shop\nremove header X-Session\n}\nheader X-Api-Key {http.request.header.Accept}\nrespond ok\n}\n")
			}
			g, err := load("on")
			if (err == nil) != (tc.leaks == "") || err != nil && !strings.Contains(err.Error(), tc.leaks+" from the filter") {
				t.Errorf("want a leak of %q: %v", tc.leaks, err)
			}
			if err != nil {
				if g, err = load("off"); err != nil {
					t.Fatal(err)
				}
			}
			g.Do(t, gatetest.Request{Target: "/?apiKey=" + key + "&shop=" + key, Header: http.Header{
				"X-Api-Key": {key}, "X-Shop": {key}, "Referer": {"https://a.example/?apiKey=" + key}, "Accept": {key}, "X-Ingest-Identity": {key}, "X-Session": {key},
			}})
			if err := caddy.Stop(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(g.Dir, "x.log"))
			if err != nil || !strings.Contains(string(b), "handled request") {
				t.Fatalf("no access log: %v", err)
			}
			log := strings.ReplaceAll(string(b), `"Accept":["`+key, "") // no place for a key
			if wrote := strings.Contains(log, "canary"); wrote != (tc.leaks != "") {
				t.Errorf("a key was written: %t\n%s", wrote, log)
			}
		})
	}
}
