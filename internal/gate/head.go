package gate

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
)

// takeHead finds and removes the credentials in header, path and query, and the identity
// header if the client sent one. It always cleans the span: a key may be in a place that is
// not a location.
func (g *Gate) takeHead(r *http.Request, p *passage) *refusal {
	g.finder.Headers(r.Header, p.set)
	p.slot = p.set.Freed()
	g.keepConnection(r.Header)
	p.span = trace.SpanFromContext(r.Context())
	g.names.Span(p.span, false)
	p.original = g.host.OriginalURL(r)
	var ref *refusal
	if g.finder.LooksAtPath() {
		ref = g.takePath(r, p)
	}
	if r.URL.RawQuery == "" && (p.original == nil || p.original.RawQuery == "") {
		return ref
	}
	return cmp.Or(ref, g.takeQuery(r, p))
}

// keepConnection stops the client from having headers removed further on: a proxy removes
// every header that is named in Connection (RFC 9110, section 7.6.1). That must not
// happen to the identity header, nor to headers that the gate relied on when it read the
// body. An upgrade to another version of HTTP is a tunnel in which requests would pass
// the gate unseen, so it is not offered to the backend.
func (g *Gate) keepConnection(h http.Header) {
	values := h["Connection"]
	if values == nil {
		return
	}
	h["Connection"] = withoutTokens(values, g.forbidden)
	if offersHTTP(h["Upgrade"]) {
		delete(h, "Upgrade")
		delete(h, "Http2-Settings")
	}
}

func offersHTTP(upgrade []string) bool {
	for _, value := range upgrade {
		for protocol := range strings.SplitSeq(value, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(protocol), "/")
			if strings.EqualFold(name, "h2c") || strings.EqualFold(name, "h2") || strings.EqualFold(name, "HTTP") {
				return true
			}
		}
	}
	return false
}

// withoutTokens returns the header values without the tokens that match. Values are lists
// of tokens with commas. If no token matches, it returns values itself.
func withoutTokens(values []string, match func(string) bool) []string {
	named := func(value string) bool {
		for token := range strings.SplitSeq(value, ",") {
			if match(strings.TrimSpace(token)) {
				return true
			}
		}
		return false
	}
	if !slices.ContainsFunc(values, named) {
		return values
	}
	kept := make([]string, 0, len(values))
	for _, value := range values {
		var tokens []string
		for token := range strings.SplitSeq(value, ",") {
			if token = strings.TrimSpace(token); !match(token) {
				tokens = append(tokens, token)
			}
		}
		kept = append(kept, strings.Join(tokens, ", "))
	}
	return kept
}

// pathKeys are the segments of the path that are keys or are only removed: as it is now, and
// as the client sent it, which error routes get back and placeholders show.
type pathKeys struct {
	now, original []credential.Segment
	// It cannot be told where keys stand.
	unclear, originalUnclear bool
}

// takePath finds the credentials in the path and removes them.
func (g *Gate) takePath(r *http.Request, p *passage) *refusal {
	path, ok := plainPath(r.URL)
	if ok {
		p.path.now = g.finder.Path(path, p.set)
	}
	p.path.unclear = !ok
	if u := g.host.OriginalURL(r); u != nil {
		g.findOriginal(u, path, p)
	}
	if g.strips {
		g.cutPath(r, p)
	}
	if !ok {
		return refPath
	}
	return nil
}

// findOriginal finds the segments of the path that the client sent: the same ones unless it
// was rewritten; else those that match, and those that are a key of the request.
func (g *Gate) findOriginal(u *url.URL, now string, p *passage) {
	path, ok := plainPath(u)
	switch {
	case ok && path == now:
		p.path.original = p.path.now
		return
	case !ok:
		p.path.originalUnclear = p.path.unclear || g.names.URL(u.Path) != u.Path || p.holdsKey([]byte(u.Path))
		return
	}
	set := credential.GetSet()
	defer credential.PutSet(set)
	found := g.finder.Path(path, set)
	for i, segment := range strings.Split(path[1:], "/") {
		known := func(s credential.Segment) bool { return s.Index == i }
		isKey := func(f credential.Found) bool { return segment != "" && string(f.Key) == segment }
		if !slices.ContainsFunc(found, known) && slices.ContainsFunc(p.set.Found(), isKey) {
			found = append(found, credential.Segment{Index: i})
		}
	}
	slices.SortFunc(found, func(a, b credential.Segment) int { return a.Index - b.Index })
	p.path.original = found
}

// cutPath removes credentials from the path. In their place stands the ID of the key once it
// is known. The path that the client sent is dropped if it cannot be told where they stand in it.
func (g *Gate) cutPath(r *http.Request, p *passage) {
	k := &p.path
	if len(k.now) == 0 && len(k.original) == 0 && !k.originalUnclear {
		return
	}
	name := redact.Redacted
	if p.record != nil {
		name = p.record.KeyID
	}
	now, original := *r.URL, g.host.OriginalURL(r)
	k.now = cutSegments(&now, k.now, name)
	givePath(r, &now)
	if original != nil {
		u := *original
		k.original = cutSegments(&u, k.original, name)
		if k.originalUnclear {
			u.Path, u.RawPath = "/", ""
		}
		g.host.SetOriginalURL(r, &u)
	}
}

// dropPath removes credentials from the path of a request that is refused.
func (g *Gate) dropPath(r *http.Request, p *passage) {
	g.cutPath(r, p)
	if p.path.unclear {
		givePath(r, &url.URL{Path: "/", RawQuery: r.URL.RawQuery})
	}
}

// givePath gives all copies of the request the path of another URL.
func givePath(r *http.Request, u *url.URL) {
	r.RequestURI = WithURL(r.RequestURI, r.URL, u)
	r.URL.Path, r.URL.RawPath = u.Path, u.RawPath
}

// cutSegments removes segments from a path, and returns those of them that are left: a key has
// name in its place, what is only removed goes with a slash.
func cutSegments(u *url.URL, segments []credential.Segment, name string) (left []credential.Segment) {
	if len(segments) == 0 {
		return nil
	}
	plain, escaped := strings.Split(u.Path, "/"), strings.Split(u.EscapedPath(), "/")
	gone := 0
	for _, s := range segments {
		i := s.Index + 1 - gone // an empty one stands before the first slash
		if s.Remove {
			plain, escaped = slices.Delete(plain, i, i+1), slices.Delete(escaped, i, i+1)
			gone++
			continue
		}
		plain[i], escaped[i] = name, url.PathEscape(name)
		left = append(left, credential.Segment{Index: s.Index - gone})
	}
	u.Path, u.RawPath = "/"+strings.Join(plain[1:], "/"), "/"+strings.Join(escaped[1:], "/")
	return left
}
