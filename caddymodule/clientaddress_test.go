package caddymodule_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// Attack: the client's own entry in X-Forwarded-For, to which its proxy appends.
//
// The kind: a count by something that the client can choose. There is a warning where, and
// only where, a client behind a proxy that appends to X-Forwarded-For gets past a limit by
// writing another first entry. What Caddy makes of the header is the oracle.
func TestChosenAddressIsWarnedOf(t *testing.T) {
	const (
		byIP   = "limit 1/" + year + " by ip"
		failed = "limit_failures 1/" + year + " by ip"
		trust  = "trusted_proxies static 127.0.0.1/32"
		strict = "\ntrusted_proxies_strict"
	)
	for name, tc := range map[string]struct {
		servers, bind, gates string
		key                  string
		warned               bool
	}{
		"limit":                         {trust, "", byIP, keyA, true},
		"limit, strict":                 {trust + strict, "", byIP, keyA, false},
		"limit, nobody is trusted":      {"", "", byIP, keyA, false},
		"limit by more than that":       {trust, "", "limit 1/" + year + " by key ip", keyA, true},
		"limit by something else":       {trust, "", "limit 1/" + year + " by key", keyA, false},
		"no limit by ip before one is":  {trust, "", "limit 1000/1s by key\n" + byIP, keyA, true},
		"failures":                      {trust, "", failed, keyC, true},
		"failures, strict":              {trust + strict, "", failed, keyC, false},
		"failures, nobody is trusted":   {"", "", failed, keyC, false},
		"another source of proxies":     {"trusted_proxies static private_ranges", "", byIP, keyA, true},
		"Unix socket":                   {"trusted_proxies_unix", "bind unix/{{dir}}/gate.sock", byIP, keyA, true},
		"Unix socket, strict":           {"trusted_proxies_unix" + strict, "bind unix/{{dir}}/gate.sock", byIP, keyA, false},
		"Unix socket, that is not said": {"", "bind unix/{{dir}}/gate.sock", byIP, keyA, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := gatetest.New(t, nil)
			g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {}}))
			g.Run(t, strings.Replace(options, "protocols h1 h2c", "protocols h1 h2c\n"+tc.servers, 1)+
				":{{gate}} {\n"+tc.bind+"\ningest_auth {\n"+tc.gates+"\n}\nrespond ok\n}\n")
			client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				if tc.bind != "" {
					return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(g.Dir, "gate.sock"))
				}
				return new(net.Dialer).DialContext(ctx, "tcp", g.Addr)
			}}}
			var statuses []int
			for _, first := range []string{"192.0.2.1", "192.0.2.2"} {
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Addr, nil)
				r.Header.Set("X-Api-Key", tc.key)
				r.Header.Set("X-Forwarded-For", first+", 203.0.113.7")
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				statuses = append(statuses, resp.StatusCode)
			}
			chose := statuses[1] != http.StatusTooManyRequests
			log, err := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
			if err != nil {
				t.Fatal(err)
			}
			warned := strings.Contains(string(log), "write `trusted_proxies_strict` next to `trusted_proxies`")
			if warned != chose || warned != tc.warned {
				t.Errorf("warned of: %t, possible: %t (%v), want %t", warned, chose, statuses, tc.warned)
			}
		})
	}
}

// One line for a server, however many gates there are, and none for its neighbours.
func TestChosenAddressIsWarnedOfOnce(t *testing.T) {
	g := gatetest.New(t, gatetest.Vars{"other": freeport.Addr(t)})
	g.Write(t, "keys.json", gatetest.Keys(nil))
	g.Run(t, strings.Replace(options, "servers {", "servers :{{gate}} {\ntrusted_proxies static private_ranges", 1)+
		":{{gate}} {\ningest_auth /a {\nlimit 1/1h by ip\n}\ningest_auth /b {\nlimit_failures 1/1h by ip\n}\n}\nhttp://{{other}} {\ningest_auth {\nlimit 1/1h by ip\n}\n}\n")
	log, err := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(g.Addr)
	if n := strings.Count(string(log), "trusted_proxies_strict"); n != 1 || !strings.Contains(string(log), `"listen":[":`+port+`"]`) {
		t.Errorf("%d warnings", n)
	}
}
