package body

import (
	"io"
	"net/http"
)

// A client that sends `Expect: 100-continue` (RFC 9110, section 10.1.1) waits for
// 100 (Continue) before it sends the body. net/http answers that when the body is
// first read. The header stays in the request for as long as it has not been.

// AwaitsContinue reports whether the client still waits. HTTP/2 has the header
// removed.
func AwaitsContinue(r *http.Request) bool {
	return len(r.Header["Expect"]) > 0 && r.ProtoMajor == 1 && r.ProtoAtLeast(1, 1)
}

// Awaited is the body of a client that waits.
type Awaited struct {
	io.ReadCloser
	read bool
}

// Await makes an Awaited the body of r.
func Await(r *http.Request) *Awaited {
	a := &Awaited{ReadCloser: r.Body}
	r.Body = a
	return a
}

// Read implements io.Reader.
func (a *Awaited) Read(p []byte) (int, error) {
	a.read = true
	return a.ReadCloser.Read(p)
}

// Settle removes the header if the client was told to go on: the backend need not.
func (a *Awaited) Settle(h http.Header) {
	if a.read {
		delete(h, "Expect")
	}
}
