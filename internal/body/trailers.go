package body

import (
	"io"
	"net/http"
	"slices"
	"strings"
)

// Trailers deletes trailer fields with forbidden names, for a body that streams. It
// deletes announced ones at once, and those that net/http adds at the end of the body (RFC
// 9112, section 7.1.2), announced or not, before the reader sees that end.
func Trailers(r *http.Request, forbidden func(name string) bool) {
	deleteAnnouncements(r.Header, forbidden)
	deleteNames(r.Trailer, forbidden)
	if mayHaveTrailers(r) {
		r.Body = &trailerFilter{ReadCloser: r.Body, req: r, forbidden: forbidden}
	}
}

// mayHaveTrailers is false for the framings that end a request without trailer fields.
func mayHaveTrailers(r *http.Request) bool {
	if !hasBody(r) {
		return false
	}
	return r.ProtoMajor >= 2 || slices.Contains(r.TransferEncoding, "chunked")
}

// trailerFilter deletes forbidden trailer fields as soon as net/http has read them.
type trailerFilter struct {
	io.ReadCloser
	req       *http.Request
	forbidden func(name string) bool
}

func (t *trailerFilter) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err != nil {
		deleteNames(t.req.Trailer, t.forbidden)
	}
	return n, err
}

// Close may read the rest of the body, and thus trailer fields.
func (t *trailerFilter) Close() error {
	err := t.ReadCloser.Close()
	deleteNames(t.req.Trailer, t.forbidden)
	return err
}

func deleteNames(h http.Header, forbidden func(name string) bool) {
	for name := range h {
		if forbidden(name) {
			delete(h, name)
		}
	}
}

// deleteAnnouncements takes forbidden names out of the Trailer header (RFC 9110, section
// 6.6.2), which net/http leaves in place where it does not expect trailer fields.
func deleteAnnouncements(h http.Header, forbidden func(name string) bool) {
	values := h["Trailer"]
	if len(values) == 0 {
		return
	}
	var kept []string
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" && !forbidden(name) {
				kept = append(kept, name)
			}
		}
	}
	if len(kept) == 0 {
		delete(h, "Trailer")
		return
	}
	h["Trailer"] = []string{strings.Join(kept, ", ")}
}
