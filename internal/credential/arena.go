package credential

// arena holds the key bytes of one request, so that they can be wiped. Slices
// of it stay where they are while it grows.
type arena struct {
	chunk []byte   // its length is what is taken
	dirty int      // how much of chunk was written to
	full  [][]byte // chunks before it
}

// room returns an empty slice with room for n bytes. It is reused after the next call of
// room or keep, unless keep got it.
func (a *arena) room(n int) []byte {
	if cap(a.chunk)-len(a.chunk) < n {
		if cap(a.chunk) > 0 {
			a.full = append(a.full, a.chunk)
		}
		a.chunk = make([]byte, 0, max(2*cap(a.chunk), n, 1024))
		a.dirty = 0
	}
	l := len(a.chunk)
	a.dirty = max(a.dirty, l+n)
	return a.chunk[l : l : l+n]
}

// keep returns a copy of b that lasts until wipe. b may be in the slice that room
// returned last.
func (a *arena) keep(b []byte) []byte {
	kept := append(a.room(len(b)), b...)
	a.chunk = a.chunk[:len(a.chunk)+len(b)]
	return kept
}

// wipe overwrites everything and starts over with the current chunk.
func (a *arena) wipe() {
	for _, c := range a.full {
		clear(c[:cap(c)])
	}
	clear(a.full)
	a.full = a.full[:0]
	clear(a.chunk[:a.dirty])
	a.chunk, a.dirty = a.chunk[:0], 0
}
