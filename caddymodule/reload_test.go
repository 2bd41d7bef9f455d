package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

func TestReloadKeepsAssertionsAndSource(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {}}))
	site := options + ":{{gate}} {\nlog\ningest_auth {\n#\n}\nreverse_proxy {{upstream}}\n}\n"
	g.Run(t, site)
	kid := func() string {
		g.Do(t, gatetest.Request{Target: "/", Header: http.Header{"X-Api-Key": {keyA}}})
		token := up.One(t).Header.Get("X-Ingest-Identity")
		verify(t, token, keySet(t, "http://"+g.Admin+"/ingest_auth/jwks"), nil)
		return strings.Split(token, ".")[0]
	}
	before := kid()
	// With the file gone, only a source that was taken over can still answer.
	if err := os.Remove(filepath.Join(g.Dir, "keys.json")); err != nil {
		t.Fatal(err)
	}
	if err := g.Load(strings.Replace(site, "#", "max_body 2MiB", 1)); err != nil {
		t.Fatal(err)
	}
	if kid() != before {
		t.Error("the signing key changed with a reload")
	}
	for _, broken := range []string{
		strings.Replace(site, "keys file {{dir}}/keys.json", "keys file {{dir}}/none.json", 1),
		strings.Replace(site, "format redact_keys", "format json", 1),
		strings.Replace(site, "#", "credential header X-Ingest-Identity", 1),
	} {
		if err := g.Load(broken); err == nil {
			t.Fatal("a broken configuration was loaded")
		}
		if kid() != before {
			t.Error("the signing key changed with a configuration that was refused")
		}
	}
}

func TestMissingKeyFile(t *testing.T) {
	g := gatetest.New(t, nil)
	err := g.Load(options + ":{{gate}} {\ningest_auth\n}\n")
	if err == nil || !strings.Contains(err.Error(), "does not exist") || !strings.Contains(err.Error(), `{"keys":[]}`) {
		t.Errorf("%v", err)
	}
}

func TestUnresolvedSecretIsRefused(t *testing.T) {
	// Attack: an unresolved secret reference taken literally as the key.
	for secret, want := range map[string]string{
		"{env.NO_SUCH_VARIABLE}":      "sign secret: resolving {env.NO_SUCH_VARIABLE}",
		"{file./no/such/secret.file}": "sign secret: resolving {file./no/such/secret.file}",
		"{env.SHORT_SECRET}":          "at least 32",
	} {
		t.Setenv("SHORT_SECRET", "too-short-a-secret")
		g := gatetest.New(t, nil)
		g.Write(t, "keys.json", gatetest.Keys(nil))
		sign := "sign {\nalgorithm HS256\nsecret " + secret + "\n}\nkeys file"
		err := g.Load(strings.Replace(options, "keys file", sign, 1) + ":{{gate}} {\ningest_auth\n}\n")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "too-short-a-secret") {
			t.Errorf("%s: %v", secret, err)
		}
	}
}

func TestBrokenKeyFilesAreRefused(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	for name, content := range map[string]string{
		"two records for one digest": `{"keys":[{"digest":"` + digest + `","key_id":"key_1"},{"digest":"` + digest + `","key_id":"key_2"}]}`,
		"a plaintext key":            `{"keys":[{"key":"canary-plain-text-key","key_id":"key_1"}]}`,
		"a key for a digest":         `{"keys":[{"digest":"canary-plain-text-key","key_id":"key_1"}]}`,
		"an unknown field":           `{"keys":[{"digest":"` + digest + `","key_id":"key_1","colour":"red"}]}`,
		"no JSON":                    `keys: []`,
	} {
		g := gatetest.New(t, nil)
		g.Write(t, "keys.json", content)
		err := g.Load(options + ":{{gate}} {\ningest_auth\n}\n")
		if err == nil {
			t.Errorf("%s: was loaded", name)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}
