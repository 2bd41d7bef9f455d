package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

func TestFileStore(t *testing.T) {
	sourcetest.Stores(t, func(t *testing.T) keysync.Store {
		return NewStore(filepath.Join(t.TempDir(), "keys.json"))
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
	s := NewStore(link)
	sourcetest.MustCreate(t, s, sourcetest.Entry(1))
	var order []string
	for _, e := range sourcetest.Entries(t, s) {
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
{"digest":"` + keysync.DigestOf([]byte("secret of key_z")).String() + `","key_id":"key_z","mode":"live"},
{"digest":"` + keysync.DigestOf([]byte("secret of key_a")).String() + `","key_id":"key_a","mode":"live"},
{"digest":"` + sourcetest.Digest(1).String() + `","key_id":"key_1","account":"acme","mode":"live"}
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
	s := NewStore(path)
	if _, err := s.Create(t.Context(), sourcetest.Entry(1)); err == nil || !strings.Contains(err.Error(), `field "by"`) {
		t.Errorf("error %v", err)
	}
	if _, err := s.Lookup(t.Context(), sourcetest.Digest(1)); !errors.Is(err, keysync.ErrUnavailable) {
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
	s := NewStore(path)
	if _, err := s.Create(ctx, sourcetest.Entry(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that of the deadline", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	sourcetest.MustCreate(t, s, sourcetest.Entry(1))
}

const writerEnv = "KEYSYNC_TEST_WRITER"

// Writers in other processes, some of which are killed at their work, lose
// nothing of what they have finished, and readers never see half a file.
func TestFileStoreManyProcesses(t *testing.T) {
	if path := os.Getenv(writerEnv); path != "" {
		writeEntriesForever(path)
	}
	const stride = 1_000_000 // more entries than a process can write
	entries := drill.Size(40, 100)
	path := filepath.Join(t.TempDir(), "keys.json")
	sourcetest.MustCreate(t, NewStore(path), sourcetest.Entry(0))
	reader, err := open(path, zap.NewNop(), testPoll)
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
	s := NewStore(path)
	await.That(t, "entries of all", func() bool { return len(sourcetest.Entries(t, s)) > entries })
	perProcess := map[int]int{}
	last := map[int]int{}
	for _, e := range sourcetest.Entries(t, s) {
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
	await.That(t, "the reader has followed", func() bool { return reader.Len() > entries })
}

// writeEntriesForever is what the other processes do.
func writeEntriesForever(path string) {
	first, err := strconv.Atoi(os.Getenv(writerEnv + "_FIRST"))
	if err != nil {
		panic(err)
	}
	for i := first; ; i++ {
		if _, err := NewStore(path).Create(context.Background(), sourcetest.Entry(i)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Stdout.WriteString(".")
	}
}
