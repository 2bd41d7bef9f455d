package redact

import "github.com/ingestauth/caddy-ingest-auth/config"

// AddLocation adds the names of a place where keys stand. A name may stand in any
// place of a log, whatever the location is.
func (n *Names) AddLocation(l config.Location) {
	if l.Place() == config.PlaceHeader {
		n.AddHeader(l.Names...)
	}
	n.AddQuery(l.Fields()...)
}

// AddDocument adds the names of query parameters whose value is a JSON document, in which
// keys stand that nobody sees who does not decode it. Unlike names of keys, these are
// usual words: only what is written as a parameter is one.
func (n *Names) AddDocument(b config.BodyIn) {
	if b.In == config.InQuery {
		n.addDocuments(b.Names)
	}
}
