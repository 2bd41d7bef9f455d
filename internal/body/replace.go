package body

import (
	"io"
	"net/http"
	"strconv"
)

// Replace makes b the body of r, with the header fields that go with it, and takes over b:
// Release frees it. changed says that b is not what Read returned. Then, and if Read has
// decoded the body, header fields with a digest of the body are dropped.
//
// Trailer fields are dropped: they would need chunked coding, which a body of known length
// does not have.
func Replace(r *http.Request, b *Buffer, changed bool) *Replay {
	p := &b.replay
	p.buf, p.req = b, r
	reuse(r.Body)
	if len(b.data) == 0 {
		r.Body, r.GetBody = http.NoBody, noBody
	} else {
		r.Body, r.GetBody = p, p.reopen
	}
	setLength(r, p)
	r.TransferEncoding = nil
	r.Trailer = nil
	delete(r.Header, "Trailer")
	if b.decoded {
		delete(r.Header, "Content-Encoding")
	}
	if b.decoded || changed {
		deleteDigests(r.Header)
	}
	return p
}

func noBody() (io.ReadCloser, error) { return http.NoBody, nil }

// setLength leaves a request that has neither body nor Content-Length without the header.
func setLength(r *http.Request, p *Replay) {
	r.ContentLength = int64(len(p.buf.data))
	old := r.Header["Content-Length"]
	if r.ContentLength == 0 && len(old) == 0 {
		return
	}
	p.length[0] = strconv.FormatInt(r.ContentLength, 10)
	r.Header["Content-Length"] = p.length[:]
}

// deleteDigests drops the header fields of RFC 1864, RFC 3230 and RFC 9530 about the old
// body. RFC 9530 allows intermediaries to do that.
func deleteDigests(h http.Header) {
	delete(h, "Content-Md5")
	delete(h, "Digest")
	delete(h, "Content-Digest")
	delete(h, "Repr-Digest")
}
