package copies

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// A run is text without white space, quotes, control characters and '&'. A copy of a key
// without those is a part of one, in any encoding: escapes and base64 have none. Most texts have
// no run that is as long as a key, which is found out without looking at all of them.

// longRun returns the first run of at least n bytes, n >= 16, from an index on; end is 0 if
// there is none. Such a run has one of the words in it that are looked at.
func longRun(text string, from, n int) (start, end int) {
	for i := from + n - 8; i+8 <= len(text); i += n - 7 {
		if enders(load(text, i)) != 0 {
			continue
		}
		start = from + lastEnder(text[from:i]) + 1
		end = runEnd(text, i+8)
		if end-start >= n {
			return start, end
		}
	}
	return 0, 0
}

// lastEnder returns the index of the last byte that ends a run, or -1.
func lastEnder(text string) int {
	i := len(text)
	for ; i >= 8; i -= 8 {
		if m := enders(load(text, i-8)); m != 0 {
			return i - 1 - bits.LeadingZeros64(m)>>3
		}
	}
	for i--; i >= 0 && !isEnder(text[i]); i-- {
	}
	return i
}

// runEnd returns where the run ends that goes on at an index.
func runEnd(text string, i int) int {
	for ; len(text)-i >= 8; i += 8 {
		if m := enders(load(text, i)); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(text) && !isEnder(text[i]) {
		i++
	}
	return i
}

func endsRun(text string) bool { return lastEnder(text) >= 0 }

// firstOther is the first byte that ends no run, but for '&'.
const firstOther = '"' + 1

func isEnder(c byte) bool { return c < firstOther || c == '&' }

// load returns eight bytes of text, the first one lowest.
func load(text string, i int) uint64 {
	b := unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // is only read
	return binary.LittleEndian.Uint64(b[i:])
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x80 * lowBits
)

// enders returns x with the high bit of the bytes that end a run, and no other. Nothing is
// carried from one byte into the next.
func enders(x uint64) uint64 {
	low := ^((x | highBits) - firstOther*lowBits) &^ x // below firstOther, and ASCII
	y := x ^ '&'*lowBits
	and := ^((y &^ highBits) + 0x7f*lowBits | y)
	return (low | and) & highBits
}
