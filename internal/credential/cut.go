package credential

// span is the bytes from up to, but without, to.
type span struct{ from, to int }

// cut notes that the bytes from..to must be removed. Calls must come in ascending order.
func (s *Set) cut(from, to int) {
	if n := len(s.cuts); n > 0 && s.cuts[n-1].to == from {
		s.cuts[n-1].to = to
		return
	}
	s.cuts = append(s.cuts, span{from, to})
}

// compact removes the noted spans from b in place, wipes the bytes behind the
// new end, and returns what is left.
func (s *Set) compact(b []byte) []byte {
	if len(s.cuts) == 0 {
		return b
	}
	end := s.cuts[0].from
	for i, c := range s.cuts {
		next := len(b)
		if i+1 < len(s.cuts) {
			next = s.cuts[i+1].from
		}
		end += copy(b[end:], b[c.to:next])
	}
	clear(b[end:])
	return b[:end]
}
