// Package wire is the client side of HTTP/1.1 (RFC 9112) for a proxy: it writes a request and reads
// the response on the goroutine that calls it. http.Transport keeps two goroutines for every
// connection, passes each request to one and gets each response from the other. That costs a
// small proxy a large part of its CPU time.
//
// It does only the plain case: a request without a body, or with a body in memory, over TCP
// or a Unix socket. Responses are parsed by http.ReadResponse.
package wire
