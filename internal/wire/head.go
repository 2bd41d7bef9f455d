package wire

import (
	"errors"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Head is the head of a request (RFC 9112, section 2.1).
type Head struct {
	// Method is the method, "GET" if it is empty.
	Method string

	// Target is the request target in origin form: path and query.
	Target string

	// Host is the host and port that the request is for.
	Host string

	// Header has the fields of the header. Those for the host, the length of the body and trailers
	// are not taken from it.
	Header http.Header

	// Length is the length of the body in bytes.
	Length int64

	// Gzip asks for a response in gzip.
	Gzip bool
}

// Append appends the request line and the header, as http.Transport writes them, up to and with
// the empty line. So there is a User-Agent unless it is set to "". It fails if a part of the head
// could break the message; the error has no values in it.
func (h *Head) Append(b []byte) ([]byte, error) {
	method := h.Method
	if method == "" {
		method = http.MethodGet
	}
	if !httpguts.ValidHeaderFieldName(method) { // a method is a token, like a field name
		return b, errors.New("invalid method")
	}
	if strings.ContainsFunc(h.Target, isSpaceOrControl) {
		return b, errors.New("space or control character in the URL")
	}
	host, err := hostField(h.Host)
	if err != nil {
		return b, err
	}
	b = append(append(append(b, method...), ' '), h.Target...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = appendField(b, "Host", host)
	if agent := h.userAgent(); agent != "" {
		b = appendField(b, "User-Agent", agent)
	}
	if h.Length > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, h.Length, 10), "\r\n"...)
	}
	if b, err = appendFields(b, h.Header); err != nil {
		return b, err
	}
	if h.Gzip {
		b = append(b, "Accept-Encoding: gzip\r\n"...)
	}
	return append(b, "\r\n"...), nil
}

// Replayable reports whether sending the request twice does no harm (RFC 9110, section 9.2.2): the
// method is GET, HEAD, OPTIONS or TRACE, or there is an Idempotency-Key.
func (h *Head) Replayable() bool {
	switch h.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return h.Header["Idempotency-Key"] != nil || h.Header["X-Idempotency-Key"] != nil
}

// userAgent returns the value of User-Agent, that of http.Transport if there is none.
func (h *Head) userAgent() string {
	values, ok := h.Header["User-Agent"]
	switch {
	case !ok:
		return "Go-http-client/1.1"
	case len(values) == 0:
		return ""
	}
	return values[0]
}

// appendFields appends the fields of header that are not written already, in the order of
// their names, after a check that none of them can break the message.
func appendFields(b []byte, header http.Header) ([]byte, error) {
	var room [32]string // enough for most requests, without the heap
	names := room[:0]
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !httpguts.ValidHeaderFieldName(name) {
			return b, errors.New("invalid name of a header field")
		}
		for _, value := range header[name] {
			if !httpguts.ValidHeaderFieldValue(value) {
				return b, errors.New("invalid value of a header field")
			}
			if !ours(name) {
				b = appendField(b, name, value)
			}
		}
	}
	return b, nil
}

func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, textproto.TrimString(value)...), "\r\n"...)
}

// ours reports whether Append itself writes or drops the field with this name, in any case.
func ours(name string) bool {
	switch len(name) {
	case len("Host"):
		return strings.EqualFold(name, "Host")
	case len("Trailer"):
		return strings.EqualFold(name, "Trailer")
	case len("User-Agent"):
		return strings.EqualFold(name, "User-Agent")
	case len("Content-Length"):
		return strings.EqualFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}

// hostField returns the value of the Host field: in ASCII, without an IPv6 zone (RFC 6874), and
// empty if it is not valid.
func hostField(host string) (string, error) {
	host, err := httpguts.PunycodeHostPort(host)
	if err != nil {
		return "", err
	}
	if !httpguts.ValidHostHeader(host) {
		return "", nil
	}
	return withoutZone(host), nil
}

// withoutZone turns [fe80::1%eth0]:80 into [fe80::1]:80.
func withoutZone(host string) string {
	if !strings.HasPrefix(host, "[") {
		return host
	}
	end := strings.LastIndexByte(host, ']')
	if end < 0 {
		return host
	}
	zone := strings.LastIndexByte(host[:end], '%')
	if zone < 0 {
		return host
	}
	return host[:zone] + host[end:]
}

func isSpaceOrControl(r rune) bool {
	return r <= ' ' || r == 0x7f
}
