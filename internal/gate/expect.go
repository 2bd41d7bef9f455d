package gate

import (
	"io"
	"net/http"
	"time"
)

// A client that sends `Expect: 100-continue` (RFC 9110, section 10.1.1) waits for
// 100 (Continue) before it sends the body. net/http sends it when the body is first read.
// The header stays in the request until then.

// awaitsContinue reports whether the client still waits. With HTTP/2 net/http removes the
// header.
func awaitsContinue(r *http.Request) bool {
	return len(r.Header["Expect"]) > 0 && r.ProtoMajor == 1 && r.ProtoAtLeast(1, 1)
}

// awaited is the body of a client that waits.
type awaited struct {
	io.ReadCloser
	read bool
}

func (a *awaited) Read(p []byte) (int, error) {
	a.read = true
	return a.ReadCloser.Read(p)
}

// settle removes the header if the client was told to continue: the backend need not do
// it again.
func (a *awaited) settle(h http.Header) {
	if a.read {
		delete(h, "Expect")
	}
}

// turnAway makes net/http answer a waiting client at once and close the connection.
// net/http does that by itself, except if a handler has wrapped the body: then it would
// wait for the body first.
func (g *Gate) turnAway(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if g.host.IsCopy(r) { // the holder of the other one must not read the body
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		_ = r.Body.Close()
	}
}
