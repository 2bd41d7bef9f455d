package keyscli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/file"
)

// oldKey is a key as other systems make them.
func oldKey(i int) string { return fmt.Sprintf("legacy-secret-%06d", i) }

func oldKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(oldKey(i) + "\n")
	}
	return b.String()
}

func TestImport(t *testing.T) {
	everywhere(t, func(t *testing.T, s shell) {
		ours, err := keysync.NewKey(keysync.ModeTest)
		if err != nil {
			t.Fatal(err)
		}
		stdin := strings.Join([]string{
			"\ufeff" + oldKey(1),
			oldKey(2) + "\r",
			`{"key":"` + oldKey(3) + `","key_id":"key_3","account":"other","scopes":["b"],"expires_at":"2027-01-01T00:00:00Z"}`,
			` {"key":"` + ours + `","mode":"test","created_at":"2020-01-01T00:00:00Z"}`,
			`{"key":"\u0073ecret-\"quoted\"-key"}`,
		}, "\n")
		r := s.must(t, stdin, "import", "--account", "acme", "--scope", "a", "--id-prefix", "old_")
		if r.out != "5 keys: 5 imported, 0 already existed\n" || r.log != "" {
			t.Errorf("%q, %q", r.out, r.log)
		}
		base := keysync.Record{Account: "acme", Mode: "live", Scopes: []string{"a"}, CreatedAt: keysync.MomentOf(testNow)}
		third, ourRec := base, base
		third.KeyID, third.Account, third.Scopes, third.ExpiresAt = "key_3", "other", []string{"b"}, keysync.MomentOf(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
		ourRec.Mode, ourRec.CreatedAt = "test", keysync.MomentOf(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
		for key, want := range map[string]keysync.Record{
			oldKey(1): base, oldKey(2): base, oldKey(3): third, ours: ourRec, `secret-"quoted"-key`: base,
		} {
			rec, err := s.store.Lookup(t.Context(), keysync.DigestOf([]byte(key)))
			if err != nil {
				t.Errorf("%s: %v", key, err)
				continue
			}
			if want.KeyID == "" && !strings.HasPrefix(rec.KeyID, "old_") || want.KeyID != "" && rec.KeyID != want.KeyID {
				t.Errorf("key ID %s", rec.KeyID)
			}
			if d := cmp.Diff(want, *rec, cmpopts.IgnoreFields(keysync.Record{}, "KeyID")); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		}
		before := s.records(t)
		r = s.must(t, oldKey(2)+"\n"+oldKey(9)+"\n", "import", "--account", "changed", "--json")
		var got imported
		if err := json.Unmarshal([]byte(r.out), &got); err != nil || got != (imported{Keys: 2, Imported: 1, Existing: 1}) {
			t.Errorf("%q, %v", r.out, err)
		}
		after := s.records(t)
		for id, rec := range before {
			if d := cmp.Diff(rec, after[id]); d != "" {
				t.Errorf("%s (-before +after)\n%s", id, d)
			}
		}
		if len(after) != len(before)+1 {
			t.Errorf("%d records, there were %d", len(after), len(before))
		}
	})
}

// What is wrong is refused with its line, before anything is stored, and shown
// nowhere.
func TestImportRefuses(t *testing.T) {
	ours, err := keysync.NewKey(keysync.ModeTest)
	if err != nil {
		t.Fatal(err)
	}
	secret := oldKey(7)
	object := func(rest string) string { return `{"key":"` + secret + `"` + rest + `}` }
	for name, tt := range map[string]struct{ line, want string }{
		"empty":            {"", "no key"},
		"same key":         {oldKey(1), "repeats the key of line 1"},
		"same key in JSON": {`{"key":"` + oldKey(1) + `"}`, "repeats the key of line 1"},
		"same key ID":      {object(`,"key_id":"key_1"`) + "\n" + `{"key":"` + oldKey(8) + `","key_id":"key_1"}`, "line 4: repeats the key_id of line 3"},
		"long":             {strings.Repeat("x", 4097), "more than 4096 bytes"},
		"long in bytes":    {strings.Repeat("é", 2049), "more than 4096 bytes"},
		"very long":        {strings.Repeat("x", 2<<20), "token too long"},
		"empty in JSON":    {`{"key":""}`, "no key"},
		"white space":      {secret + " acme", "several columns"},
		"tab":              {secret + "\tacme", "several columns"},
		"comma":            {secret + ",acme", "several columns"},
		"not UTF-8":        {secret + "\xff", "UTF-8"},
		"damaged":          {ours[:len(ours)-1], "checksum is wrong"},
		"mode":             {ours, "has another mode"},
		"half JSON":        {`{"key":"` + secret, "not valid JSON"},
		"two objects":      {object("") + object(""), "not valid JSON"},
		"no key":           {`{"account":"acme"}`, `"key" is missing`},
		"key not a string": {`{"key":1}`, "must be a string"},
		"key twice":        {object(`,"key":"` + oldKey(8) + `"`), "given twice"},
		"unknown field":    {object(`,"colour":"red"`), "colour is not a field"},
		"bad field":        {object(`,"mode":"x"`), "mode must be live or test"},
		"null":             {object(`,"scopes":null`), "scopes must be an array"},
		"time null twice":  {object(`,"expires_at":null,"expires_at":null`), "given twice"},
		"digest":           {object(`,"digest":"` + keysync.DigestOf([]byte("x")).String() + `"`), "digest is not a field"},
		"key in record":    {object(`,"env":"` + secret + `"`), "contains the key"},
		"no account":       {object(`,"account":""`), "account must have 1 to"},
	} {
		t.Run(name, func(t *testing.T) {
			s := fileShell(t)
			r := s.run(t, oldKey(1)+"\n"+oldKey(2)+"\n"+tt.line+"\n"+oldKey(3)+"\n", "import", "--account", "acme")
			if r.err == nil || r.out != "" {
				t.Fatalf("%q, %v", r.out, r.err)
			}
			wantText(t, r.log, tt.want, "nothing has been stored")
			if !strings.Contains(tt.want, "line 4") {
				wantText(t, r.log, "line 3: ")
			}
			wantNone(t, r.all(), "legacy-secret", ours, ours[:len(ours)-1], "xxxx", "éééé")
			if n := len(s.records(t)); n != 0 {
				t.Errorf("%d records", n)
			}
		})
	}
	s := fileShell(t)
	for name, tt := range map[string]struct {
		stdin, want string
		flags       []string
	}{
		"nothing":     {"", "standard input has none", []string{"--account", "acme"}},
		"no account":  {oldKey(1), "line 1: no account", nil},
		"bad flags":   {oldKey(1), "the flags do not make a usable record: mode must", []string{"--mode", "x"}},
		"bad prefix":  {oldKey(1), "the flags do not make a usable record: key_id must", []string{"--id-prefix", "a b"}},
		"ID is taken": {`{"key":"` + oldKey(1) + `","key_id":"key_taken"}`, "give it another key_id", []string{"--account", "acme"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "ID is taken" {
				s.newKey(t, "key_taken")
			}
			r := s.run(t, tt.stdin, append([]string{"import"}, tt.flags...)...)
			if r.err == nil {
				t.Fatal("no error")
			}
			wantText(t, r.log, tt.want)
			wantNone(t, r.all(), "legacy-secret")
		})
	}
}

// Whatever a gate can take for a key can be imported, and verified: 1 to 4,096 bytes of UTF-8,
// control characters and line ends included. The digest is that of the decoded text.
func TestImportAnyKey(t *testing.T) {
	everywhere(t, func(t *testing.T, s shell) {
		for name, key := range map[string]string{
			"one character": "k", "NUL": "\x00", "line ends": "first\r\nsecond\n", "white space around": " \tk ",
			"blank": "  ", "every control character": allControls(), "columns": "a|b,c;d", "object": `{"key":"x"}`,
			"4,096 bytes": strings.Repeat("é", 2048), "as an account": "acme", "as a field": "account", "escapes": `\n\u0000"`,
			"beyond the BMP": "🔑", "replacement character": "\ufffd",
		} {
			t.Run(name, func(t *testing.T) {
				line, err := json.Marshal(map[string]string{"key": key})
				if err != nil {
					t.Fatal(err)
				}
				s.must(t, string(line), "import", "--account", "acme")
				if _, err := s.store.Lookup(t.Context(), keysync.DigestOf([]byte(key))); err != nil {
					t.Error(err)
				}
				s.must(t, string(line), "verify")
			})
		}
		// As it is where no line, column or object can be meant.
		for _, key := range []string{"p", "plain\x01\x7f", "\x00plain"} {
			s.must(t, key+"\n", "import", "--account", "acme")
			s.must(t, key+"\n", "verify")
		}
	})
}

func allControls() string {
	var b strings.Builder
	for c := range rune(0xa0) {
		if unicode.IsControl(c) {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// Keys that can be guessed are imported, and told of by their lines.
func TestImportWarnsOfShortKeys(t *testing.T) {
	s := fileShell(t)
	stdin := strings.Join([]string{oldKey(1), "fifteen-letters", `{"key":"sixteen-letters!"}`, `{"key":"éééééééé"}`}, "\n")
	r := s.must(t, stdin, "import", "--account", "acme")
	if r.out != "4 keys: 4 imported, 0 already existed\n" || !strings.HasPrefix(r.log, "Warning: keys with fewer than 16 characters could be guessed: 2, the first") {
		t.Errorf("%q, %q", r.out, r.log)
	}
	wantText(t, r.log, "the first is in line 2.")
	wantNone(t, r.all(), "fifteen-letters", "éé")
	if r := s.must(t, oldKey(2), "import", "--account", "acme"); r.log != "" {
		t.Errorf("%q", r.log)
	}
}

// A time that is null in a line is not said by it, so the flag's counts.
func TestImportTimeNull(t *testing.T) {
	s := fileShell(t)
	line := `{"key":"` + oldKey(1) + `","key_id":"key_1","created_at":null,"not_before":null,"expires_at":null,"revoked_at":null}`
	s.must(t, line, "import", "--account", "acme", "--expires", "2027-01-31t00:00:00z")
	line = `{"key":"` + oldKey(2) + `","key_id":"key_2","expires_at":null,"created_at":"2020-01-01t00:00:00z"}`
	s.must(t, line, "import", "--account", "acme")
	base := keysync.Record{Account: "acme", Mode: "live"}
	first, second := base, base
	first.KeyID, first.CreatedAt, first.ExpiresAt = "key_1", keysync.MomentOf(testNow), keysync.MomentOf(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC))
	second.KeyID, second.CreatedAt = "key_2", keysync.MomentOf(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	if d := cmp.Diff(map[string]*keysync.Record{"key_1": &first, "key_2": &second}, s.records(t)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// stoppingStore ends an import after some pieces, before or after it writes.
type stoppingStore struct {
	keysync.Store
	pieces int
	stop   func()
	most   int // entries given to one Create
}

func (s *stoppingStore) Create(ctx context.Context, entries ...keysync.Entry) ([]keysync.Digest, error) {
	s.most = max(s.most, len(entries))
	if s.pieces--; s.pieces < 0 {
		s.stop()
		// Some of the piece is stored, as when Vault fails half-way.
		if _, err := s.Store.Create(context.WithoutCancel(ctx), entries[:len(entries)/2]...); err != nil {
			return nil, err
		}
		return nil, ctx.Err()
	}
	return s.Store.Create(ctx, entries...)
}

func TestImportGoesOn(t *testing.T) {
	everywhere(t, func(t *testing.T, s shell) {
		size := drill.Size(40, pieceSize)
		n := 2*size + size/2
		in, err := readKeys(strings.NewReader(oldKeys(n)), &keysync.Record{Account: "acme", CreatedAt: keysync.MomentOf(testNow)}, "old_")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		store := &stoppingStore{Store: s.store, pieces: 1, stop: cancel}
		if _, ok := s.store.(*file.Store); ok {
			// Asking a file for each key takes too long behind a wrapper.
			store.Store = allNew{s.store}
		}
		done, err := importAll(ctx, store, in.entries, size, new(progress))
		if err == nil || !strings.Contains(err.Error(), "interrupted. Run the command again") {
			t.Fatalf("error %v", err)
		}
		if done.Imported != size || store.most > size {
			t.Errorf("%+v, pieces of %d", done, store.most)
		}
		first := s.records(t)
		r := s.must(t, oldKeys(n), "import", "--account", "acme")
		if want := fmt.Sprintf("%d keys: %d imported, %d already existed\n", n, n-len(first), len(first)); len(first) != size+size/2 || r.out != want {
			t.Errorf("%q, want %q", r.out, want)
		}
		all := s.records(t)
		if len(all) != n {
			t.Errorf("%d records", len(all))
		}
		for id := range first {
			if all[id] == nil {
				t.Errorf("%s is gone", id)
			}
		}
	})
}

// allNew knows nothing: all keys are new.
type allNew struct{ keysync.Store }

func (allNew) Lookup(context.Context, keysync.Digest) (*keysync.Record, error) {
	return nil, keysync.ErrUnknown
}

// An outage is not taken for a key that is not there.
func TestImportOutage(t *testing.T) {
	s := fileShell(t)
	in, err := readKeys(strings.NewReader(oldKey(1)), &keysync.Record{Account: "acme"}, "old_")
	if err != nil {
		t.Fatal(err)
	}
	done, err := importAll(t.Context(), brokenStore{s.store}, in.entries, pieceSize, new(progress))
	if !errors.Is(err, keysync.ErrUnavailable) || done != (imported{Keys: 1}) || len(s.records(t)) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

// brokenStore cannot be read or updated.
type brokenStore struct{ keysync.Store }

func (brokenStore) Lookup(context.Context, keysync.Digest) (*keysync.Record, error) {
	return nil, fmt.Errorf("%w: down", keysync.ErrUnavailable)
}

func (brokenStore) Update(context.Context, keysync.Digest, func(*keysync.Record) error) (*keysync.Record, error) {
	return nil, errors.New("disk full")
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b, 5000)
	p.show(1000)
	p.end()
	if b.Len() > 0 {
		t.Errorf("not a terminal, and %q", b.String())
	}
	p = &progress{w: &b, total: 5000}
	p.show(1000)
	p.show(5000)
	p.end()
	if want := "\r1000 of 5000 keys (20 %)\r5000 of 5000 keys (100 %)\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

func BenchmarkImportFile(b *testing.B) {
	const n = 100_000
	keys := oldKeys(n)
	for b.Loop() {
		path := b.TempDir() + "/keys.json"
		r := execute(b.Context(), testNow, strings.NewReader(keys), "import", "--file", path, "--account", "acme", "--scope", "events:write")
		if r.err != nil {
			b.Fatal(r.err)
		}
	}
}

// Importing again leaves no index of a key ID that no record has.
func TestImportLeavesNoIndexes(t *testing.T) {
	s, srv := vaultShell(t)
	for range 2 {
		s.must(t, oldKeys(5), "import", "--account", "acme")
	}
	list, err := srv.Client().Logical().List("secret/metadata/ingest/keys/ids")
	if err != nil {
		t.Fatal(err)
	}
	if ids, _ := list.Data["keys"].([]any); len(ids) != 5 {
		t.Errorf("%d indexes for 5 keys", len(ids))
	}
}
