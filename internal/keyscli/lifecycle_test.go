package keyscli

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// A key from its beginning to its end.
func TestLifecycle(t *testing.T) {
	everywhere(t, func(t *testing.T, s shell) {
		key := s.newKey(t, "key_1", "--mode", "test", "--env", "staging", "--scope", "events:write", "--scope", "a,b",
			"--resource", "project=p1", "--resource", "project=p2", "--limit", "key=100/1m",
			"--not-before", "2026-05-01", "--expires", "30d")
		want := &keysync.Record{
			KeyID: "key_1", Account: "acme", Mode: "test", Env: "staging", Scopes: []string{"events:write", "a,b"},
			Resources: map[string][]string{"project": {"p1", "p2"}}, Limits: map[string]string{"key": "100/1m"},
			CreatedAt: keysync.MomentOf(testNow), NotBefore: keysync.MomentOf(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)), ExpiresAt: keysync.MomentOf(testNow.AddDate(0, 0, 30)),
		}
		got, err := s.store.Lookup(t.Context(), keysync.DigestOf([]byte(key)))
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Fatalf("%v, (-want +got)\n%s", err, d)
		}
		if r := s.must(t, key+"\n", "verify"); r.out != "key_1 works\n" {
			t.Errorf("verify says %q", r.out)
		}
		wantText(t, s.must(t, "", "show", "key_1").out, "key ID            key_1\n", "resource project  p1 p2\n", "expires           2026-07-01T12:00:00Z\n")

		next := strings.TrimSpace(s.must(t, "", "rotate", "key_1", "--overlap", "24h", "--id", "key_2").out)
		old := *want
		old.Successor, old.ExpiresAt = "key_2", keysync.MomentOf(testNow.Add(24*time.Hour))
		successor := *want
		successor.KeyID, successor.NotBefore = "key_2", 0
		if d := cmp.Diff(map[string]*keysync.Record{"key_1": &old, "key_2": &successor}, s.records(t)); d != "" {
			t.Fatalf("(-want +got)\n%s", d)
		}
		s.must(t, key, "verify")
		s.must(t, next, "verify", "--scope", "events:write", "--resource", "project=p2")
		late := s.at(testNow.Add(25 * time.Hour))
		r := late.run(t, key, "verify")
		if r.err == nil {
			t.Error("the old key works after the overlap")
		}
		wantText(t, r.log, "key_1 does not work: expired", "key_2")

		wantText(t, late.must(t, "", "revoke", "key_2").out, "key_2 is refused from 2026-06-02T13:00:00Z")
		late.must(t, "", "revoke", "key_2") // again does no harm
		if r := late.run(t, next, "verify"); r.err == nil || !strings.Contains(r.log, "revoked: since 2026-06-02T13:00:00Z") {
			t.Errorf("verify says %v", r.err)
		}
		if r := late.run(t, "", "rotate", "key_2"); r.err == nil || r.out != "" {
			t.Errorf("a revoked key was rotated: %q", r.out)
		}
	})
}

func TestCreateShowsTheKeyOnce(t *testing.T) {
	s := fileShell(t)
	r := s.must(t, "", "create", "--account", "acme")
	key := strings.TrimSuffix(r.out, "\n")
	if keysync.CheckKey([]byte(key)) != keysync.KeyWellFormed {
		t.Errorf("standard output is not a key: %q", r.out)
	}
	wantNone(t, r.log, key)
	wantText(t, r.log, "key ID   key_", "account  acme")

	if r := s.must(t, "", "create", "--account", "acme", "--quiet"); r.log != "" || strings.Count(r.out, "\n") != 1 {
		t.Errorf("--quiet writes %q and %q", r.out, r.log)
	}
	r = s.must(t, "", "create", "--account", "acme", "--json")
	var v struct {
		Key   string
		KeyID string `json:"key_id"`
		State string
	}
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.log != "" {
		t.Fatalf("--json writes %q, %v", r.log, err)
	}
	rec, err := s.store.Lookup(t.Context(), keysync.DigestOf([]byte(v.Key)))
	if err != nil || rec.KeyID != v.KeyID || v.State != "active" {
		t.Errorf("--json gives %q, %q, the record is %+v, %v", v.KeyID, v.State, rec, err)
	}
}

func TestTwoWritersLoseNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, s shell) {
		const each = 15
		var wg sync.WaitGroup
		var mu sync.Mutex
		keys := make(map[string]bool)
		for range 2 {
			wg.Go(func() {
				for range each {
					r := s.run(t, "", "create", "--account", "acme", "--quiet")
					if r.err != nil {
						t.Error(r.err)
					}
					mu.Lock()
					keys[strings.TrimSpace(r.out)] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if n := len(s.records(t)); n != 2*each || len(keys) != 2*each {
			t.Errorf("%d keys made, %d records", len(keys), n)
		}
		for key := range keys {
			s.must(t, key, "verify")
		}
	})
}

func TestList(t *testing.T) {
	everywhere(t, func(t *testing.T, s shell) {
		s.newKey(t, "key_live")
		s.newKey(t, "key_test", "--mode", "test")
		s.newKey(t, "key_env", "--env", "production")
		s.newKey(t, "key_later", "--not-before", "1h")
		s.newKey(t, "key_short", "--expires", "1h")
		s.newKey(t, "key_revoked")
		s.must(t, "", "revoke", "key_revoked")
		s.must(t, "", "create", "--account", "other", "--id", "key_other")
		s = s.at(testNow.Add(90 * time.Minute))
		s.newKey(t, "key_later2", "--not-before", "1h")
		for name, tt := range map[string]struct {
			flags []string
			want  string
		}{
			"account":       {[]string{"--account", "other"}, "key_other"},
			"mode":          {[]string{"--mode", "test"}, "key_test"},
			"env":           {[]string{"--env", "production"}, "key_env"},
			"active":        {[]string{"--state", "active", "--account", "acme", "--mode", "live"}, "key_env key_later key_live"},
			"expired":       {[]string{"--state", "expired"}, "key_short"},
			"revoked":       {[]string{"--state", "revoked"}, "key_revoked"},
			"not yet valid": {[]string{"--state", "not_yet_valid"}, "key_later2"},
			"none":          {[]string{"--env", "nowhere"}, ""},
		} {
			t.Run(name, func(t *testing.T) {
				want := make(map[string]bool)
				for id := range strings.FieldsSeq(tt.want) {
					want[id] = true
				}
				table, fromJSON := make(map[string]bool), make(map[string]bool)
				lines := strings.Split(s.must(t, "", append([]string{"list"}, tt.flags...)...).out, "\n")
				for _, line := range lines[1 : len(lines)-1] {
					table[strings.Fields(line)[0]] = true
				}
				for line := range strings.Lines(s.must(t, "", append([]string{"list", "--json"}, tt.flags...)...).out) {
					var v struct {
						KeyID string `json:"key_id"`
					}
					if err := json.Unmarshal([]byte(line), &v); err != nil {
						t.Fatal(err)
					}
					fromJSON[v.KeyID] = true
				}
				if d := cmp.Diff(want, table); d != "" {
					t.Error(d)
				}
				if d := cmp.Diff(want, fromJSON); d != "" {
					t.Error(d)
				}
			})
		}
	})
}

func TestShowDigest(t *testing.T) {
	s := fileShell(t)
	key := s.newKey(t, "key_1")
	digest := keysync.DigestOf([]byte(key)).String()
	for _, flags := range [][]string{nil, {"--json"}} {
		args := append([]string{"show", "key_1"}, flags...)
		wantNone(t, s.must(t, "", args...).all(), digest, key)
		wantText(t, s.must(t, "", append(args, "--digest")...).out, digest)
	}
}

func TestVerify(t *testing.T) {
	s := fileShell(t)
	key := s.newKey(t, "key_1", "--scope", "a", "--resource", "project=p1", "--not-before", "1h", "--expires", "3h")
	in := testNow.Add(2 * time.Hour)
	for name, tt := range map[string]struct {
		now    time.Time
		stdin  string
		flags  []string
		reason string
	}{
		"works":          {in, key, nil, ""},
		"CRLF":           {in, key + "\r\n", nil, ""},
		"all asked for":  {in, key, []string{"--scope", "a", "--resource", "project=p1"}, ""},
		"too early":      {testNow, key, nil, "not_yet_valid"},
		"too late":       {testNow.Add(3 * time.Hour), key, nil, "expired"},
		"damaged":        {in, key[:len(key)-1], nil, "damaged"},
		"unknown":        {in, "some-other-key-entirely", nil, "unknown"},
		"scope":          {in, key, []string{"--scope", "a", "--scope", "b"}, "scope"},
		"resource":       {in, key, []string{"--resource", "project=p2"}, "resource"},
		"other resource": {in, key, []string{"--resource", "env=p1"}, "resource"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.at(tt.now).run(t, tt.stdin, append([]string{"verify", "--json"}, tt.flags...)...)
			var v verdict
			if err := json.Unmarshal([]byte(r.out), &v); err != nil {
				t.Fatal(err)
			}
			if v.Reason != tt.reason || v.Works != (tt.reason == "") || (r.err == nil) != v.Works {
				t.Errorf("%+v, error %v", v, r.err)
			}
			wantNone(t, r.all(), strings.TrimSpace(tt.stdin))
		})
	}
	for name, stdin := range map[string]string{"none": "", "blank": " \n", "two": key + "\n" + key, "too long": strings.Repeat("x", 4097), "no object": "{", "no key in it": "{}", "not UTF-8": "\xff"} {
		if r := s.at(in).run(t, stdin, "verify"); r.err == nil || r.out != "" {
			t.Errorf("%s: %q", name, r.out)
		}
	}
}
