package copies

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// A run is text without white space, quotes, '!' and control characters. If a key has none of
// those, every copy of it is within one run, in any encoding: escapes and base64 have none of
// them either. Most texts have no run as long as a key, and that can be found out without
// reading all bytes.

// longRun returns the first run of at least n bytes, n >= 16, from an index on; end is 0 if
// there is none. Such a run contains at least one of the words that are checked.
func longRun(text string, from, n int) (start, end int) {
	b := bytesOf(text)
	for i := from + n - 8; i+8 <= len(b); i += n - 7 {
		x := binary.LittleEndian.Uint64(b[i:])
		if (x-firstOther*lowBits)&^x&highBits != 0 { // some byte ends a run
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

// runEnd returns the end of the run that continues at an index.
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

// firstOther is the first byte that does not end a run.
const firstOther = '"' + 1

func isEnder(c byte) bool { return c < firstOther }

// load returns eight bytes of text, the first one lowest.
func load(text string, i int) uint64 { return binary.LittleEndian.Uint64(bytesOf(text)[i:]) }

// bytesOf returns the bytes of a text without copying them. They must not be changed.
func bytesOf(text string) []byte {
	return unsafe.Slice(unsafe.StringData(text), len(text)) // searched texts must not be copied
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x80 * lowBits
)

// enders returns x with the high bit of the bytes that end a run, and no other. Nothing is
// carried from one byte into the next.
func enders(x uint64) uint64 {
	return ^((x | highBits) - firstOther*lowBits) &^ x & highBits
}
