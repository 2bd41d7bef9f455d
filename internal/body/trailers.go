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

// MayHaveTrailers tells whether trailer fields may come with the body. In HTTP/2 net/http
// takes only those that were announced.
func MayHaveTrailers(r *http.Request) bool {
	return mayHaveTrailers(r) && (r.ProtoMajor < 2 || len(r.Trailer) > 0)
}

// AtEnd has clean called with the trailer fields of a body that is passed on as it comes,
// when they are there. The reader does not see the end of the body before that.
func AtEnd(r *http.Request, clean func(trailer http.Header)) {
	if t, ok := r.Body.(*trailerFilter); ok {
		t.clean = clean
		return
	}
	r.Body = &trailerFilter{ReadCloser: r.Body, req: r, forbidden: func(string) bool { return false }, clean: clean}
}

// trailerFilter deletes forbidden trailer fields as soon as net/http has read them.
type trailerFilter struct {
	io.ReadCloser
	req       *http.Request
	forbidden func(name string) bool
	clean     func(trailer http.Header) // may be nil
}

func (t *trailerFilter) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err != nil {
		t.filter()
	}
	return n, err
}

func (t *trailerFilter) filter() {
	deleteNames(t.req.Trailer, t.forbidden)
	if t.clean != nil {
		t.clean(t.req.Trailer)
	}
}

// Close may read the rest of the body, and thus trailer fields.
func (t *trailerFilter) Close() error {
	err := t.ReadCloser.Close()
	t.filter()
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
