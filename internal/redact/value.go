package redact

import "github.com/ingestauth/caddy-ingest-auth/internal/fieldname"

// Value cleans the value of a log field or of an attribute of a span. What is known by
// its name to be a URL is cleaned as one, which need not guess where in a text it ends.
func (n *Names) Value(name, value string) string {
	c := n.Cleaner(false)
	defer c.Free()
	return c.Value(name, value)
}

// Value is Names.Value.
func (c *Cleaner) Value(name, value string) string {
	if c.strict && isPlain(name) {
		c.strict = false
		defer func() { c.strict = true }()
	}
	switch name {
	case "uri", "Location", "Content-Location", "Referer", "url.full", "http.url", "http.target":
		return c.URL(value)
	case "url.query":
		return c.Query(value)
	}
	return c.Text(value)
}

// plain are fields, folded as package fieldname does, whose values look like keys and are none. A
// strict cleaner leaves them alone, unless the key is known. Operators need them to follow a request.
var plain = map[string]bool{
	"traceparent": true, "tracestate": true, "x-request-id": true, "x-correlation-id": true, "request-id": true, "x-amzn-trace-id": true,
	"x-b3-traceid": true, "x-b3-spanid": true, "x-b3-parentspanid": true, "x-cloud-trace-context": true, "cf-ray": true,
	"traceid": true, "spanid": true, "trace-id": true, "span-id": true,
	"user-agent": true, "user-agent-original": true, "host": true, "server-address": true, "via": true, "server": true, "date": true,
	"accept": true, "content-type": true, "etag": true, "if-none-match": true, "sec-websocket-key": true, "sec-websocket-accept": true,
	"forwarded": true, "x-forwarded-for": true, "x-forwarded-host": true, "x-forwarded-server": true, "x-real-ip": true,
	"key-id": true, "user-id": true, "account": true, "verdict": true, "err-trace": true, "err-id": true,
	"ingest-auth-key-id": true, "ingest-auth-verdict": true, "http-route": true,
}

func isPlain(name string) bool {
	var buf [64]byte
	return plain[string(fieldname.Append(buf[:0], name))]
}
