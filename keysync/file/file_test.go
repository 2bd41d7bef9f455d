package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

const testPoll = 2 * time.Millisecond

// keyFile returns a key file with one record per key ID; the keys are "secret of
// <key ID>".
func keyFile(keyIDs ...string) string {
	var items []string
	for _, id := range keyIDs {
		items = append(items, fmt.Sprintf(`{"digest":"%s","key_id":"%s"}`, keysync.DigestOf([]byte("secret of "+id)), id))
	}
	return "{\"keys\":[\n" + strings.Join(items, ",\n") + "\n]}\n"
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace renames a new file into place, so that nobody sees half of it.
func replace(t *testing.T, path, content string) {
	t.Helper()
	write(t, path+".new", content)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func openTestFile(t *testing.T, path string) (*Source, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	f, err := open(path, zap.New(core), testPoll)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, logs
}

func has(f *Source, id string) bool {
	rec, err := f.Lookup(context.Background(), keysync.DigestOf([]byte("secret of "+id)))
	return err == nil && rec.KeyID == id
}

func TestFileLookup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, keyFile("key_a", "key_b"))
	f, _ := openTestFile(t, path)
	if f.Len() != 2 || !has(f, "key_a") || !has(f, "key_b") {
		t.Errorf("not all keys are there")
	}
	rec, err := f.Lookup(context.Background(), keysync.DigestOf([]byte("secret of nobody")))
	if rec != nil || !errors.Is(err, keysync.ErrUnknown) || errors.Is(err, keysync.ErrUnavailable) {
		t.Errorf("Lookup of an unknown digest = %v, %v", rec, err)
	}
	d := keysync.DigestOf([]byte("secret of key_a"))
	if !f.Knows(d) || f.Knows(keysync.DigestOf([]byte("secret of nobody"))) {
		t.Error("it knows something else than what is in the file")
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = f.Lookup(context.Background(), d) }); n != 0 {
		t.Errorf("Lookup makes %v allocations", n)
	}
}

func TestFileFollowsChanges(t *testing.T) {
	type change func(t *testing.T, dir, content string)
	inPlace := func(t *testing.T, dir, content string) { write(t, filepath.Join(dir, "keys.json"), content) }
	rename := func(t *testing.T, dir, content string) {
		write(t, filepath.Join(dir, "new"), content)
		if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "keys.json")); err != nil {
			t.Fatal(err)
		}
	}
	// As the kubelet does it: keys.json → ..data/keys.json, ..data → a folder of
	// its own for every version, changed by renaming a new link over ..data.
	version := 0
	kubernetes := func(t *testing.T, dir, content string) {
		version++
		folder := fmt.Sprintf("..version_%d", version)
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, folder, "keys.json"), content)
		if err := os.Symlink(folder, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		err := os.Symlink("..data/keys.json", filepath.Join(dir, "keys.json"))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
	removeFirst := func(t *testing.T, dir, content string) {
		_ = os.Remove(filepath.Join(dir, "keys.json"))
		inPlace(t, dir, content)
	}
	// Same size, same modification time: only the inode's change time differs.
	backdated := func(t *testing.T, dir, content string) {
		inPlace(t, dir, content)
		old := time.Now().Add(-time.Hour).Truncate(time.Hour)
		if err := os.Chtimes(filepath.Join(dir, "keys.json"), old, old); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]change{
		"in place": inPlace, "rename": rename, "kubernetes": kubernetes, "remove and create": removeFirst, "back-dated": backdated,
	} {
		t.Run(name, func(t *testing.T) {
			if name == "back-dated" && runtime.GOOS != "linux" {
				t.Skip("change times are looked at on Linux only")
			}
			dir := t.TempDir()
			change(t, dir, keyFile("key_a"))
			f, logs := openTestFile(t, filepath.Join(dir, "keys.json"))
			if !has(f, "key_a") {
				t.Fatal("first content is not there")
			}
			for _, id := range []string{"key_b", "key_c", "key_d"} {
				change(t, dir, keyFile(id))
				await.That(t, "new content is used", func() bool { return has(f, id) })
				if f.Len() != 1 {
					t.Errorf("%d keys, want 1", f.Len())
				}
			}
			if name == "rename" || name == "kubernetes" {
				if n := logs.FilterLevelExact(zapcore.ErrorLevel).Len(); n != 0 {
					t.Errorf("%d errors logged: %v", n, logs.All())
				}
			}
		})
	}
}

func TestFileKeepsTheLastGoodContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, keyFile("key_a"))
	f, logs := openTestFile(t, path)
	errorLogs := func() []observer.LoggedEntry { return logs.FilterLevelExact(zapcore.ErrorLevel).All() }

	steps := []struct {
		name   string
		change func()
		want   map[string]any
	}{
		{"broken", func() { replace(t, path, "{\"keys\":[\n{\"digest\":\"00\"}]}") }, map[string]any{"line": int64(2), "field": "digest"}},
		{"broken again, with the same message", func() { replace(t, path, "{\"keys\":[\n{\"digest\":\"000\"}]}") }, map[string]any{"line": int64(2)}},
		{"removed", func() { _ = os.Remove(path) }, map[string]any{"file": path}},
		{"a folder", func() { _ = os.Mkdir(path, 0o700) }, map[string]any{"file": path}},
	}
	for i, step := range steps {
		step.change()
		await.That(t, step.name, func() bool { return len(errorLogs()) > i })
		for field, want := range step.want {
			if got := errorLogs()[i].ContextMap()[field]; got != want {
				t.Errorf("%s: log field %s is %v, want %v", step.name, field, got, want)
			}
		}
		if !has(f, "key_a") {
			t.Fatalf("%s: the last good content is gone", step.name)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, keyFile("key_a", "key_b"))
	await.That(t, "good content is used again", func() bool { return has(f, "key_b") })
	await.That(t, "that is logged", func() bool { return logs.FilterMessage("loaded key file").Len() == 1 })
	for _, e := range logs.All() {
		if strings.Contains(fmt.Sprint(e.ContextMap()), "secret") {
			t.Errorf("log holds a key: %v", e)
		}
	}
}

// A file that has not changed is not loaded again, and not complained about again.
func TestFileComplainsOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, keyFile("key_a"))
	core, logs := observer.New(zapcore.InfoLevel)
	f := newSource(path, zap.New(core))
	f.table.Store(&table{})
	write(t, path, "{")
	for range 5 {
		f.check()
	}
	if n := logs.Len(); n != 1 {
		t.Errorf("%d log entries for one broken content, want 1", n)
	}
	write(t, path, keyFile("key_a"))
	for range 5 {
		f.check()
	}
	if n := logs.Len(); n != 2 {
		t.Errorf("%d log entries after a good content, want 2", n)
	}
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	f.check()
	before := f.table.Load()
	f.check()
	if f.table.Load() != before {
		t.Error("an old file that did not change was loaded again")
	}
}

// However often a file is looked at, and whatever happens to its times, its records are
// read once for every content: a table that stays the same has not been read again.
func TestFileIsReadOnceForEveryContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, keyFile("key_a"))
	core, logs := observer.New(zapcore.InfoLevel)
	f, err := open(path, zap.New(core), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	old := time.Now().Add(-time.Hour)
	broken := keyFile("key_c", "key_c") + strings.Repeat(" ", 1<<20) // not read to its end
	for _, step := range []struct {
		name   string
		change func()
		reads  int // of good records
	}{
		{"just written, looked at again", func() {}, 0},
		{"another content of the same size", func() { replace(t, path, keyFile("key_b")) }, 1},
		{"looked at again", func() {}, 0},
		{"another size", func() { replace(t, path, keyFile("key_a", "key_b")) }, 1},
		{"another size in place", func() { write(t, path, keyFile("key_b")) }, 1},
		{"other times", func() { _ = os.Chtimes(path, old, old) }, 0},
		{"the same content in another file", func() { replace(t, path, keyFile("key_b")) }, 0},
		{"broken", func() { replace(t, path, broken) }, 0},
		{"the same broken content in another file", func() { replace(t, path, broken) }, 0},
		{"good again", func() { replace(t, path, keyFile("key_b")) }, 1},
		{"gone", func() { _ = os.Remove(path) }, 0},
		{"back", func() { replace(t, path, keyFile("key_b")) }, 1},
		{"empty", func() { replace(t, path, "") }, 0},
		{"gone again", func() { _ = os.Remove(path) }, 0},
		{"back and empty", func() { replace(t, path, "") }, 0},
		{"good in the end", func() { replace(t, path, keyFile("key_b")) }, 1},
		{"asked to read it", func() { _ = f.Reload() }, 1},
	} {
		before, reads := f.table.Load(), 0
		step.change()
		for range 3 {
			if now := f.table.Load(); now != before {
				before, reads = now, reads+1
			}
			f.check()
		}
		if now := f.table.Load(); now != before {
			reads++
		}
		if reads != step.reads {
			t.Errorf("%s: the records were read %d times, want %d", step.name, reads, step.reads)
		}
	}
	if p := f.Status().Problem; p != "" || !has(f, "key_b") || f.Len() != 1 {
		t.Errorf("%d keys, problem %q", f.Len(), p)
	}
	if n := logs.FilterLevelExact(zapcore.ErrorLevel).Len(); n != 5 {
		t.Errorf("%d errors logged, want 5: one for each broken content and each time the file was gone", n)
	}
}

// A large file takes seconds to read. Whoever asks for the state meanwhile, such as a probe of
// readiness, does not wait for that.
func TestFileStatusDoesNotWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, keyFile("key_a"))
	f, _ := openTestFile(t, path)
	f.reading.Lock() // as while it is read
	got := make(chan keysync.Status, 1)
	go func() { got <- f.Status() }()
	select {
	case s := <-got:
		if s.Records != 1 {
			t.Errorf("%+v", s)
		}
	case <-time.After(10 * time.Second):
		t.Error("the state was not told")
	}
	f.reading.Unlock()
}

func TestOpenFileErrors(t *testing.T) {
	digest := strings.Repeat("0", 64)
	rec := func(fields string) string { return `{"digest":"` + digest + `",` + fields + `}` }
	tests := []struct{ name, content, want string }{
		{"empty", "", `line 1: is not valid JSON: unexpected EOF`},
		{"an array", "\n[]", `line 2: a key file must be an object`},
		{"nothing", "\n{}", `line 2, field "keys": is missing`},
		{"keys is null", `{"keys":null}`, `line 1, field "keys": must be an array of records`},
		{"keys is an object", `{"keys":{}}`, `line 1, field "keys": must be an array of records`},
		{"other member first", "{\n\"version\":1,\"keys\":[]}", `line 2, field "version": is not a field of a record`},
		{"other member last", "{\"keys\":[]\n,\"version\":1}", `line 2, field "version": is not a field of a record`},
		{"a key as a member", `{"iak_live_x":1}`, `line 1: a field name looks like a plaintext key; store its digest: printf %s "$KEY" | sha256sum`},
		{"keys twice", "{\"keys\":[],\n\"keys\":[]}", `line 2, field "keys": is given twice`},
		{"data after it", "{\"keys\":[]}\n{}", `line 2: the file has more text after the end of its object`},
		{"text after it", "{\"keys\":[]}\nx", `line 2: the file has more text after the end of its object`},
		{"cut off in the array", "{\"keys\":[\n" + rec(`"key_id":"a"`), `line 2: is not valid JSON: unexpected EOF`},
		{"cut off in a record", "{\"keys\":[\n{\"digest\":\n", `line 3: is not valid JSON: unexpected EOF`},
		{"comma too many", "{\"keys\":[\n" + rec(`"key_id":"a"`) + ",\n]}", `line 3: is not valid JSON: invalid character ']' looking for beginning of value`},
		{"comma missing", "{\"keys\":[\n" + rec(`"key_id":"a"`) + "\n{}]}", `line 3: is not valid JSON: expected comma after array element`},
		{"broken record", "{\"keys\":[\n" + rec("\"key_id\":\n\"a\",,") + "]}", `line 3: is not valid JSON: invalid character ',' looking for beginning of object key string`},
		{"second record broken", "{\"keys\":[\n" + rec(`"key_id":"a"`) + ",\n{\n\"digest\":]", `line 4: is not valid JSON: invalid character ']' looking for beginning of value`},
		{"record is a string", "{\"keys\":[\n\"abc\"]}", `line 2: a record must be an object`},
		{"no digest", "{\"keys\":[\n\n{\"key_id\":\"a\"}]}", `line 3, field "digest": is missing`},
		{"no key ID", "{\"keys\":[\n{\"digest\":\"" + digest + "\"}]}", `line 2, field "key_id": is missing`},
		{"upper-case digest", "{\"keys\":[\n{\"digest\":\"" + strings.Repeat("A", 64) + "\",\"key_id\":\"a\"}]}", `line 2, field "digest": must be the SHA-256 of the key in 64 lower-case hex digits`},
		{"key as digest", "{\"keys\":[\n{\"digest\":\"iak_live_x\"}]}", `line 2, field "digest": looks like a plaintext key; store its digest: printf %s "$KEY" | sha256sum`},
		{"key beside digest", "{\"keys\":[\n{\"digest\":\"" + digest + "\",\n\"key\":\"abc\"}]}", `line 3, field "key": looks like a plaintext key; store its digest: printf %s "$KEY" | sha256sum`},
		{"digest twice", "{\"keys\":[\n" + rec(`"key_id":"a"`) + ",\n" + rec(`"key_id":"b"`) + "]}", `line 3, field "digest": is given twice in the file`},
		{"key ID twice", "{\"keys\":[\n" + rec(`"key_id":"a"`) + ",\n" + strings.Replace(rec(`"key_id":"a"`), "00", "11", 1) + "]}", `line 3, field "key_id": is given twice in the file`},
		{"field on a later line", "{\"keys\":[\n" + rec("\n\"key_id\":\"a\",\n\"mode\":\"x\"") + "]}", `line 4, field "mode": must be live or test`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys.json")
			write(t, path, tt.content)
			f, err := Open(path, zap.NewNop())
			if err == nil {
				_ = f.Close()
				t.Fatal("accepted")
			}
			if want := "reading key file " + path + ": " + tt.want; err.Error() != want {
				t.Errorf("error\n%s\nwant\n%s", err, want)
			}
		})
	}
}

func TestOpenFileRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir:                        "it is not a regular file",
		filepath.Join(dir, "none"): "no such file or directory",
	} {
		f, err := Open(path, zap.NewNop())
		if err == nil {
			_ = f.Close()
			t.Fatal("accepted")
		}
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("error = %v", err)
		}
	}
}

// Lines are counted right however the file arrives in pieces.
func TestLinesOfLongFiles(t *testing.T) {
	var b strings.Builder
	b.WriteString("{\"keys\":[")
	for i := range 3000 {
		fmt.Fprintf(&b, "\n{\"digest\":\"%s\",\n\"key_id\":\"key_%d\"},", keysync.DigestOf(fmt.Append(nil, i)), i)
	}
	good := b.String()
	_, notADigest := keysync.ParseDigest("x")
	for name, tt := range map[string]struct{ end, want string }{
		"field":  {"\n{\"digest\":\n\"x\"}]}", "line 6003, field \"digest\": " + notADigest.Error()},
		"syntax": {"\n\n,", "line 6003: is not valid JSON: invalid character ',' looking for beginning of value"},
	} {
		for reader, wrap := range map[string]func(io.Reader) io.Reader{"half": iotest.HalfReader, "data with EOF": iotest.DataErrReader} {
			_, err := readTable(wrap(strings.NewReader(good + tt.end)))
			if err == nil || err.Error() != tt.want {
				t.Errorf("%s, %s: error = %v, want %s", name, reader, err, tt.want)
			}
		}
	}
	_, err := readTable(io.MultiReader(strings.NewReader(good), iotest.ErrReader(os.ErrPermission)))
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("a read error came back as %v", err)
	}
}

// manyRecords writes n records as a provider with many accounts would.
func manyRecords(w io.Writer, n int) {
	fmt.Fprint(w, `{"keys":[`)
	for i := range n {
		if i > 0 {
			fmt.Fprint(w, ",\n")
		}
		fmt.Fprintf(w, `{"digest":"%s","key_id":"key_%016d","account":"acct_%06d","env":"production",`+
			`"scopes":["events:write","events:read"],"resources":{"project":["proj_%d"]},"limits":{"key":"1000/1m"},`+
			`"created_at":"2026-01-02T03:04:05Z","expires_at":"2027-01-02T03:04:05Z"}`, keysync.DigestOf(fmt.Append(nil, i)), i, i/50, i/50)
	}
	fmt.Fprint(w, `]}`)
}

func TestFileMemoryPerKey(t *testing.T) {
	const n = 10_000
	r, w := io.Pipe()
	go func() {
		manyRecords(w, n)
		w.Close()
	}()
	before := sourcetest.Heap()
	got, err := readTable(r)
	if err != nil {
		t.Fatal(err)
	}
	per := float64(sourcetest.Heap()-before) / float64(n)
	t.Logf("%.0f bytes per key with %d keys", per, n)
	if len(got) != n || per > 400 {
		t.Errorf("%d keys of %.0f bytes, want %d of at most 400", len(got), per, n)
	}
}

func BenchmarkReadTable(b *testing.B) {
	var s strings.Builder
	manyRecords(&s, 10_000)
	b.SetBytes(int64(s.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readTable(strings.NewReader(s.String())); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFileLookup(b *testing.B) {
	r, w := io.Pipe()
	go func() {
		manyRecords(w, 100_000)
		w.Close()
	}()
	t, err := readTable(r)
	if err != nil {
		b.Fatal(err)
	}
	f := &Source{}
	f.table.Store(&t)
	d, ctx := keysync.DigestOf([]byte("5000")), context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Lookup(ctx, d); err != nil {
			b.Fatal(err)
		}
	}
}
