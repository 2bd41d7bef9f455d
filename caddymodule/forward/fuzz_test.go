package forward_test

import (
	"maps"
	"slices"
	"testing"
)

// FuzzAnswer has a backend answer with any bytes and close the connection.
func FuzzAnswer(f *testing.F) {
	for _, answers := range []map[string]string{oddAnswers(), closingAnswers()} {
		for _, name := range slices.Sorted(maps.Keys(answers)) {
			if text := answers[name]; len(text) < 2000 {
				f.Add(text, byte(len(name)))
			}
		}
	}
	l := start(f).lane(f, "fuzz")
	f.Fuzz(func(t *testing.T, text string, asker byte) {
		if len(text) > 100_000 || text == "" { // nothing at all: see outcomes
			return
		}
		l.compare(t, in(askers[int(asker)%len(askers)], answer{name: "fuzz", bytes: text, end: finish}))
	})
}
