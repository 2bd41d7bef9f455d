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

// names tells which of a few configured names a name in a request is. Most
// names are none of them, which length and first byte show.
type names struct {
	list    []name
	all     uint64
	byLen   [64]uint64  // candidates by length modulo 64
	byFirst [256]uint64 // candidates by first byte
}

type name struct {
	text  []byte
	exact bool // compare bytes; otherwise like strings.EqualFold
}

func (n name) is(b []byte) bool {
	if n.exact {
		return bytes.Equal(n.text, b)
	}
	return bytes.EqualFold(n.text, b)
}

// add appends a name that no name in the table matches. Those that match exactly
// come last.
func (n *names) add(text string, exact bool) error {
	if err := checkName(text); err != nil {
		return err
	}
	if n.find(text) >= 0 {
		return fmt.Errorf("name %q is given twice: remove one", text)
	}
	if len(n.list) == maxNames {
		return fmt.Errorf("more than %d names: remove some", maxNames)
	}
	bit := uint64(1) << len(n.list)
	n.list = append(n.list, name{text: []byte(text), exact: exact})
	n.all |= bit
	n.index(text, exact, bit)
	return nil
}

// index makes a name a candidate for the plain (ASCII) names it can match.
func (n *names) index(text string, exact bool, bit uint64) {
	if !exact && !isASCII(text) { // "ſ" matches "s": of another length and first byte
		for i := range n.byLen {
			n.byLen[i] |= bit
		}
		for i := range n.byFirst {
			n.byFirst[i] |= bit
		}
		return
	}
	n.byLen[len(text)&63] |= bit
	n.byFirst[text[0]] |= bit
	if !exact {
		n.byFirst[strings.ToLower(text)[0]] |= bit
		n.byFirst[strings.ToUpper(text)[0]] |= bit
	}
}

// match returns the index of the name that b is, or -1. plain says that b is
// known to be ASCII.
func (n *names) match(b []byte, plain bool) int {
	if len(b) == 0 {
		return -1
	}
	candidates := n.all
	if plain {
		candidates = n.byLen[len(b)&63] & n.byFirst[b[0]]
	}
	for ; candidates != 0; candidates &= candidates - 1 {
		i := bits.TrailingZeros64(candidates)
		if n.list[i].is(b) {
			return i
		}
	}
	return -1
}

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
