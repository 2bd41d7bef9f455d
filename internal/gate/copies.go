package gate

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/copies"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/mediatype"
	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// copiesPolicy says what happens to copies of the key outside the locations of
// credentials.
type copiesPolicy uint8

const (
	cutCopies copiesPolicy = iota
	refuseCopies
	keepCopies
)

// takeCopies cuts the copies of the key out of everything that was read of the request. The
// rest goes through the finder once more: a cut must not turn the text around a copy into a
// credential, or into another body than the one that was checked.
func (g *Gate) takeCopies(r *http.Request, p *passage) *refusal {
	if g.copies == keepCopies {
		return nil
	}
	if !g.strips {
		return g.judgeCopies(g.countCopies(r, p), p)
	}
	if !mayHold(r, p) {
		return nil
	}
	if k := p.copyKey(); !inHead(r, p, &k) && !inBody(p, &k) {
		return nil
	}
	exact := g.cutHead(r, p)
	exact = g.cutBody(r, p) && exact
	if _, err := p.set.One(g.firstCounts); err != nil {
		exact = false
	}
	return g.judgeCopies(exact, p)
}

// judgeCopies returns why the request is refused because of its copies, nil if it is not.
func (g *Gate) judgeCopies(exact bool, p *passage) *refusal {
	if exact && (p.copies == 0 || g.copies == cutCopies) {
		return nil
	}
	ref := refuseFor(keyElsewhere)
	if p.copies == 0 {
		return ref
	}
	return ref.saying(ref.message + ": " + strings.Join(p.copies.Names(), ", "))
}

// copyKey returns the key that authenticated the request.
func (p *passage) copyKey() copies.Key {
	if found := p.set.Found(); len(found) > 0 {
		return copies.Of(found[0].Key)
	}
	return copies.Of(nil)
}

// cutHead cuts the copies out of the head, and reports whether that could be done.
func (g *Gate) cutHead(r *http.Request, p *passage) (exact bool) {
	k, now := p.copyKey(), *r.URL
	exact = cutHeadOf(&k, p, r.Header, &now)
	r.RequestURI = WithURL(r.RequestURI, r.URL, &now)
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = now.Path, now.RawPath, now.RawQuery
	if p.original != nil {
		original := *p.original
		exact = cutHeadOf(&k, p, nil, &original) && exact
		g.host.SetOriginalURL(r, &original)
	}
	if k.In(r.Host) || k.In(r.Method) {
		p.copies.Add(copies.InHeader)
		exact = false
	}
	return exact && g.foundNoMore(r, p)
}

// mayHold reports whether anything in the request is long enough to hold a copy of the key.
func mayHold(r *http.Request, p *passage) bool {
	found := p.set.Found()
	if len(found) == 0 || p.body != nil || p.head != nil {
		return true
	}
	n := len(found[0].Key)
	if n < copies.MinPart || len(r.URL.Path) >= n || len(r.URL.RawQuery) >= n || len(r.Host) >= n || len(r.Method) >= n {
		return true
	}
	if p.original != nil && (len(p.original.Path) >= n || len(p.original.RawQuery) >= n) {
		return true
	}
	for _, l := range p.set.Long() {
		for _, v := range l.Values {
			if len(v) >= n {
				return true
			}
		}
	}
	return false
}

// inHead reports whether there is a copy in the head. A short key may also be a part of
// something.
func inHead(r *http.Request, p *passage, k *copies.Key) bool {
	if k.IsShort() {
		return k.InHeaders(r.Header) || inURL(r.URL, p.original, k)
	}
	for _, l := range p.set.Long() {
		if slices.ContainsFunc(l.Values, k.In) {
			return true
		}
	}
	return inURL(r.URL, p.original, k) || k.In(r.Host) || k.In(r.Method)
}

func inURL(u, original *url.URL, k *copies.Key) bool {
	return k.In(u.Path) || k.In(u.RawQuery) || original != nil && (k.In(original.Path) || k.In(original.RawQuery))
}

// foundNoMore reports whether the finder finds no other credential in the rest of the head.
func (g *Gate) foundNoMore(r *http.Request, p *passage) bool {
	found := len(p.set.Found())
	g.finder.Headers(r.Header, p.set)
	query, err := g.finder.Query(r.URL.RawQuery, p.set)
	return err == nil && query == r.URL.RawQuery && len(p.set.Found()) == found
}

// cutHeadOf cuts the copies out of headers and a URL.
func cutHeadOf(k *copies.Key, p *passage, h http.Header, u *url.URL) (exact bool) {
	places, exact := k.Headers(h)
	p.copies |= places
	if escaped := u.EscapedPath(); k.In(u.Path) {
		path, ok := k.Path(escaped, url.PathEscape(p.record.KeyID))
		setPath(u, path)
		exact = exact && ok
		if path != escaped {
			p.copies.Add(copies.InPath)
		}
	}
	if k.In(u.RawQuery) {
		query, ok := k.Params(u.RawQuery)
		if query != u.RawQuery {
			p.copies.Add(copies.InQuery)
		}
		u.RawQuery, exact = query, exact && ok
	}
	return exact
}

// setPath gives a URL another escaped path.
func setPath(u *url.URL, escaped string) {
	path, err := url.PathUnescape(escaped)
	if err != nil || path == "" {
		path, escaped = "/", "/"
	}
	u.Path, u.RawPath = path, escaped
}

// inBody reports whether there is a copy in what was read of the body.
func inBody(p *passage, k *copies.Key) bool {
	return p.body != nil && k.InBytes(p.body.Bytes()) || p.head != nil && k.InBytes(p.head.Bytes())
}

// cutBody cuts the copies out of a body that was read. If only the beginning was read, the
// rest is already being passed on.
func (g *Gate) cutBody(r *http.Request, p *passage) (exact bool) {
	k := p.copyKey()
	switch {
	case !inBody(p, &k):
		return true
	case p.body == nil:
		p.copies.Add(copies.InForm)
		return false
	}
	raw := p.body.Bytes()
	out, exact := cutContent(&k, p, raw)
	if out == string(raw) {
		return exact
	}
	if len(out) > len(raw) {
		out, exact = "", false
	}
	clear(raw[copy(raw, out):])
	p.body.Truncate(len(out))
	p.replay = body.Replace(r, p.body, true)
	found := len(p.set.Found())
	clean, _, err := scan(g.finder, p.media, p.body.Bytes(), p.set)
	return exact && err == nil && len(clean) == len(out) && len(p.set.Found()) == found
}

// cutContent returns the content of a body without copies.
func cutContent(k *copies.Key, p *passage, raw []byte) (out string, exact bool) {
	text, place := string(raw), copies.InBody
	switch {
	case p.media.form != nil:
		place = copies.InForm
		out, exact = cutParts(k, p.media.form, raw)
	case opensWhole(p.media.kind, raw), copies.IsJSON(raw):
		out, exact = k.JSON(text)
	case p.media.kind == mediatype.Form:
		place = copies.InForm
		out, exact = k.Params(text)
	case copies.OpensLines(raw):
		out, exact = k.Lines(text)
	default:
		out, exact = k.Text(text)
		exact = exact && (out == text || copies.IsText(raw))
	}
	if out != text || !exact {
		p.copies.Add(place)
	}
	return out, exact
}

// countCopies notes the copies in a request that keeps them: it makes a copy of the
// request, cuts credentials and copies of the key out of that, and throws it away.
func (g *Gate) countCopies(r *http.Request, p *passage) (exact bool) {
	set := credential.GetSet()
	defer credential.PutSet(set)
	k, header, u := p.copyKey(), r.Header.Clone(), *r.URL
	g.remover.Headers(header, set)
	u.RawQuery, _ = g.remover.Query(u.RawQuery, set)
	cutSegments(&u, p.path.now, redact.Redacted)
	exact = cutHeadOf(&k, p, header, &u)
	if p.body == nil || !k.InBytes(p.body.Bytes()) {
		return exact
	}
	raw := bytes.Clone(p.body.Bytes())
	defer clear(raw)
	clean, _, err := scan(g.remover, p.media, raw, set)
	if err != nil || !k.InBytes(clean) {
		return exact
	}
	_, ok := cutContent(&k, p, clean)
	return exact && ok
}

// cleanTrailers deletes trailers with a copy in them, of a body that streams. They arrive at
// its end, and somebody may still read the body when the request is over, so they have their
// own copy of the key.
func (g *Gate) cleanTrailers(r *http.Request, p *passage) {
	if p.record == nil || !g.strips || g.copies == keepCopies {
		return
	}
	found := p.set.Found()
	if len(found) == 0 || len(found[0].Key) < copies.MinWhole {
		return
	}
	if !body.MayHaveTrailers(r) {
		return
	}
	key, record, now := bytes.Clone(found[0].Key), p.record, p.now
	body.AtEnd(r, func(trailer http.Header) {
		k := copies.Of(key)
		if k.Trailers(trailer) {
			var places copies.Places
			places.Add(copies.InTrailer)
			g.noteCopies(now, record, places)
		}
	})
}

// noteCopies counts a request whose key is in more than one place, and remembers whose key
// it is.
func (g *Gate) noteCopies(now time.Time, record *keysync.Record, places copies.Places) {
	g.meter.Copies(places)
	g.flow.NoteCopies(now, record, places.Names())
	if g.reporter != nil {
		g.reporter.countCopies(places)
	}
}
