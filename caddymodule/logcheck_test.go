package caddymodule_test

import (
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
