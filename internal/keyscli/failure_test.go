package keyscli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// outputs makes a command whose output can be looked at.
func outputs(t *testing.T) (cmd *cobra.Command, out, log *strings.Builder) {
	cmd, out, log = new(cobra.Command), new(strings.Builder), new(strings.Builder)
	cmd.SetOut(out)
	cmd.SetErr(log)
	cmd.SetContext(t.Context())
	return cmd, out, log
}

// failingCreate stores an entry or not, and says that it has failed.
type failingCreate struct {
	keysync.Store
	stores bool
}

func (s failingCreate) Create(ctx context.Context, entries ...keysync.Entry) ([]keysync.Digest, error) {
	if s.stores {
		if _, err := s.Store.Create(ctx, entries...); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("disk full")
}

// If storing fails, no key is handed out, and the advice names the ID of what may
// be left.
func TestCreateFails(t *testing.T) {
	for _, stores := range []bool{false, true} {
		t.Run(fmt.Sprintf("stored %v", stores), func(t *testing.T) {
			s := fileShell(t)
			cmd, out, log := outputs(t)
			c := &cli{now: func() time.Time { return testNow }}
			rec := &keysync.Record{KeyID: "key_1", Account: "acme"}
			err := c.make(t.Context(), cmd, failingCreate{s.store, stores}, rec, handout{})
			if err == nil || out.Len()+log.Len() > 0 {
				t.Fatalf("%v, output %q %q", err, out, log)
			}
			wantText(t, err.Error(), "disk full", "run the command again", "show key_1`), revoke it")
			wantNone(t, err.Error(), "iak_")
			if stores {
				s.must(t, "", "revoke", "key_1")
			}
			s.must(t, "", "create", "--account", "acme")
		})
	}
}

// closedPipe is a standard output that nobody reads.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestKeyIsLost(t *testing.T) {
	s := fileShell(t)
	cmd, _, _ := outputs(t)
	cmd.SetOut(closedPipe{})
	c := &cli{now: func() time.Time { return testNow }}
	err := c.make(t.Context(), cmd, s.store, &keysync.Record{KeyID: "key_1", Account: "acme"}, handout{})
	if err == nil || !strings.Contains(err.Error(), "revoke key_1 and make another") || strings.Contains(err.Error(), "iak_") {
		t.Errorf("error %v", err)
	}
}

// A rotation that fails half-way leaves the client with keys that work, and says
// how to complete it.
func TestRotateFails(t *testing.T) {
	s := fileShell(t)
	old := s.newKey(t, "key_1")
	entry, err := s.store.Find(t.Context(), "key_1")
	if err != nil {
		t.Fatal(err)
	}
	cmd, out, _ := outputs(t)
	r := rotation{old: entry, end: testNow.Add(time.Hour), now: testNow}
	err = r.run(t.Context(), cmd, brokenStore{s.store}, &keysync.Record{KeyID: "key_2", Account: "acme"}, handout{})
	if err == nil {
		t.Fatal("no error")
	}
	wantText(t, err.Error(), "disk full", "handed out", "`ingest-keys revoke key_1 --at 2026-06-01T13:00:00Z`")
	s.must(t, old, "verify")
	s.must(t, out.String(), "verify")
	s.must(t, "", "revoke", "key_1", "--at", "2026-06-01T13:00:00Z")
	s.at(testNow.Add(59*time.Minute)).must(t, old, "verify")
	if s.at(testNow.Add(time.Hour)).run(t, old, "verify").err == nil {
		t.Error("the old key does not end")
	}
}

// Of two rotations at once one hands out a key, and the other's is of no use.
func TestRotateTwice(t *testing.T) {
	everywhere(t, func(t *testing.T, s shell) {
		s.newKey(t, "key_1")
		stale, err := s.store.Find(t.Context(), "key_1")
		if err != nil {
			t.Fatal(err)
		}
		s.must(t, "", "rotate", "key_1", "--id", "key_2")
		cmd, out, log := outputs(t)
		r := rotation{old: stale, end: testNow.Add(time.Hour), now: testNow}
		err = r.run(t.Context(), cmd, s.store, &keysync.Record{KeyID: "key_3", Account: "acme"}, handout{})
		if !errors.Is(err, errRotated) || out.Len()+log.Len() > 0 {
			t.Errorf("%v, output %q %q", err, out, log)
		}
		records := s.records(t)
		if records["key_1"].Successor != "key_2" || records["key_2"].State(testNow) != keysync.StateActive || records["key_3"].State(testNow) != keysync.StateRevoked {
			t.Errorf("%+v", records)
		}
		again := s.run(t, "", "rotate", "key_1")
		if again.err == nil || again.out != "" || len(s.records(t)) != 3 {
			t.Errorf("rotated again: %q", again.all())
		}
	})
}

func TestSuccessor(t *testing.T) {
	hour := testNow.Add(time.Hour)
	for name, tt := range map[string]struct {
		old    keysync.Record
		expiry time.Time
		want   keysync.Record
		err    string
	}{
		"keeps expiry":       {old: keysync.Record{ExpiresAt: keysync.MomentOf(hour)}, want: keysync.Record{ExpiresAt: keysync.MomentOf(hour)}},
		"new expiry":         {old: keysync.Record{ExpiresAt: keysync.MomentOf(hour)}, expiry: hour.Add(time.Second), want: keysync.Record{ExpiresAt: keysync.MomentOf(hour.Add(time.Second))}},
		"expired":            {old: keysync.Record{ExpiresAt: keysync.MomentOf(testNow)}, err: "--expires"},
		"expired, renewed":   {old: keysync.Record{ExpiresAt: keysync.MomentOf(testNow)}, expiry: hour, want: keysync.Record{ExpiresAt: keysync.MomentOf(hour)}},
		"begins later":       {old: keysync.Record{NotBefore: keysync.MomentOf(hour)}, want: keysync.Record{NotBefore: keysync.MomentOf(hour)}},
		"has begun":          {old: keysync.Record{NotBefore: keysync.MomentOf(testNow)}, want: keysync.Record{}},
		"revoked":            {old: keysync.Record{RevokedAt: keysync.MomentOf(testNow)}, err: "create another"},
		"will be revoked":    {old: keysync.Record{RevokedAt: keysync.MomentOf(hour)}, want: keysync.Record{}},
		"has been succeeded": {old: keysync.Record{Successor: "key_2"}, err: "rotate that one"},
	} {
		t.Run(name, func(t *testing.T) {
			rec, err := successor(&tt.old, testNow, tt.expiry)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v", err)
				}
				return
			}
			tt.want.CreatedAt = keysync.MomentOf(testNow)
			if err != nil || rec.ExpiresAt != tt.want.ExpiresAt || rec.NotBefore != tt.want.NotBefore || rec.RevokedAt != 0 || rec.CreatedAt != keysync.MomentOf(testNow) {
				t.Errorf("%+v, %v", rec, err)
			}
		})
	}
}

func TestRevoke(t *testing.T) {
	s := fileShell(t)
	key := s.newKey(t, "key_1")
	s.must(t, "", "revoke", "key_1", "--at", "2h")
	s.must(t, "", "revoke", "key_1", "--at", "3h") // not yet over: may change
	s.at(testNow.Add(2*time.Hour)).must(t, key, "verify")
	late := s.at(testNow.Add(3 * time.Hour))
	if late.run(t, key, "verify").err == nil {
		t.Error("not revoked")
	}
	if r := late.run(t, "", "revoke", "key_1", "--at", "1h"); r.err == nil || !strings.Contains(r.log, "cannot be undone") {
		t.Errorf("a revocation was taken back: %v", r.err)
	}
	wantText(t, late.must(t, "", "revoke", "key_1").out, "from 2026-06-01T15:00:00Z")
}
