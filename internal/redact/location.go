package redact

import "github.com/ingestauth/caddy-ingest-auth/config"

// AddLocation adds the names of a place for keys. A name may be anywhere in a log,
// whatever the location is.
func (n *Names) AddLocation(l config.Location) {
	n.AddHeader(l.Headers()...)
	n.AddQuery(l.Fields()...)
	if l.Place() == config.PlacePath {
		n.AddPath(l.Names...)
	}
}

// AddDocument adds the names of query parameters whose value is a JSON document. A key in
// it is visible only after decoding. Unlike names of keys, these are usual words, so they
// count only if written as a parameter.
func (n *Names) AddDocument(b config.BodyIn) {
	if b.In == config.InQuery {
		n.addDocuments(b.Names)
	}
}
