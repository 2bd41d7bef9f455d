package redact

// Value cleans the value of a log field or of an attribute of a span. What is known by
// its name to be a URL is cleaned as one, which need not guess where in a text it ends.
func (n *Names) Value(name, value string) string {
	switch name {
	case "uri", "Location", "Content-Location", "Referer", "url.full", "url.path", "http.url", "http.target":
		return n.URL(value)
	case "url.query":
		return n.Query(value)
	}
	return n.Text(value)
}
