package caddymodule_test

import (
	"os"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

// tlsCounters are counters with all three TLS settings.
func tlsCounters(url string, files redistest.TLS, serverName string) string {
	return "counters " + url + " {\ntimeout 10s\nca_cert " + files.CACert + "\nclient_cert " + files.ClientCert + " " + files.ClientKey +
		"\nserver_name " + serverName + "\n}"
}

// TestCountersTLS: limits count in a Redis that wants client certificates, under a name
// that operators of Redis can see. What a reload changes is used from then on, be it a
// setting or what is in a file.
func TestCountersTLS(t *testing.T) {
	s, files := redistest.StartTLS(t)
	_, strangers := redistest.StartTLS(t)
	options := tlsCounters("rediss://"+files.Addr, files, "redis.internal")
	site := "limit 9/" + year + " by key"
	g, _ := startLimits(t, options, site, nil)
	wantRemaining(t, g, get("/", keyA), 200, "8")
	if s.Command("DBSIZE") != ":2" { // with that of probes
		t.Errorf("%s counters in Redis", s.Command("DBSIZE"))
	}
	if list := s.Command("CLIENT LIST TYPE normal"); strings.Count(list, " name=ingest-auth@") != 1 {
		t.Errorf("connections:\n%s", list)
	}
	down := func() int { return logLines(t, g, "shared counters are down") }
	swap := func() { // the CA's certificate with a stranger's
		t.Helper()
		ours, err := os.ReadFile(files.CACert)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := os.ReadFile(strangers.CACert)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(files.CACert, theirs, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(strangers.CACert, ours, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	app := func(options string) string { return withApp(options) + limitSite(site) }
	reload(t, g, app(options))
	if down() != 0 {
		t.Error("down after a reload of the same")
	}
	swap()
	reload(t, g, app(options))
	if down() != 1 || logLines(t, g, "unknown authority") != 1 {
		t.Errorf("down %d times, want once for the CA", down())
	}
	swap()
	reload(t, g, app(strings.Replace(options, "redis.internal", "other.internal", 1)))
	if down() != 2 || logLines(t, g, "not other.internal") != 1 {
		t.Errorf("down %d times, want twice, the second time for the name", down())
	}
	reload(t, g, app(options))
	wantRemaining(t, g, get("/", keyA), 200, "7")
	if down() != 2 {
		t.Error("down with what it began with")
	}
}

// TestCountersTLSFiles: a file that cannot be used is refused by setting and file, and what
// is in it is not shown. So are settings for a URL without TLS that stands elsewhere.
func TestCountersTLSFiles(t *testing.T) {
	t.Setenv("TEST_REDIS_URL", "redis://localhost")
	_, files := redistest.StartTLS(t)
	_, others := redistest.StartTLS(t)
	for _, tc := range []struct{ settings, want string }{
		{"ca_cert {{dir}}/none.pem", "counters: ca_cert: open {{dir}}/none.pem: no such file"},
		{"ca_cert {{dir}}/keys.json", "counters: ca_cert: {{dir}}/keys.json: has no certificate"},
		{"ca_cert " + files.ClientKey, "counters: ca_cert: " + files.ClientKey + ": has no certificate"},
		{"client_cert {{dir}}/none.pem " + files.ClientKey, "counters: client_cert: open {{dir}}/none.pem"},
		{"client_cert " + files.ClientCert + " {{dir}}/none.key", "counters: client_cert: open {{dir}}/none.key"},
		{"client_cert " + files.ClientCert + " " + others.ClientKey, "counters: client_cert: " + files.ClientCert + " with " + others.ClientKey + ": tls: private key does not match"},
		{"client_cert " + files.ClientKey + " " + files.ClientCert, "counters: client_cert: " + files.ClientKey + " with " + files.ClientCert},
	} {
		wantCountersError(t, "rediss://localhost", tc.settings, tc.want)
	}
	wantCountersError(t, "{env.TEST_REDIS_URL}", "server_name a", "write rediss instead of redis in the URL")
}

func wantCountersError(t *testing.T, url, settings, want string) {
	t.Helper()
	g := gatetest.New(t, nil)
	g.Write(t, "keys.json", gatetest.Keys(nil))
	want = strings.ReplaceAll(want, "{{dir}}", g.Dir)
	err := g.Load(withApp("counters "+url+" {\n"+settings+"\n}") + ":{{gate}} {\ningest_auth\n}\n")
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "PRIVATE KEY-") {
		t.Errorf("%s: %v, want %q", settings, err, want)
	}
}
