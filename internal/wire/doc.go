// Package wire is an HTTP/1.1 client transport for a proxy: an http.RoundTripper that writes
// the request and reads the response on the goroutine that calls it. http.Transport keeps two
// goroutines for every connection, passes each request to one and gets each response from the
// other. That costs a small proxy a large part of its CPU time.
//
// It does only the plain case: HTTP/1.1 (RFC 9112) over TCP or a Unix socket, without a
// request body or with a small one of known length. Every other request goes to an
// ordinary transport, see Transport.Other. Responses are parsed by http.ReadResponse.
package wire
