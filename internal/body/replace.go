package body

import (
	"io"
	"net/http"
	"strconv"
)

// Replace makes b the body of r, with the header fields that go with it, and takes b over:
// it is freed by Release. changed says that the bytes of b are not those that Read returned;
// header fields with a digest of the body are then dropped, as they are if Read has decoded it.
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

// deleteDigests drops what RFC 1864, RFC 3230 and RFC 9530 have to say about a body that
// is not there any more. The last of them says that an intermediary may.
func deleteDigests(h http.Header) {
	delete(h, "Content-Md5")
	delete(h, "Digest")
	delete(h, "Content-Digest")
	delete(h, "Repr-Digest")
}
