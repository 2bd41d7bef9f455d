package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestOne(t *testing.T) {
	const bad = "a\xff"
	for name, c := range map[string]struct {
		keys     []string // of locations 0, 1, …
		all, one string   // key, or error
	}{
		"none":           {nil, "missing", "missing"},
		"empty":          {[]string{""}, "missing", "missing"},
		"one":            {[]string{"a"}, "a", "a"},
		"same":           {[]string{"a", "a", "a"}, "a", "a"},
		"differ":         {[]string{"a", "a", "b"}, "conflict", "a"},
		"case differs":   {[]string{"a", "A"}, "conflict", "a"},
		"malformed":      {[]string{bad}, "malformed", "malformed"},
		"all malformed":  {[]string{bad, bad}, "malformed", "malformed"},
		"malformed last": {[]string{"a", bad}, "conflict", "a"},
		"first":          {[]string{bad, "a"}, "conflict", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			var s Set
			for i, key := range c.keys {
				s.add(fmt.Sprint(i), []byte(key))
			}
			for first, want := range map[bool]string{false: c.all, true: c.one} {
				if got := outcome(s.One(first)); got != want {
					t.Errorf("One(%t): got %s, want %s", first, got, want)
				}
			}
		})
	}
}

func outcome(f Found, err error) string {
	switch {
	case errors.Is(err, ErrMissing):
		return "missing"
	case errors.Is(err, ErrConflict):
		return "conflict"
	case err != nil:
		return err.Error()
	case f.Malformed:
		return "malformed"
	}
	return string(f.Key)
}

func TestValidKey(t *testing.T) {
	for name, c := range map[string]struct {
		key  string
		want bool
	}{
		"plain":         {"iak_live_0123456789", true},
		"spaces":        {"correct horse battery staple", true},
		"punctuation":   {"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", true},
		"UTF-8":         {"schlüssel\u0080🔑", true},
		"longest":       {strings.Repeat("x", MaxKey), true},
		"too long":      {strings.Repeat("x", MaxKey+1), false},
		"controls":      {"\x00a\tb\x1f\x7f", true},
		"invalid UTF-8": {"ab\xff", false},
		"surrogate":     {"\xed\xa0\x80", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := validKey([]byte(c.key)); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// TestSetStoresFew: a body of a million different keys must not fill memory.
func TestSetStoresFew(t *testing.T) {
	var body strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&body, `%c{"token":"key%d","apiKey":"key0"}`, "[,"[min(i, 1)], i)
	}
	body.WriteByte(']')
	s := new(Set)
	clean, err := newFinder(t, Options{Body: []string{"token", "apiKey"}}).JSON([]byte(body.String()), false, s)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := list(s.Found()), "body token=key0, body apiKey=key0, body token=key1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if want := "[{}" + strings.Repeat(",{}", 9_999) + "]"; string(clean) != want {
		t.Errorf("got %.50s…", clean)
	}
	if n := len(s.cuts); n != 10_000 {
		t.Errorf("%d cuts, want one a row", n)
	}
	if n := cap(s.arena.chunk); n > 1024 {
		t.Errorf("arena has %d bytes", n)
	}
	if !s.huge() {
		t.Error("10,000 cuts are kept in the pool")
	}
}

// TestReset: keys are overwritten where they were, in chunks left behind too.
func TestReset(t *testing.T) {
	s := GetSet()
	const canary = "iak_live_canary"
	var keys [][]byte
	for i := range 200 { // more than one chunk
		s.add(fmt.Sprint("location", i), []byte(canary+strings.Repeat(".", i)))
	}
	for _, f := range s.Found() {
		keys = append(keys, f.Key)
	}
	scratch := append(s.arena.room(20), canary...) // never kept
	if len(s.arena.full) == 0 || !bytes.HasPrefix(keys[0], []byte(canary)) {
		t.Fatal("the test tests nothing")
	}
	s.Reset()
	for i, k := range append(keys, scratch) {
		if len(bytes.Trim(k, "\x00")) > 0 {
			t.Errorf("key %d is still there: %q", i, k)
		}
	}
	if got := outcome(s.One(true)); got != "missing" {
		t.Error(got)
	}
	if f := s.found[:1][0]; f.Location != "" || f.Key != nil {
		t.Error("found credentials are held")
	}
	if s.arena.full = s.arena.full[:cap(s.arena.full)]; s.arena.full[0] != nil {
		t.Error("chunks are held")
	}
}

// TestKeysStay: a key stays as it was while more are added.
func TestKeysStay(t *testing.T) {
	s := new(Set)
	var want []string
	for i := range 200 {
		want = append(want, strings.Repeat(string(rune('a'+i%26)), 1+i))
		s.add(fmt.Sprint(i), []byte(want[i]))
		_ = append(s.arena.room(30), "scratch that is not kept......"...)
	}
	for i, f := range s.Found() {
		if string(f.Key) != want[i] {
			t.Errorf("%d: got %s", i, f.Key)
		}
		if cap(f.Key) != len(f.Key) {
			t.Errorf("%d: appending would overwrite the next key", i)
		}
	}
}

// TestNoSecretPrinted: whatever the verb.
func TestNoSecretPrinted(t *testing.T) {
	const canary = "iak_live_canary"
	s := new(Set)
	s.add("bearer", []byte(canary))
	for _, v := range []any{s.Found()[0], &s.Found()[0], s.Found(), s, struct{ F Found }{s.Found()[0]}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			out := fmt.Sprintf(verb, v)
			for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprint([]byte(canary)), "105 97 107"} {
				if strings.Contains(out, strings.Trim(form, "[]")) {
					t.Errorf("%s of %T: %s", verb, v, out)
				}
			}
		}
		out, err := json.Marshal(v)
		if err != nil || bytes.Contains(out, []byte("aWFr")) {
			t.Errorf("JSON of %T: %s, %v", v, out, err)
		}
	}
	if got := fmt.Sprint(s.Found()[0]); !strings.Contains(got, "bearer") {
		t.Errorf("location is missing: %s", got)
	}
}
