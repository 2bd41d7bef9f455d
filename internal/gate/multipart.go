package gate

import (
	"net/http"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/copies"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/mediatype"
	"github.com/ingestauth/caddy-ingest-auth/internal/multipart"
)

// maxHead is how much of a multipart body is searched for keys. Files come after it.
const maxHead = 64 << 10

// multipartMedia says how to treat a multipart body with that Content-Type. sure is false if
// not all backends read it as multipart.
func multipartMedia(contentType string, sure bool) (media, *refusal) {
	_, params, _ := strings.Cut(contentType, ";")
	switch {
	case !sure:
		return media{}, refTypes
	case !mediatype.IsUTF8(params):
		return media{}, refChars
	}
	form, err := multipart.New(contentType)
	if err != nil {
		return media{}, refBody(err)
	}
	return media{form: form}, nil
}

// splitBody finds and removes the credentials in the beginning of a multipart body. The
// rest of the body streams after it.
func (g *Gate) splitBody(r *http.Request, p *passage, form *multipart.Form) *refusal {
	if g.settings.MaxBody > 0 {
		if err := body.Limit(r, int64(g.settings.MaxBody)); err != nil {
			return refBody(err)
		}
	}
	limits := g.reading
	limits.Verified = p.record != nil
	p.readsBody = true
	head, whole, err := body.ReadHead(r, maxHead, limits)
	if err != nil {
		return refBody(err)
	}
	clean, parts, err := scanMultipart(g.finder, form, head.Bytes(), whole, p.set)
	if err != nil {
		head.Free()
		return refBody(err)
	}
	cut := len(head.Bytes()) - len(clean)
	head.Truncate(len(clean)) // it was cut in place
	if whole {
		p.body, p.media = head, media{form: form}
		p.replay = body.Replace(r, head, cut > 0)
		return nil
	}
	p.head = head
	body.Shorten(r, form.Stream(clean, r.Body, parts, g.latePart()), cut)
	if p.recording != nil && g.strips {
		p.recording.Pass()
	}
	body.Once(r)
	body.Trailers(r, g.forbidden)
	g.cleanTrailers(r, p)
	return nil
}

// latePart returns the check of the parts after the beginning, in which credentials cannot
// be removed. A gate in report mode lets them through.
func (g *Gate) latePart() func(multipart.Part) error {
	if !g.enforces {
		return nil
	}
	return g.finder.LatePart
}

// cutParts cuts the copies of a key out of the values of a multipart body. A file that is no
// text, and what describes the parts, cannot be cut.
func cutParts(k *copies.Key, form *multipart.Form, raw []byte) (out string, exact bool) {
	scanner, exact, done := form.Scanner(), true, 0
	var clean strings.Builder
	pass := func(b []byte, cuttable bool) {
		text, ok := k.Text(string(b))
		exact = exact && (ok && cuttable || text == string(b))
		clean.WriteString(text)
	}
	for {
		next, found, err := scanner.Next(raw, true)
		if err != nil || !found {
			pass(raw[done:], false)
			return clean.String(), exact
		}
		if value := raw[done:next.At]; done > 0 {
			pass(value, copies.IsText(value))
		} else {
			pass(value, false)
		}
		if next.Last {
			done = next.At
			continue
		}
		pass(raw[next.At:next.Value], false)
		done = next.Value
	}
}

// scanMultipart removes credentials from a multipart body, or its beginning, in place.
func scanMultipart(f *credential.Finder, form *multipart.Form, raw []byte, whole bool, set *credential.Set) (clean []byte, parts int, err error) {
	if whole && len(raw) == 0 {
		return raw, 0, nil
	}
	if opens, _ := credential.OpensJSON(raw, whole); opens {
		return raw, 0, errTwoReadings
	}
	return f.Multipart(raw, form, whole, set)
}
