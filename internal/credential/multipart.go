package credential

import (
	"bytes"

	"github.com/ingestauth/caddy-ingest-auth/internal/multipart"
)

// LooksAtMultipart tells whether Multipart has anything to find.
func (f *Finder) LooksAtMultipart() bool { return len(f.multipart.locations) > 0 }

// Multipart finds the credentials in a multipart body, or with whole false in the beginning
// of one. It returns the body without the parts that hold them, cut in place: clean starts
// where body does. parts is how many parts are in clean, as far as their headers are
// complete.
//
// It fails with a *multipart.Error if readers may understand the body differently, with
// ErrMultipart if that concerns a credential, and with ErrLate if a credential does not
// end in the beginning.
func (f *Finder) Multipart(body []byte, form *multipart.Form, whole bool, s *Set) (clean []byte, parts int, err error) {
	s.cuts = s.cuts[:0]
	scanner := form.Scanner()
	last := part{location: -1}
	for {
		next, found, err := scanner.Next(body, whole)
		switch {
		case err != nil:
			return body, 0, err
		case !found && last.location >= 0:
			return body, 0, ErrLate
		case !found:
			return f.withoutCuts(body, s), parts, nil
		case last.location >= 0 && f.addPart(body, last, next.At, s):
			parts--
		}
		if next.Last {
			last = part{location: -1}
			continue
		}
		if last, err = f.partAt(&next, s); err != nil {
			return body, 0, err
		}
		parts++
	}
}

// part is the place of a part that may hold a credential.
type part struct {
	start, value int
	location     int // in f.multipart, -1 if it has no credential
}

// partAt returns the part that follows a boundary.
func (f *Finder) partAt(b *multipart.Boundary, s *Set) (part, error) {
	location, ok := f.multipart.matchPart(b.Part, s)
	if !ok {
		return part{}, ErrMultipart
	}
	return part{b.At, b.Value, location}, nil
}

// addPart adds the value of a part that ends before the boundary at end, and reports
// whether to cut the part.
func (f *Finder) addPart(body []byte, p part, end int, s *Set) (cut bool) {
	location := f.multipart.locations[p.location]
	value := body[p.value : end-len("\r\n")]
	if cut = s.add(location, append(s.arena.room(len(value)), value...)); cut && !f.keep {
		s.cut(p.start, end)
	}
	return cut && !f.keep
}

// withoutCuts makes the cuts unless everything is kept.
func (f *Finder) withoutCuts(body []byte, s *Set) []byte {
	if f.keep {
		return body
	}
	return s.compact(body)
}

// LatePart checks a part after the beginning. It fails with ErrLate if the part has the
// name of a credential, and with ErrMultipart if some readers may think so.
func (f *Finder) LatePart(p multipart.Part) error {
	s := GetSet()
	defer PutSet(s)
	switch location, ok := f.multipart.matchPart(p, s); {
	case !ok:
		return ErrMultipart
	case location >= 0:
		return ErrLate
	}
	return nil
}

// matchPart returns the index of the credential in a part, or -1. It fails if a backend may
// read the part as a credential and we do not, or the other way round. A file is not a
// credential.
func (p *params) matchPart(part multipart.Part, s *Set) (int, bool) {
	m, ok := p.matchText(part.Name, s)
	switch {
	case !ok:
		return -1, false
	case m < 0, part.File && !part.Unsure:
		return -1, true
	case part.Unsure || part.Encoded:
		return -1, false
	}
	return m, p.locations[m] != ""
}

// matchText is match for a name that is not encoded, but that some readers decode anyway.
func (p *params) matchText(name []byte, s *Set) (int, bool) {
	if m := p.names.match(name, false); m >= 0 {
		return m, true
	}
	if bytes.IndexByte(name, '%') >= 0 {
		decoded, ok := appendPercentDecoded(s.arena.room(len(name)), name)
		if !ok && p.mayBeDamaged(name) || p.names.match(decoded, false) >= 0 || p.mayBe(decoded) {
			return -1, false
		}
	}
	return -1, !p.mayBe(append(s.arena.room(len(name)), name...))
}
