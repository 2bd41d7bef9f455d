package limit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestKeyOf(t *testing.T) {
	// Every list of values has a key of its own.
	seen := map[CounterKey][]string{}
	for _, values := range [][]string{
		{"limit"},
		{"limit", ""},
		{"limit", "", ""},
		{"limit", "a", "bc"},
		{"limit", "ab", "c"},
		{"limit", "abc"},
		{"limit", "abc", ""},
		{"limita", "bc"},
		{"limit", "bc", "a"},
		{"limit", "a,bc"},
		{"limit", "a\x00bc"},
		{"limit", "\x01a\x02bc"},
	} {
		k := KeyOf(values[0], values[1:]...)
		if other, ok := seen[k]; ok {
			t.Errorf("KeyOf(%q) = KeyOf(%q)", values, other)
		}
		seen[k] = values
	}
	if KeyOf("limit", "a") != KeyOf("limit", "a") {
		t.Error("two calls differ")
	}
	const long = "a value of about one hundred bytes, which is more than any ID, name, address or route usually takes.."
	if n := testing.AllocsPerRun(100, func() { KeyOf("600/1m by datasource route", long, long) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestKeyOfStays fixes the keys, because gates of different versions share them.
func TestKeyOfStays(t *testing.T) {
	// printf '\x0b1000/1m key\x05key_1' | sha256sum | cut -c 1-32
	const want = "6758aede22ae1090ef715c2ff9c50774"
	if got := fmt.Sprintf("%x", KeyOf("1000/1m key", "key_1")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestClosest(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	for _, tc := range []struct {
		name   string
		states []State
		want   int
	}{
		{"none", nil, -1},
		{"none counted", []State{{}, {}}, -1},
		{"one", []State{{Limit: 10, Remaining: 5}}, 0},
		{"uncounted is skipped", []State{{}, {Limit: 10, Remaining: 10}}, 1},
		{"smaller part, not smaller number", []State{{Limit: 10, Remaining: 5}, {Limit: 1000, Remaining: 100}}, 1},
		{"same part, later reset", []State{{Limit: 10, Remaining: 5, Reset: at(60)}, {Limit: 100, Remaining: 50, Reset: at(3600)}}, 1},
		{"same part, earlier reset", []State{{Limit: 10, Remaining: 5, Reset: at(3600)}, {Limit: 100, Remaining: 50, Reset: at(60)}}, 0},
		{"all same: the first", []State{{Limit: 10, Remaining: 5, Reset: at(60)}, {Limit: 10, Remaining: 5, Reset: at(60)}}, 0},
		{"refused before empty", []State{{Limit: 10, Remaining: 0}, {Limit: 10, Remaining: 9, Refused: true}}, 1},
		{"refused: latest reset", []State{{Limit: 10, Refused: true, Reset: at(60)}, {Limit: 10, Remaining: 5, Refused: true, Reset: at(3600)}, {Limit: 10, Refused: true, Reset: at(60)}}, 1},
		{"products that differ in the high half only", []State{{Limit: math.MaxInt64, Remaining: 1<<62 - 1}, {Limit: math.MaxInt64, Remaining: 3}}, 1},
		{"products beyond 64 bits", []State{{Limit: math.MaxInt64, Remaining: math.MaxInt64 - 1}, {Limit: math.MaxInt64, Remaining: math.MaxInt64 - 2}}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Closest(tc.states); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestWindowEnd(t *testing.T) {
	for range 10_000 {
		window := 1 + rand.Int64N(int64(40*24*time.Hour/time.Millisecond))
		now := rand.Int64N(1 << 42)
		end := windowEnd(now, window)
		if end%window != 0 || end <= now || end-now > window {
			t.Fatalf("windowEnd(%d, %d) = %d", now, window, end)
		}
	}
}
