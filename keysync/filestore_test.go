package keysync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
)

func testEntry(i int) Entry {
	return Entry{Digest: testDigest(i), Record: &Record{KeyID: fmt.Sprintf("key_%d", i), Account: "acme", Mode: ModeLive}}
}

// storeTests are what every Store must do.
func storeTests(t *testing.T, open func(t *testing.T) Store) {
	for name, test := range map[string]func(t *testing.T, s Store){
		"create, look up, find, list":  storeCreates,
		"create what is there":         storeLeavesWhatIsThere,
		"key ID taken":                 storeRefusesTakenKeyID,
		"malformed record":             storeRefusesMalformedRecord,
		"update":                       storeUpdates,
		"writers at once lose nothing": storeTakesManyWriters,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func storeCreates(t *testing.T, s Store) {
	if got := collectEntries(t, s); len(got) != 0 {
		t.Errorf("a new store has %d entries", len(got))
	}
	var want []Entry
	for i := range 5 {
		want = append(want, testEntry(i))
	}
	existing, err := s.Create(t.Context(), want...)
	if len(existing) != 0 || err != nil {
		t.Fatalf("Create = %v, %v", existing, err)
	}
	if d := cmp.Diff(byDigest(want), byDigest(collectEntries(t, s))); d != "" {
		t.Errorf("list (-want +got)\n%s", d)
	}
	for _, e := range want {
		rec, err := s.Lookup(t.Context(), e.Digest)
		if d := cmp.Diff(e.Record, rec); d != "" || err != nil {
			t.Errorf("Lookup: %v\n%s", err, d)
		}
		found, err := s.Find(t.Context(), e.Record.KeyID)
		if d := cmp.Diff(e, found); d != "" || err != nil {
			t.Errorf("Find: %v\n%s", err, d)
		}
	}
	for _, id := range []string{"key_none", "", "../key_1", "ids/key_1"} {
		if _, err := s.Find(t.Context(), id); !errors.Is(err, ErrUnknown) {
			t.Errorf("Find(%q) = %v, want ErrUnknown", id, err)
		}
	}
	if _, err := s.Lookup(t.Context(), testDigest(99)); !errors.Is(err, ErrUnknown) {
		t.Errorf("Lookup of nothing = %v", err)
	}
}

func storeLeavesWhatIsThere(t *testing.T, s Store) {
	mustCreate(t, s, testEntry(1))
	changed := testEntry(1)
	changed.Record.Account = "other"
	existing, err := s.Create(t.Context(), changed, testEntry(2))
	if err != nil || len(existing) != 1 || existing[0] != testDigest(1) {
		t.Errorf("Create = %v, %v", existing, err)
	}
	if d := cmp.Diff(byDigest([]Entry{testEntry(1), testEntry(2)}), byDigest(collectEntries(t, s))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func storeRefusesTakenKeyID(t *testing.T, s Store) {
	mustCreate(t, s, testEntry(1))
	other := Entry{Digest: testDigest(2), Record: testEntry(1).Record}
	if _, err := s.Create(t.Context(), other); !errors.Is(err, ErrKeyIDTaken) {
		t.Errorf("error %v, want ErrKeyIDTaken", err)
	}
	if n := len(collectEntries(t, s)); n != 1 {
		t.Errorf("%d entries", n)
	}
}

func storeRefusesMalformedRecord(t *testing.T, s Store) {
	key, err := NewKey(ModeLive)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(t.Context(), Entry{Digest: testDigest(1), Record: &Record{KeyID: "key_1", Account: key}})
	if err == nil || strings.Contains(err.Error(), key) {
		t.Errorf("error %v", err)
	}
	if n := len(collectEntries(t, s)); n != 0 {
		t.Errorf("%d entries", n)
	}
}

func storeUpdates(t *testing.T, s Store) {
	mustCreate(t, s, testEntry(1), testEntry(2))
	revoked := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rec, err := s.Update(t.Context(), testDigest(1), func(r *Record) error {
		r.RevokedAt = MomentOf(revoked)
		return nil
	})
	if err != nil || rec.RevokedAt != MomentOf(revoked) {
		t.Fatalf("Update = %+v, %v", rec, err)
	}
	want := testEntry(1)
	want.Record.RevokedAt = MomentOf(revoked)
	if d := cmp.Diff(byDigest([]Entry{want, testEntry(2)}), byDigest(collectEntries(t, s))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	stop := errors.New("stop")
	for name, change := range map[string]func(*Record) error{
		"error":      func(r *Record) error { r.Account = "x"; return stop },
		"key ID":     func(r *Record) error { r.KeyID = "key_9"; return nil },
		"bad record": func(r *Record) error { r.Mode = "x"; return nil },
	} {
		if _, err := s.Update(t.Context(), testDigest(2), change); err == nil || name == "error" && !errors.Is(err, stop) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if d := cmp.Diff(byDigest([]Entry{want, testEntry(2)}), byDigest(collectEntries(t, s))); d != "" {
		t.Errorf("after failed updates (-want +got)\n%s", d)
	}
	if _, err := s.Update(t.Context(), testDigest(9), func(*Record) error { return nil }); !errors.Is(err, ErrUnknown) {
		t.Errorf("Update of nothing = %v", err)
	}
}

func storeTakesManyWriters(t *testing.T, s Store) {
	mustCreate(t, s, testEntry(0))
	var wg sync.WaitGroup
	const n = 8
	for i := range n {
		wg.Go(func() {
			if _, err := s.Create(t.Context(), testEntry(i+1)); err != nil {
				t.Error(err)
			}
			_, err := s.Update(t.Context(), testDigest(0), func(r *Record) error {
				r.Scopes = append(r.Scopes, fmt.Sprintf("s%d", i))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := byDigest(collectEntries(t, s))
	if len(got) != n+1 || len(got[testDigest(0)].Scopes) != n {
		t.Errorf("%d entries, scopes %v", len(got), got[testDigest(0)].Scopes)
	}
}

func mustCreate(t *testing.T, s Store, entries ...Entry) {
	t.Helper()
	if _, err := s.Create(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
}

func collectEntries(t *testing.T, s Store) (out []Entry) {
	t.Helper()
	for e, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func byDigest(entries []Entry) map[Digest]*Record {
	m := make(map[Digest]*Record)
	for _, e := range entries {
		m[e.Digest] = e.Record
	}
	return m
}

func TestFileStore(t *testing.T) {
	storeTests(t, func(t *testing.T) Store {
		return NewFileStore(filepath.Join(t.TempDir(), "keys.json"))
	})
}

// The file stays as people left it: order, place, permissions, and links to it.
func TestFileStoreKeepsTheFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	target, link := filepath.Join(dir, "real", "keys.json"), filepath.Join(dir, "keys.json")
	write(t, target, keyFile("key_z", "key_a"))
	if err := os.Chmod(target, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real/keys.json", link); err != nil {
		t.Fatal(err)
	}
	s := NewFileStore(link)
	mustCreate(t, s, testEntry(1))
	var order []string
	for _, e := range collectEntries(t, s) {
		order = append(order, e.Record.KeyID)
	}
	if d := cmp.Diff([]string{"key_z", "key_a", "key_1"}, order); d != "" {
		t.Error(d)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	content, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"keys":[
{"digest":"` + DigestOf([]byte("secret of key_z")).String() + `","key_id":"key_z","mode":"live"},
{"digest":"` + DigestOf([]byte("secret of key_a")).String() + `","key_id":"key_a","mode":"live"},
{"digest":"` + testDigest(1).String() + `","key_id":"key_1","account":"acme","mode":"live"}
]}
`
	if d := cmp.Diff(want, string(content)); d != "" {
		t.Error(d)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "*.new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// A file that cannot be read is left alone, also its bytes.
func TestFileStoreLeavesABrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	const broken = `{"keys":[],"by":"hand"}`
	write(t, path, broken)
	s := NewFileStore(path)
	if _, err := s.Create(t.Context(), testEntry(1)); err == nil || !strings.Contains(err.Error(), `field "by"`) {
		t.Errorf("error %v", err)
	}
	if _, err := s.Lookup(t.Context(), testDigest(1)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Lookup = %v", err)
	}
	for _, err := range s.List(t.Context()) {
		if err == nil {
			t.Error("listed")
		}
	}
	if b, err := os.ReadFile(path); string(b) != broken {
		t.Errorf("now %s, %v", b, err)
	}
}

func TestFileStoreWaitsForTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	unlock, err := lockFile(t.Context(), path+".lock")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s := NewFileStore(path)
	if _, err := s.Create(ctx, testEntry(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that of the deadline", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s, testEntry(1))
}

const writerEnv = "KEYSYNC_TEST_WRITER"

// Writers in other processes, some of which are killed at their work, lose
// nothing of what they have finished, and readers never see half a file.
func TestFileStoreManyProcesses(t *testing.T) {
	if path := os.Getenv(writerEnv); path != "" {
		writeEntriesForever(path)
	}
	const stride = 1_000_000 // more entries than a process can write
	path := filepath.Join(t.TempDir(), "keys.json")
	mustCreate(t, NewFileStore(path), testEntry(0))
	reader, err := openFile(path, zap.NewNop(), testPoll)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for process := range 6 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFileStoreManyProcesses$")
		cmd.Env = append(os.Environ(), writerEnv+"="+path, writerEnv+"_FIRST="+strconv.Itoa(1+process*stride))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		if process%2 == 1 {
			buf := make([]byte, 1)
			for range 5 + process {
				if _, err := out.Read(buf); err != nil { // one byte for every finished write
					t.Fatal(err)
				}
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := NewFileStore(path)
	eventually(t, "100 entries", func() bool { return len(collectEntries(t, s)) > 100 })
	perProcess := map[int]int{}
	last := map[int]int{}
	for _, e := range collectEntries(t, s) {
		n, err := strconv.Atoi(strings.TrimPrefix(e.Record.KeyID, "key_"))
		if err != nil {
			t.Fatal(err)
		}
		perProcess[n/stride]++
		last[n/stride] = max(last[n/stride], n%stride)
	}
	for p, n := range perProcess {
		if p == 0 {
			n-- // the first entry of all
		}
		if n != last[p] {
			t.Errorf("process %d wrote up to %d, %d are there", p, last[p], n)
		}
	}
	eventually(t, "the reader has followed", func() bool { return reader.Len() > 100 })
}

// writeEntriesForever is what the other processes do.
func writeEntriesForever(path string) {
	first, err := strconv.Atoi(os.Getenv(writerEnv + "_FIRST"))
	if err != nil {
		panic(err)
	}
	for i := first; ; i++ {
		if _, err := NewFileStore(path).Create(context.Background(), testEntry(i)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Stdout.WriteString(".")
	}
}
