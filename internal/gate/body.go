package gate

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/mediatype"
	"github.com/ingestauth/caddy-ingest-auth/internal/multipart"
)

// takeBody finds the credentials in the body and removes them. The next handlers
// get a body that can be read again, or one that streams.
func (g *Gate) takeBody(r *http.Request, p *passage) *refusal {
	if !hasBody(r) {
		body.Trailers(r, g.forbidden)
		return nil
	}
	if body.AwaitsContinue(r) {
		defer body.Await(r).Settle(r.Header)
	}
	if g.settings.MaxBody > 0 && r.ContentLength > int64(g.settings.MaxBody) {
		return refBody(body.ErrTooLarge)
	}
	if p.inQuery {
		return g.refuseBody(r, p)
	}
	m, ref := g.mediaOf(r, p)
	switch {
	case ref != nil:
		return ref
	case g.readsAll():
	case m.form != nil && len(r.Header["Content-Encoding"]) == 0:
		return g.splitBody(r, p, m.form)
	case m.form == nil && m.kind == mediatype.Opaque:
		return g.streamBody(r, p)
	}
	return g.readBody(r, p, m)
}

// media says how the gate treats a body.
type media struct {
	kind mediatype.Kind
	form *multipart.Form // of a multipart body that the gate reads; its kind is Opaque
}

// readsAll tells whether bodies are read in which the gate looks for nothing else.
func (g *Gate) readsAll() bool { return g.binding == bindBody || g.copies == refuseCopies }

// mediaOf tells how to treat the body, from its type and its first bytes.
func (g *Gate) mediaOf(r *http.Request, p *passage) (media, *refusal) {
	m, ref := g.bodyMedia(r.Header)
	p.opaque = m.kind == mediatype.Opaque
	if ref != nil || m.kind != mediatype.Any && m.kind != mediatype.Frames || g.checksJSON || g.readsAll() || len(r.Header["Content-Encoding"]) > 0 {
		return m, ref
	}
	p.readsBody = true
	may, err := mayBeJSON(r, m.kind)
	switch {
	case err != nil:
		return media{}, refBody(err)
	case !may:
		m.kind = mediatype.Opaque
	}
	return m, nil
}

// mayBeJSON reports whether a body opens JSON, or may do so when it is decoded, as far as
// its beginning tells.
func mayBeJSON(r *http.Request, kind mediatype.Kind) (bool, error) {
	opens := func(beginning []byte, whole bool) (opens, decided bool) {
		if opens, decided = opensJSON(kind, beginning, whole); opens || !decided { // four bytes, at least, decide
			return opens, decided
		}
		coding, decided := unlabelled(kind, beginning, whole)
		return coding != "", decided
	}
	beginning, whole, err := body.Peek(r, func(beginning []byte) bool {
		_, decided := opens(beginning, false)
		return decided
	})
	may, decided := opens(beginning, whole)
	return may || !decided, err
}

// unlabelled returns the coding in which there is what the gate looks for in a body that is
// said to be in none, "" if it is not in one. In bodies of a type that only may be JSON that
// is JSON; other compressed files are nobody's business. Without whole, b is only the
// beginning of the body; decided is false if it is too short to tell.
func unlabelled(kind mediatype.Kind, b []byte, whole bool) (coding string, decided bool) {
	must := kind != mediatype.Any && kind != mediatype.Frames
	coding = body.Unlabelled(b)
	if coding == "" || coding == "gzip" && must {
		return coding, true
	}
	plain, err := body.Beginning(b, coding)
	defer clear(plain)
	ended := errors.Is(err, io.EOF)
	damaged := err != nil && !ended && (whole || !errors.Is(err, io.ErrUnexpectedEOF))
	opens, decided := opensJSON(kind, plain, ended)
	switch {
	case opens, must && !damaged:
		return coding, true
	case decided, damaged && coding != "gzip": // a text may well begin as zlib does
		return "", true
	default:
		return coding, damaged
	}
}

// decodeUnlabelled undoes the coding of a body that was read and that nobody said is in one.
// A body that was decoded must not have another coding inside: the backend gets no header
// for it.
func (p *passage) decodeUnlabelled(kind mediatype.Kind, limits body.Limits) error {
	coding, _ := unlabelled(kind, p.body.Bytes(), true)
	if coding == "" {
		return nil
	}
	if p.body.Decoded() {
		return body.ErrUnsupported
	}
	var err error
	if p.body, err = p.body.Decode(coding, limits); err != nil {
		return err
	}
	return p.decodeUnlabelled(kind, limits)
}

func hasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
}

// streamBody lets a body through that the gate need not read, up to max_body if that is
// set, and without trailers that clients must not set.
func (g *Gate) streamBody(r *http.Request, p *passage) *refusal {
	body.Once(r)
	if g.settings.MaxBody > 0 {
		if err := body.Limit(r, int64(g.settings.MaxBody)); err != nil {
			return refBody(err)
		}
	}
	body.Trailers(r, g.forbidden)
	g.cleanTrailers(r, p)
	return nil
}

// refuseBody refuses a body in addition to a document in the query, because readers may
// use either. A body that turns out to be empty passes.
func (g *Gate) refuseBody(r *http.Request, p *passage) *refusal {
	p.readsBody = true
	beginning, _, err := body.Peek(r, func(beginning []byte) bool { return len(beginning) > 0 })
	switch {
	case err != nil:
		return refBody(err)
	case len(beginning) > 0:
		return refTwoDocuments
	}
	body.Trailers(r, g.forbidden)
	g.cleanTrailers(r, p)
	return nil
}

func (g *Gate) readBody(r *http.Request, p *passage, m media) *refusal {
	limits := g.reading
	limits.Verified = p.record != nil
	limits.Verbatim = m.kind == mediatype.Opaque && m.form == nil
	p.readsBody, p.media = true, m
	var err error
	if p.body, err = body.Read(r, limits); err != nil {
		return refBody(err)
	}
	if m.kind != mediatype.Opaque {
		if err = p.decodeUnlabelled(m.kind, limits); err != nil {
			return refBody(err)
		}
	}
	raw := p.body.Bytes()
	clean, _, err := scan(g.finder, m, raw, p.set)
	if err != nil {
		return refBody(err)
	}
	changed := len(clean) != len(raw) || g.strips && p.set.HasDocument()
	if err := p.body.Put(clean); err != nil {
		return refBody(err)
	}
	if p.body.Decoded() {
		g.forgetCompression(r)
	}
	p.replay = body.Replace(r, p.body, changed)
	return nil
}

// bodyMedia tells from the Content-Type how to treat the body.
func (g *Gate) bodyMedia(h http.Header) (media, *refusal) {
	if !g.looksAtJSON && !g.finder.LooksAtForm() && !g.finder.LooksAtMultipart() {
		return media{}, nil
	}
	values := h["Content-Type"]
	if len(values) > 1 {
		return media{}, refTypes
	}
	if len(values) == 0 {
		return media{kind: g.looked(mediatype.Form)}, nil
	}
	lower := strings.ToLower(values[0])
	if is, ok := mediatype.IsMultipart(lower); is && g.finder.LooksAtMultipart() {
		return multipartMedia(values[0], ok)
	}
	kind, params, ok := mediatype.Of(lower)
	if kind == mediatype.Any && g.finder.LooksAtFormDocument() && mediatype.IsPlainText(lower) {
		kind = mediatype.Form
	}
	switch kind = g.looked(kind); {
	case !ok:
		return media{}, refTypes
	case kind != mediatype.Opaque && !mediatype.IsUTF8(params):
		return media{}, refChars
	}
	return media{kind: kind}, nil
}

// looked is the kind as this gate treats it: Opaque if it searches no JSON, Any if it searches
// no forms.
func (g *Gate) looked(kind mediatype.Kind) mediatype.Kind {
	switch {
	case kind == mediatype.Form && g.finder.LooksAtForm():
		return kind
	case !g.looksAtJSON:
		return mediatype.Opaque
	case kind == mediatype.Form:
		return mediatype.Any
	}
	return kind
}

// opensWhole reports whether the gate reads a whole body of that kind as JSON.
func opensWhole(kind mediatype.Kind, raw []byte) bool {
	switch kind {
	case mediatype.JSON, mediatype.Lines:
		return true
	case mediatype.Form, mediatype.Any, mediatype.Frames:
		opens, _ := opensJSON(kind, raw, true)
		return opens
	default:
		return false
	}
}

// opensJSON is credential.OpensJSON for a body of that kind. Frames of gRPC may have JSON
// in them, but no JSON reader reads it.
func opensJSON(kind mediatype.Kind, beginning []byte, whole bool) (opens, decided bool) {
	if kind == mediatype.Frames && isFrame(beginning) {
		return false, true
	}
	return credential.OpensJSON(beginning, whole)
}

// isFrame reports whether a message of gRPC, of less than 16 MiB, begins there (gRPC
// over HTTP/2, "Length-Prefixed-Message").
func isFrame(b []byte) bool { return len(b) > 1 && b[0] <= 1 && b[1] == 0 }

// scan removes credentials from a body. It does so in place, unless the body gets longer,
// as a document in a form may. looked is false if the body was not searched.
func scan(f *credential.Finder, m media, raw []byte, set *credential.Set) (clean []byte, looked bool, err error) {
	switch {
	case m.form != nil:
		clean, _, err = scanMultipart(f, m.form, raw, true, set)
		return clean, true, err
	case opensWhole(m.kind, raw):
		clean, err = f.JSON(raw, m.kind == mediatype.Lines, set)
		if err == nil && m.kind == mediatype.Form {
			err = noForm(f, clean, set)
		}
		return clean, true, err
	case m.kind == mediatype.Form:
		clean, err = f.Form(raw, set)
		return clean, true, err
	}
	return raw, false, nil
}

// errTwoReadings is for a body in which backends that read it as JSON find one credential
// or document, and backends that read it as a form find another.
var errTwoReadings = errors.New("JSON that is a form, too, with a field in it that matters")

// noForm fails if some backends read a JSON body as a form and find a credential in it.
// Then body has been changed.
func noForm(f *credential.Finder, body []byte, set *credential.Set) error {
	if bytes.IndexByte(body, '=') < 0 {
		return nil // no field has a value
	}
	found := len(set.Found())
	rest, err := f.Form(body, set)
	if err == nil && (len(rest) != len(body) || len(set.Found()) != found || set.HasDocument()) {
		err = errTwoReadings
	}
	return err
}

// isGRPC reports whether the client speaks gRPC (gRPC over HTTP/2, "Requests"). gRPC-Web
// and Connect do not count: they use the HTTP status.
func isGRPC(r *http.Request) bool {
	t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return r.Method == http.MethodPost && mediatype.IsGRPC(strings.TrimSpace(t))
}
