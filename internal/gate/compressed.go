package gate

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/mediatype"
)

// unlabelled returns the coding in which there is what the gate looks for in a body that is
// said to be in none, "" if it is not in one. In bodies of a type that only may be JSON that
// is JSON; other compressed files are nobody's business. Without whole, b is only the
// beginning of the body; decided is false if it is too short to tell.
func unlabelled(kind mediatype.Kind, b []byte, whole bool) (coding string, decided bool) {
	must := kind != mediatype.Any && kind != mediatype.Frames
	coding, decided = body.Unlabelled(b, whole)
	if coding == "" || coding == "gzip" && must {
		return coding, decided
	}
	plain, err := body.Beginning(b, coding)
	defer clear(plain)
	ended := errors.Is(err, io.EOF)
	damaged := err != nil && !ended && (whole || !body.IsCutShort(err))
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
// One that was decoded before is not to be in another: what the backend gets says of none.
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

// forgetCompression takes the parameter out of the query that says that the body is gzip, as
// Content-Encoding is taken out of the header: a backend that goes by it (PostHog's) would
// fail to decode what is decoded.
func (g *Gate) forgetCompression(r *http.Request) {
	if clean := withoutCompression(r.URL.RawQuery); clean != r.URL.RawQuery {
		r.URL.RawQuery = clean
		r.RequestURI = WithQuery(r.RequestURI, clean)
	}
	original := g.host.OriginalQuery(r)
	if clean := withoutCompression(original); clean != original {
		g.host.SetOriginalQuery(r, clean)
	}
}

// withoutCompression leaves all other bytes of the query as they are.
func withoutCompression(query string) string {
	if !strings.Contains(query, "compression=gzip") {
		return query
	}
	var kept []string
	for param := range strings.SplitSeq(query, "&") {
		if param != "compression=gzip" && param != "compression=gzip-js" {
			kept = append(kept, param)
		}
	}
	return strings.Join(kept, "&")
}
