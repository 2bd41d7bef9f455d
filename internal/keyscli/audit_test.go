package keyscli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func TestAudit(t *testing.T) {
	everywhere(t, func(t *testing.T, s shell) {
		ago := func(days int) time.Time { return testNow.AddDate(0, 0, -days) }
		put := func(rec keysync.Record) {
			e := keysync.Entry{Digest: keysync.DigestOf([]byte(rec.KeyID)), Record: &rec}
			if _, err := s.store.Create(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		put(keysync.Record{KeyID: "key_good", CreatedAt: keysync.MomentOf(ago(365))})
		put(keysync.Record{KeyID: "key_gone", CreatedAt: keysync.MomentOf(ago(300)), ExpiresAt: keysync.MomentOf(ago(90))})
		put(keysync.Record{KeyID: "key_revoked", CreatedAt: keysync.MomentOf(ago(800)), RevokedAt: keysync.MomentOf(ago(400))})
		put(keysync.Record{KeyID: "key_undated"})
		r := s.must(t, "", "audit")
		if r.out != "" {
			t.Errorf("found %s", r.out)
		}
		wantText(t, r.log, "1 of 4 records have no created_at", "4 records, no problems")

		put(keysync.Record{KeyID: "key_old", Account: "acme", CreatedAt: keysync.MomentOf(ago(366))})
		put(keysync.Record{KeyID: "key_long_gone", CreatedAt: keysync.MomentOf(ago(300)), ExpiresAt: keysync.MomentOf(ago(91))})
		r = s.run(t, "", "audit", "--json")
		if r.err == nil {
			t.Error("exit code 0")
		}
		wantText(t, r.log, "2 problems in 6 records")
		got := make(map[string]string)
		for line := range strings.Lines(r.out) {
			var f finding
			if err := json.Unmarshal([]byte(line), &f); err != nil {
				t.Fatal(err)
			}
			got[f.KeyID] = f.Problem + " " + f.Detail
		}
		want := map[string]string{"key_old": "old created at 2025-05-31T12:00:00Z", "key_long_gone": "expired at 2026-03-02T12:00:00Z"}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		wantText(t, s.run(t, "", "audit").out, "PROBLEM", "old      key_old")
	})
}

func TestMalformedInVault(t *testing.T) {
	s, srv := vaultShell(t)
	s.newKey(t, "key_1")
	secret := oldKey(1)
	digest := keysync.DigestOf([]byte(secret)).String()
	srv.Write("secret/data/ingest/keys/"+digest[:2]+"/"+digest, map[string]any{"data": map[string]any{"key_id": "key_2", "mode": secret}})
	r := s.run(t, "", "audit")
	if r.err == nil {
		t.Error("exit code 0")
	}
	wantText(t, r.out, "malformed", digest, "mode")
	r = s.must(t, "", "list")
	wantText(t, r.out, "key_1")
	wantText(t, r.log, "1 records cannot be read")
	if r := s.run(t, secret, "verify"); r.err == nil || r.out != "" || !strings.Contains(r.log, "cannot tell") {
		t.Errorf("verify says %q", r.all())
	}
	wantNone(t, r.all(), secret)
}
