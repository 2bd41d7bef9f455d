package keyscli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func TestRefusals(t *testing.T) {
	key, err := keysync.NewKey(keysync.ModeLive)
	if err != nil {
		t.Fatal(err)
	}
	s := fileShell(t)
	s.newKey(t, "key_1")
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no account":           {[]string{"create"}, "--account is missing"},
		"account is a key":     {[]string{"create", "--account", key}, "account looks like a plaintext key"},
		"bad ID":               {[]string{"create", "--account", "a", "--id", "a b"}, "key_id must have"},
		"ID taken":             {[]string{"create", "--account", "a", "--id", "key_1"}, "choose another --id"},
		"bad mode":             {[]string{"create", "--account", "a", "--mode", "x"}, "mode must be live or test"},
		"bad resource":         {[]string{"create", "--account", "a", "--resource", "x"}, "NAME=VALUE"},
		"bad limit":            {[]string{"create", "--account", "a", "--limit", "key=1"}, "must be a rate"},
		"limit twice":          {[]string{"create", "--account", "a", "--limit", "key=1/1m", "--limit", "key=2/1m"}, "each name once"},
		"bad expiry":           {[]string{"create", "--account", "a", "--expires", key}, "--expires: write a time"},
		"past expiry":          {[]string{"create", "--account", "a", "--expires", "2020-01-01"}, "has passed"},
		"expiry before begin":  {[]string{"create", "--account", "a", "--expires", "1h", "--not-before", "2h"}, "later than not_before"},
		"key as argument":      {[]string{"show", key}, "this is a key"},
		"key to verify":        {[]string{"verify", key}, "standard input"},
		"key to import":        {[]string{"import", "some-secret-key-0123456789"}, "standard input"},
		"key as command":       {[]string{key}, "unknown command; use one of audit, create"},
		"key as flag":          {[]string{"list", "-" + key}, "only flag of one letter"},
		"key as flag value":    {[]string{"list", "--json=" + key}, "--json: it does not take this value"},
		"no such key":          {[]string{"show", "some-secret-key-0123456789"}, "no key has this ID"},
		"revoke no such key":   {[]string{"revoke", "key_9"}, "no key has this ID"},
		"bad time":             {[]string{"revoke", "key_1", "--at", "x"}, "--at: write a time"},
		"bad overlap":          {[]string{"rotate", "key_1", "--overlap", "-1h"}, "--overlap: write how long"},
		"bad state":            {[]string{"list", "--state", "x"}, "active, expired, revoked, not_yet_valid"},
		"bad mode to list":     {[]string{"list", "--mode", "x"}, "live or test"},
		"no ID":                {[]string{"show"}, "takes one argument"},
		"Vault flags for file": {[]string{"list", "--vault-mount", "x"}, "need --vault"},
		"two places":           {[]string{"list", "--vault"}, "one of --file PATH, --vault and --config PATH"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.run(t, "", tt.args...)
			if r.err == nil {
				t.Fatal("no error")
			}
			if r.out != "" {
				t.Errorf("standard output %q", r.out)
			}
			wantText(t, r.log, tt.want)
			wantNone(t, r.log, key, "some-secret-key")
		})
	}
	if n := len(s.records(t)); n != 1 {
		t.Errorf("%d records", n)
	}
}

func TestPlace(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"none":     {[]string{"list"}, "one of --file PATH, --vault and --config PATH"},
		"no file":  {[]string{"list", "--file", filepath.Join(t.TempDir(), "typo.json")}, "does not exist"},
		"no token": {[]string{"list", "--vault"}, "run `vault login`, set VAULT_TOKEN"},
	} {
		t.Run(name, func(t *testing.T) {
			r := execute(t.Context(), testNow, strings.NewReader(""), tt.args...)
			if r.err == nil || r.out != "" {
				t.Fatalf("%q, %v", r.out, r.err)
			}
			wantText(t, r.log, tt.want)
		})
	}
}

func TestOutFile(t *testing.T) {
	s := fileShell(t)
	s.newKey(t, "key_1")
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"create":      {"create", "--account", "acme"},
		"create JSON": {"create", "--account", "acme", "--json"},
		"rotate":      {"rotate", "key_1"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			r := s.must(t, "", append(args, "--out", path)...)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			key := strings.TrimSuffix(string(content), "\n")
			wantNone(t, r.all(), key, `"key":`)
			s.must(t, key, "verify")
		})
	}
	t.Run("there already", func(t *testing.T) {
		path, before := filepath.Join(dir, "mine"), len(s.records(t))
		if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		r := s.run(t, "", "create", "--account", "acme", "--out", path)
		if content, err := os.ReadFile(path); r.err == nil || err != nil || string(content) != "mine" {
			t.Errorf("%v; the file has %q, %v", r.err, content, err)
		}
		if n := len(s.records(t)); n != before {
			t.Errorf("%d records, there were %d", n, before)
		}
	})
	t.Run("storing fails", func(t *testing.T) {
		path := filepath.Join(dir, "none")
		r := s.run(t, "", "create", "--account", "acme", "--id", "key_1", "--out", path)
		if _, err := os.Stat(path); r.err == nil || !os.IsNotExist(err) {
			t.Errorf("%v; %v", r.err, err)
		}
	})
}

func TestParseMoment(t *testing.T) {
	for text, want := range map[string]time.Time{
		"":                          {},
		"2027-01-31T12:00:00Z":      time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC),
		"2027-01-31T12:00:00+02:00": time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC),
		"2027-01-31t12:00:00z":      time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC),
		"2027-01-31":                time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		"90m":                       testNow.Add(90 * time.Minute),
		"30d":                       testNow.Add(30 * 24 * time.Hour),
		"1d12h":                     testNow.Add(36 * time.Hour),
	} {
		if got, err := parseMoment(text, testNow); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"x", "-1h", "31.1.2027", "2027-02-30", "10"} {
		if got, err := parseMoment(text, testNow); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Every subcommand explains itself and shows an example.
func TestHelp(t *testing.T) {
	cmd := new(cobra.Command)
	Setup(nil)(cmd)
	for _, sub := range cmd.Commands() {
		if sub.Short == "" || sub.Long == "" || !strings.Contains(sub.Example, "ingest-auth ingest-keys "+sub.Name()+" ") {
			t.Errorf("%s lacks help", sub.Name())
		}
	}
	r := execute(t.Context(), testNow, strings.NewReader(""), "import", "--help")
	wantText(t, r.out, "1 to 4096 bytes", "fewer than 16 characters", "--id-prefix", "--file PATH")
}
