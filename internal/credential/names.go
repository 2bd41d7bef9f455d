package credential

import (
	"bytes"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// maxNames is how many names one table can hold: sets of them are uint64 masks.
const maxNames = 64

// names finds a name of a request among a few configured names, compared like
// strings.EqualFold. Most names are not among them: length and first byte usually show
// that.
type names struct {
	list    [][]byte
	all     uint64
	byLen   [64]uint64  // candidates by length modulo 64
	byFirst [256]uint64 // candidates by first byte
}

// add appends a name. No name in the table may match it.
func (n *names) add(text string) error {
	if n.find(text) >= 0 {
		return fmt.Errorf("name %q is given twice: remove one", text)
	}
	return n.addSpelling(text)
}

// addSpelling appends a name that may differ from another only in case.
func (n *names) addSpelling(text string) error {
	if err := checkName(text); err != nil {
		return err
	}
	if len(n.list) == maxNames {
		return fmt.Errorf("more than %d names: remove some", maxNames)
	}
	bit := uint64(1) << len(n.list)
	n.list = append(n.list, []byte(text))
	n.all |= bit
	n.index(text, bit)
	return nil
}

// index makes a name a candidate for the plain (ASCII) names it can match.
func (n *names) index(text string, bit uint64) {
	if !isASCII(text) { // "ſ" matches "s": of another length and first byte
		for i := range n.byLen {
			n.byLen[i] |= bit
		}
		for i := range n.byFirst {
			n.byFirst[i] |= bit
		}
		return
	}
	n.byLen[len(text)&63] |= bit
	n.byFirst[strings.ToLower(text)[0]] |= bit
	n.byFirst[strings.ToUpper(text)[0]] |= bit
}

// may tells whether a name that is known to be ASCII can be one of the names. It is
// cheap, because most names are not.
func (n *names) may(b []byte) bool {
	return len(b) > 0 && n.byLen[len(b)&63]&n.byFirst[b[0]] != 0
}

// match returns the index of the name that is equal to b, or else of one that differs
// only in case, or -1. plain says that b is known to be ASCII.
func (n *names) match(b []byte, plain bool) int {
	if len(b) == 0 {
		return -1
	}
	candidates := n.all
	if plain {
		candidates = n.byLen[len(b)&63] & n.byFirst[b[0]]
	}
	other := -1
	for ; candidates != 0; candidates &= candidates - 1 {
		i := bits.TrailingZeros64(candidates)
		if bytes.Equal(n.list[i], b) {
			return i
		}
		if other < 0 && bytes.EqualFold(n.list[i], b) {
			other = i
		}
	}
	return other
}

// is tells whether the name with that index is exactly b.
func (n *names) is(i int, b []byte) bool { return bytes.Equal(n.list[i], b) }

// find returns the index of the entry that matches text, or -1.
func (n *names) find(text string) int {
	return n.match([]byte(text), false)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
