package vault

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

const testFeedID = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

func TestParseChanges(t *testing.T) {
	a, b := sourcetest.Digest(1), sourcetest.Digest(2)
	doc := func(id string, last any, digests ...string) string {
		list, err := json.Marshal(append([]string{}, digests...))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"id":%q,"last":%v,"digests":%s}`, id, last, list)
	}
	full := slices.Repeat([]string{a.String()}, 1000)
	tests := []struct {
		name, in, want string
	}{
		{"empty", doc(testFeedID, 0), ""},
		{"two", doc(testFeedID, 7, a.String(), b.String()), ""},
		{"none left", doc(testFeedID, 7), ""},
		{"full", doc(testFeedID, 123456, full...), ""},
		{"too many", doc(testFeedID, 123456, append(full, a.String())...), "has more than 1000 digests"},
		{"more digests than changes", doc(testFeedID, 1, a.String(), b.String()), "last does not fit the digests"},
		{"number too large", doc(testFeedID, "9007199254740993"), "last does not fit the digests"},
		{"number negative", doc(testFeedID, -1), "is not an object with id, last and digests"},
		{"number with a fraction", doc(testFeedID, 1.5), "is not an object with id, last and digests"},
		{"number as text", doc(testFeedID, `"1"`), "is not an object with id, last and digests"},
		{"no ID", doc("", 0), "id is malformed"},
		{"malformed ID", doc("abc", 0), "id is malformed"},
		{"malformed digest", doc(testFeedID, 2, a.String(), "x"), "digest 2 must be the SHA-256 of the key in 64 lower-case hex digits"},
		{"unknown member", `{"id":"` + testFeedID + `","last":0,"digests":[],"x":1}`, "is not an object with id, last and digests"},
		{"array", `[]`, "is not an object with id, last and digests"},
		{"not there", ``, "is not an object with id, last and digests"},
		{"two documents", doc(testFeedID, 0) + "{}", "has more text after its end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseChanges([]byte(tt.in))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("error %q, want %q", got, tt.want)
			}
		})
	}
}

func TestChangesSince(t *testing.T) {
	t.Parallel()
	d := []keysync.Digest{sourcetest.Digest(0), sourcetest.Digest(1), sourcetest.Digest(2)}
	c := &changes{ID: testFeedID, Last: 10, Digests: []string{d[0].String(), d[1].String(), d[2].String()}}
	tests := []struct {
		name string
		at   position
		want []keysync.Digest
		ok   bool
	}{
		{"nothing new", position{testFeedID, 10}, nil, true},
		{"one", position{testFeedID, 9}, d[2:], true},
		{"all there are", position{testFeedID, 7}, d, true},
		{"one more than there are", position{testFeedID, 6}, nil, false},
		{"from the start", position{testFeedID, 0}, nil, false},
		{"gone back", position{testFeedID, 11}, nil, false},
		{"another feed", position{strings.Repeat("B", 26), 9}, nil, false},
		{"nowhere yet", position{}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := c.since(tt.at)
			if ok != tt.ok || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v; want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// A reader that looks after every few appends hears of each change, in order,
// and of none twice; one that falls behind by more than a document is told so.
func TestChangesAreFollowed(t *testing.T) {
	t.Parallel()
	c := newChanges()
	at := c.position()
	var appended, heard []keysync.Digest
	n := 0
	for round := range 100 {
		for range round % 12 {
			var batch []keysync.Digest
			for range n % 7 {
				n++
				batch = append(batch, sourcetest.Digest(n))
			}
			n++
			batch = append(batch, sourcetest.Digest(n))
			appended = append(appended, batch...)
			c.add(batch)
		}
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = parseChanges(b); err != nil {
			t.Fatal(err)
		}
		changed, ok := c.since(at)
		if !ok {
			t.Fatal("a change was missed")
		}
		heard, at = append(heard, changed...), c.position()
	}
	if d := cmp.Diff(appended, heard); d != "" {
		t.Error(d)
	}
	if len(c.Digests) != maxChanges || c.Last != uint64(len(appended)) {
		t.Errorf("%d digests, last is %d after %d changes", len(c.Digests), c.Last, len(appended))
	}
	c.add(make([]keysync.Digest, maxChanges))
	if _, ok := c.since(at); !ok {
		t.Error("a whole document of changes was not told")
	}
	c.add(make([]keysync.Digest, 1))
	if _, ok := c.since(at); ok {
		t.Error("a gap was not noticed")
	}
}

func TestNewFeedsDiffer(t *testing.T) {
	t.Parallel()
	a, b := newChanges(), newChanges()
	if a.ID == b.ID || !feedIDForm.MatchString(a.ID) {
		t.Errorf("IDs %s and %s", a.ID, b.ID)
	}
}

func FuzzParseChanges(f *testing.F) {
	f.Add([]byte(`{"id":"` + testFeedID + `","last":3,"digests":["` + sourcetest.Digest(1).String() + `"]}`))
	f.Add([]byte(`{"id":"` + testFeedID + `","last":0,"digests":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseChanges(b)
		if err != nil {
			return
		}
		for _, behind := range []uint64{0, 1, 1000, c.Last} {
			got, ok := c.since(position{c.ID, c.Last - min(behind, c.Last)})
			if ok && uint64(len(got)) != min(behind, c.Last) {
				t.Fatalf("%d changes since %d ago", len(got), behind)
			}
		}
		c.add([]keysync.Digest{sourcetest.Digest(1)})
		out, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseChanges(out); err != nil && c.Last <= maxNumber {
			t.Fatalf("own output is refused: %v", err)
		}
	})
}
