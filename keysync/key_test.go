package keysync

import (
	"fmt"
	"hash/crc32"
	"math/big"
	"regexp"
	"strings"
	"testing"
)

func TestNewKey(t *testing.T) {
	form := regexp.MustCompile(`^iak_(live|test)_[0-9A-Za-z]{38}$`)
	seen := map[string]bool{}
	for _, mode := range []string{ModeLive, ModeTest} {
		for range 200 {
			key, err := NewKey(mode)
			if err != nil {
				t.Fatal(err)
			}
			if m := form.FindStringSubmatch(key); m == nil || m[1] != mode {
				t.Fatalf("a %s key of a wrong form", mode)
			}
			if seen[key] {
				t.Fatal("the same key twice")
			}
			seen[key] = true
			if got := CheckKey([]byte(key)); got != KeyWellFormed {
				t.Fatalf("CheckKey of a new key = %v", got)
			}
			if want := checksumOracle(key[:len(key)-6]); key[len(key)-6:] != want {
				t.Fatalf("checksum %s, want %s", key[len(key)-6:], want)
			}
		}
	}
	for _, mode := range []string{"", "prod", "LIVE"} {
		if _, err := NewKey(mode); err == nil {
			t.Errorf("NewKey(%q) gave no error", mode)
		}
	}
}

// checksumOracle converts the CRC-32 with big.Int, whose digits above 9 start
// with the lower-case letters where ours start with the upper-case ones.
func checksumOracle(body string) string {
	n := new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(body))))
	swapped := strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z':
			return c - 'a' + 'A'
		case 'A' <= c && c <= 'Z':
			return c - 'A' + 'a'
		}
		return c
	}, n.Text(62))
	return fmt.Sprintf("%06s", swapped)
}

// Every character must be equally likely: with 62 characters and 640,000 draws
// a bias of one byte value in 256 would show as 25 % more of some characters.
func TestNewKeyHasNoBias(t *testing.T) {
	count := map[rune]int{}
	const keys = 20_000
	for range keys {
		key, err := NewKey(ModeLive)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range key[len("iak_live_"):][:32] {
			count[c]++
		}
	}
	want := float64(keys) * 32 / 62
	for _, c := range base62 {
		if n := float64(count[c]); n < .94*want || n > 1.06*want {
			t.Errorf("%c came %v times, want about %.0f", c, n, want)
		}
	}
}

func TestCheckKey(t *testing.T) {
	key, err := NewKey(ModeTest)
	if err != nil {
		t.Fatal(err)
	}
	other := map[byte]string{'A': "B"}[key[12]]
	if other == "" {
		other = "A"
	}
	signed := func(body string) string { return body + checksumOracle(body) }
	tests := []struct {
		name, key string
		want      KeyForm
	}{
		{"well formed", key, KeyWellFormed},
		{"checksum with leading zeros", leadingZeroKey(), KeyWellFormed},
		{"somebody else's", "sk_live_51HxYz", KeyForeign},
		{"empty", "", KeyForeign},
		{"prefix in another case", "IAK_live_x", KeyForeign},
		{"prefix without underscore", "iaklive", KeyForeign},
		{"prefix alone", "iak_", KeyDamaged},
		{"no second underscore", "iak_live", KeyDamaged},
		{"no mode", signed("iak__" + key[9:41]), KeyDamaged},
		{"unknown mode", signed("iak_prod_" + key[9:41]), KeyDamaged},
		{"mode in another case", signed("iak_Live_" + key[9:41]), KeyDamaged},
		{"one character changed", key[:12] + other + key[13:], KeyDamaged},
		{"one character short", key[:len(key)-1], KeyDamaged},
		{"one character long", key + "0", KeyDamaged},
		{"too short but signed", signed("iak_live_" + key[9:40]), KeyDamaged},
		{"too long but signed", signed("iak_live_" + key[9:41] + "0"), KeyDamaged},
		{"not base62 but signed", signed("iak_live_-" + key[10:41]), KeyDamaged},
		{"mode swapped", "iak_live_" + key[9:], KeyDamaged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := CheckKey([]byte(tt.key)); got != tt.want {
				t.Errorf("CheckKey = %v, want %v", got, tt.want)
			}
		})
	}
}

// leadingZeroKey finds a key whose checksum is padded.
func leadingZeroKey() string {
	for i := 0; ; i++ {
		body := fmt.Sprintf("iak_live_%032d", i)
		if sum := checksumOracle(body); strings.HasPrefix(sum, "00") {
			return body + sum
		}
	}
}

func BenchmarkCheckKey(b *testing.B) {
	key, err := NewKey(ModeLive)
	if err != nil {
		b.Fatal(err)
	}
	bytes := []byte(key)
	b.ReportAllocs()
	for b.Loop() {
		CheckKey(bytes)
	}
}
