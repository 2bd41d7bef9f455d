package file

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestFileReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, keyFile("a"))
	f, err := open(path, zap.NewNop(), time.Hour) // the poll is not to help
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	opened := f.Status()
	if opened.Records != 1 || opened.Problem != "" || time.Since(opened.LoadedAt) > time.Minute {
		t.Errorf("%+v", opened)
	}
	write(t, path, keyFile("a", "b"))
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	if s := f.Status(); s.Records != 2 || !s.LoadedAt.After(opened.LoadedAt) || len(slices.Collect(f.Records())) != 2 {
		t.Errorf("%+v", s)
	}
	write(t, path, "{")
	if err := f.Reload(); err == nil || f.Status().Problem != err.Error() || f.Status().Records != 2 {
		t.Errorf("%v, %+v", err, f.Status())
	}
	write(t, path, keyFile("a"))
	if err := f.Reload(); err != nil || f.Status().Problem != "" || f.Status().Records != 1 {
		t.Errorf("%v, %+v", err, f.Status())
	}
}
