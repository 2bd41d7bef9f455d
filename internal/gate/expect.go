package gate

import (
	"io"
	"net/http"
	"time"
)

// A client that sends `Expect: 100-continue` (RFC 9110, section 10.1.1) waits for
// 100 (Continue) before it sends the body. net/http answers that when the body is
// first read. The header stays in the request for as long as it has not been.

// awaitsContinue reports whether the client still waits. HTTP/2 has the header
// removed.
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

// settle removes the header if the client was told to go on: the backend need not.
func (a *awaited) settle(h http.Header) {
	if a.read {
		delete(h, "Expect")
	}
}

// turnAway has a client that waits answered at once, and the connection closed.
// net/http does so by itself, but not for a body that a handler has wrapped: it would
// wait for that before it answers.
func (g *Gate) turnAway(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if g.host.IsCopy(r) { // whoever has the other one must not read the body
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		_ = r.Body.Close()
	}
}
