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
