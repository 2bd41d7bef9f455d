package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
)

// checkBinding refuses an assertion that is bound to another request, or to less than
// Options demand. A gate in report mode may have refused a body without reading it; then
// no binding is demanded.
func (v *Verifier) checkBinding(c *claims, id *Identity, r *http.Request) *Error {
	bound := c.Method != nil && c.Path != nil && c.Query != nil
	switch {
	case v.options.Bind != BindNone && !bound && id.allowed():
		return refuse(CodeInvalid, "the assertion is not bound to a request")
	case v.options.Bind == BindBody && c.Body == nil && id.allowed():
		return refuse(CodeInvalid, "the assertion is not bound to a body")
	case c.Method != nil && *c.Method != r.Method:
		return refuse(CodeInvalid, "the assertion is for another method")
	case c.Path != nil && *c.Path != r.URL.EscapedPath():
		return refuse(CodeInvalid, "the assertion is for another path")
	case c.Query != nil && *c.Query != digest([]byte(r.URL.RawQuery)):
		return refuse(CodeInvalid, "the assertion is for another query")
	case c.Body == nil:
		return nil
	}
	body, refused := v.readBody(r)
	if refused != nil {
		return refused
	}
	if *c.Body != digest(body) {
		return refuse(CodeInvalid, "the assertion is for another body")
	}
	return nil
}

// readBody returns the body, and gives the request a body that can be read again.
func (v *Verifier) readBody(r *http.Request) ([]byte, *Error) {
	limit := v.options.MaxBody
	if r.ContentLength > limit {
		return nil, refuse(CodeBodyTooLong, "the body has %d bytes: at most %d are read", r.ContentLength, limit)
	}
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, refuse(CodeUnreadable, "reading the body: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, refuse(CodeBodyTooLong, "the body has more than %d bytes", limit)
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(body), r.Body}
	return body, nil
}

// digest is SHA-256 in base64url without padding.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
