package redact

import (
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/internal/fieldname"
)

// Value cleans the value of a log field or of a span attribute. If the name shows that it
// is a URL, it is cleaned as a URL, without guessing where the URL ends.
func (n *Names) Value(name, value string) string {
	c := n.Cleaner(false)
	defer c.Free()
	return c.Value(name, value)
}

// Value is Names.Value.
func (c *Cleaner) Value(name, value string) string {
	if c.strict {
		c.heed(name)
		defer func() { c.exempt, c.product = false, false }()
	}
	switch name {
	case "uri":
		c.calledBy = c.Caller
		defer func() { c.calledBy = "" }()
		return c.URL(value)
	case "Location", "Content-Location", "Referer", "url.full", "url.path", "http.url", "http.target":
		return c.URL(value)
	case "url.query":
		return c.Query(value)
	}
	return c.Text(value)
}

// Name cleans the name of a field. In HTTP it has another case than the client gave it: that
// of a key which has no capitals is undone.
func (c *Cleaner) Name(name string) string {
	if len(name) < minToken || strings.IndexFunc(name, isDigit) < 0 {
		return name // as most
	}
	if clean := c.Text(name); clean != name {
		return clean
	}
	if small := strings.ToLower(name); small != name && c.Text(small) != small {
		return Redacted
	}
	return name
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// plain are fields, folded as package fieldname does, whose values look like keys but are not.
// A strict cleaner leaves them alone, unless the key is known: operators need them to follow a
// request.
var plain = map[string]bool{
	"traceparent": true, "x-request-id": true, "x-correlation-id": true, "request-id": true, "x-amzn-trace-id": true,
	"x-b3-traceid": true, "x-b3-spanid": true, "x-b3-parentspanid": true, "x-cloud-trace-context": true, "cf-ray": true,
	"traceid": true, "spanid": true, "trace-id": true, "span-id": true,
	"host": true, "server-address": true, "x-forwarded-for": true, "x-forwarded-host": true, "x-real-ip": true, "date": true,
	"etag": true, "if-none-match": true, "sec-websocket-key": true, "sec-websocket-accept": true,
	"key-id": true, "user-id": true, "account": true, "verdict": true, "err-trace": true, "err-id": true,
	"ingest-auth-key-id": true, "ingest-auth-verdict": true,
}

// products are fields whose values are like a path: names and versions with slashes and dots.
var products = map[string]bool{
	"user-agent": true, "user-agent-original": true, "accept": true, "content-type": true, "via": true, "server": true, "forwarded": true,
}

// heed says how strict a cleaner is with the value of a field.
func (c *Cleaner) heed(name string) {
	var buf [64]byte
	folded := fieldname.Append(buf[:0], name)
	c.exempt, c.product = plain[string(folded)], products[string(folded)]
}
