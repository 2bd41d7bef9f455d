// Package wire is an HTTP/1.1 client transport for a proxy: an http.RoundTripper that writes
// the request and reads the response on the goroutine that calls it. http.Transport keeps two
// goroutines for every connection, hands each request to one and gets each response from the
// other, which costs a small proxy a good part of its CPU time.
//
// Only the plain case is done here: HTTP/1.1 (RFC 9112) over TCP or a Unix socket, with no
// request body or one of a known, small length. Every other request goes to an ordinary
// transport, see Transport.Other. Responses are parsed by http.ReadResponse.
package wire
