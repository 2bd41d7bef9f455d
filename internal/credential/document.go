package credential

import (
	"bytes"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/embedded"
)

// Documents are fields of a query and of a form whose value is a JSON document, plain or in
// base64. Their names must be spelled exactly, and be there only once.
type Documents struct{ Query, Form []string }

// Add adds fields, which must be valid.
func (d *Documents) Add(b config.BodyIn) {
	switch b.In {
	case config.InQuery:
		d.Query = append(d.Query, b.Names...)
	case config.InForm:
		d.Form = append(d.Form, b.Names...)
	}
}

// embedding is the location of a document. It is not a credential, but may contain some.
const embedding = "embedding"

// HasDocument tells whether the query or form that was read last has a document.
func (s *Set) HasDocument() bool { return s.document.to > s.document.from }

// addDocument notes the place of a document: the value of the parameter that begins at
// start and whose name ends at nameEnd. It fails if there is another document, or if
// readers may disagree on where it begins and ends.
func (s *Set) addDocument(b []byte, start, nameEnd, end int) bool {
	if s.document.to > 0 || start > 0 && b[start-1] == ';' || end < len(b) && b[end] == ';' || hasLateName(b[start:]) {
		return false
	}
	s.document = span{min(nameEnd+1, end), end}
	return true
}

// readDocument searches the document in b, a query or form that was scanned, after making
// the noted cuts in it. It returns b without the removed bytes: b itself, or a copy if
// the document was written again and is longer.
func (f *Finder) readDocument(b []byte, s *Set) ([]byte, error) {
	if !f.keep {
		at := s.document
		for _, c := range s.cuts {
			if c.from < s.document.from {
				at.from -= c.to - c.from
				at.to -= c.to - c.from
			}
		}
		b, s.document = s.compact(b), at
	}
	if !s.HasDocument() {
		return b, nil
	}
	at := s.document
	doc, err := embedded.Open(b[at.from:at.to])
	if err != nil {
		return b, err
	}
	defer doc.Wipe()
	if err := f.scanJSON(doc.JSON, false, s); err != nil || f.keep || len(s.cuts) == 0 {
		return b, err
	}
	cuts := make([]embedded.Span, len(s.cuts))
	for i, c := range s.cuts {
		cuts[i] = embedded.Span{From: c.from, To: c.to}
	}
	return replace(b, at, doc.Without(cuts)), nil
}

// replace replaces a span of b by text, in b itself if it has room.
func replace(b []byte, at span, text []byte) []byte {
	grown := at.from + len(text) - at.to
	if grown > 0 {
		defer clear(b)
		return bytes.Join([][]byte{b[:at.from], text, b[at.to:]}, nil)
	}
	copy(b[at.from+len(text):], b[at.to:])
	copy(b[at.from:], text)
	clear(b[len(b)+grown:])
	return b[:len(b)+grown]
}
