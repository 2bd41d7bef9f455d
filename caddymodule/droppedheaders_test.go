package caddymodule_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
)

// TestHeadersThatCaddyDrops: a header that no request can bring to the gate is no place for a
// key. Caddy itself is the oracle: what loads must work, and what is refused must not have.
func TestHeadersThatCaddyDrops(t *testing.T) {
	for _, tc := range []struct{ name, servers, line string }{
		{"X-API-Key", "", ""},
		{"X~API~Key", "", ""},
		{"api_key", "", "`expected_underscore_headers api_key`"},
		{"API_Key", "expected_underscore_headers other_key", "`expected_underscore_headers api_key`"},
		{"api_key", "expected_underscore_headers API_KEY", ""},
		{"api_key", "expected_underscore_headers Api_*", ""},
		{"api_key", "expected_underscore_headers api_key_*", "`expected_underscore_headers api_key`"},
		{"api.key", "", "`expected_dot_headers api.key`"},
		{"api.key", "expected_underscore_headers api_key", "`expected_dot_headers api.key`"},
		{"api.key", "expected_dot_headers api.*", ""},
		{"my_api.key", "expected_underscore_headers my_*", "`expected_underscore_headers my_api.key`"},
		{"my_api.key", "expected_dot_headers my_api.key", ""},
		{"my_api.key", "expected_underscore_headers my_api.key", ""},
	} {
		t.Run(tc.name+" "+tc.servers, func(t *testing.T) {
			g := gatetest.New(t, nil)
			g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {}}))
			site := strings.Replace(options, "protocols h1 h2c", "protocols h1 h2c\n"+tc.servers, 1) + ":{{gate}} {\ningest_auth {\ncredential header "
			err := g.Load(site + tc.name + "\n}\nrespond ok\n}\n")
			if err == nil {
				defer func() { _ = caddy.Stop() }()
			}
			if (err == nil) != (tc.line == "") || err != nil && (!strings.Contains(err.Error(), tc.line) || !strings.Contains(err.Error(), "credential header "+tc.name)) {
				t.Fatalf("want an error with %q: %v", tc.line, err)
			}
			if err != nil {
				names := redact.NewNames()
				names.AddHeader(tc.name)
				if logged := names.Text(err.Error()); logged != err.Error() {
					t.Errorf("the log encoder takes a part of the error for a key: %s", logged)
				}
				// A gate for another header shows that this one does not arrive.
				if err := g.Load(site + "X-Else\n}\nrespond \"[{http.request.header." + tc.name + "}]\"\n}\n"); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = caddy.Stop() }()
				if resp := g.Do(t, gatetest.Request{Target: "/", Header: http.Header{tc.name: {"v"}, "X-Else": {keyA}}}); resp.Body != "[]" {
					t.Errorf("the header arrives: %s", resp.Body)
				}
				return
			}
			if resp := g.Do(t, gatetest.Request{Target: "/", Header: http.Header{tc.name: {keyA}}}); resp.Status != 200 {
				t.Errorf("the key does not arrive: %d %s", resp.Status, resp.Body)
			}
		})
	}
}

// TestHeadersThatOneServerDrops: what counts is the server that the gate is on.
func TestHeadersThatOneServerDrops(t *testing.T) {
	listed, other := freeport.Addr(t), freeport.Addr(t)
	port := func(addr string) string { return addr[strings.LastIndex(addr, ":"):] }
	servers := "servers " + port(listed) + " {\nexpected_underscore_headers api_key\n}\n"
	for name, tc := range map[string]struct {
		sites string
		ok    bool
	}{
		"its own lists it":     {port(listed) + " {\ningest_auth {\ncredential header api_key\n}\n}\n" + port(other) + " {\ningest_auth\n}\n", true},
		"another one lists it": {port(other) + " {\ningest_auth {\ncredential header api_key\n}\n}\n" + port(listed) + " {\ningest_auth\n}\n", false},
		"in a handle block":    {port(listed) + " {\nhandle /a/* {\ningest_auth {\ncredential header api_key\n}\n}\n}\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := gatetest.New(t, nil)
			g.Write(t, "keys.json", gatetest.Keys(nil))
			global := strings.Replace(options, "servers {", servers+"servers {", 1)
			err := g.Load(global + tc.sites)
			if err == nil {
				_ = caddy.Stop()
			}
			if (err == nil) != tc.ok {
				t.Errorf("loaded: %t: %v", err == nil, err)
			}
		})
	}
}

// TestParamTakenForHeader: who forgets the word `param` is told about it.
func TestParamTakenForHeader(t *testing.T) {
	g := gatetest.New(t, nil)
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {}}))
	err := g.Load(options + ":{{gate}} {\ningest_auth {\ncredential header X-Sentry-Auth sentry_key\n}\nrespond ok\n}\n")
	if err == nil {
		_ = caddy.Stop()
	}
	if want := "`credential header X-Sentry-Auth param sentry_key`"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want an error with %s: %v", want, err)
	}
}
