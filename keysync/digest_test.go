package keysync

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// The digest must be the one that the shell command in our messages gives.
func TestDigestIsSHA256(t *testing.T) {
	// FIPS 180-2, appendix B.1, and the empty message.
	for key, want := range map[string]string{
		"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"":    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	} {
		if got := DigestOf([]byte(key)).String(); got != want {
			t.Errorf("DigestOf(%q) = %s, want %s", key, got, want)
		}
	}
	sum, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("no sha256sum here")
	}
	cmd := exec.Command(sum)
	cmd.Stdin = strings.NewReader("some key")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := DigestOf([]byte("some key")).String(); got != string(bytes.Fields(out)[0]) {
		t.Errorf("DigestOf = %s, sha256sum says %s", got, out)
	}
}

func TestParseDigest(t *testing.T) {
	good := DigestOf([]byte("k")).String()
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"its own form", good, true},
		{"zero", strings.Repeat("0", 64), true},
		{"all letters and digits", "0123456789abcdef" + strings.Repeat("f", 48), true},
		{"empty", "", false},
		{"upper case", strings.ToUpper(good), false},
		{"one short", good[1:], false},
		{"one long", good + "0", false},
		{"not hex in a high place", "g" + good[1:], false},
		{"not hex in a low place", good[:63] + "g", false},
		{"white space", " " + good[1:], false},
		{"before the digits", "/" + good[1:], false},
		{"after the digits", ":" + good[1:], false},
		{"before the letters", "`" + good[1:], false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := ParseDigest(tt.in)
			if (err == nil) != tt.ok {
				t.Fatalf("error = %v, want ok = %v", err, tt.ok)
			}
			if err != nil && len(tt.in) > 0 && strings.Contains(err.Error(), tt.in) {
				t.Errorf("the error quotes its input: %v", err)
			}
			if tt.ok && d.String() != tt.in {
				t.Errorf("came back as %s", d)
			}
		})
	}
}

func BenchmarkDigestOf(b *testing.B) {
	key := []byte("iak_live_0123456789ABCDEFGHIJKLMNOPQRSTUVABCDEF")
	b.ReportAllocs()
	for b.Loop() {
		DigestOf(key)
	}
}

func TestDigestOfDoesNotAllocate(t *testing.T) {
	key := []byte("some key")
	if n := testing.AllocsPerRun(100, func() { DigestOf(key) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
