package wire

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// appendHeader appends the request line and the header fields, as http.Request.Write writes
// them, up to the empty line. Unlike that, it does not add a User-Agent.
func appendHeader(b []byte, req *http.Request) ([]byte, error) {
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	if !httpguts.ValidHeaderFieldName(method) { // a method is a token, like a field name
		return nil, fmt.Errorf("transport ingest: invalid method %q", method)
	}
	target := req.URL.RequestURI()
	if strings.ContainsFunc(target, isSpaceOrControl) {
		return nil, errors.New("transport ingest: space or control character in the URL")
	}
	host, err := hostField(req)
	if err != nil {
		return nil, err
	}
	b = append(append(append(b, method...), ' '), target...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = appendField(b, "Host", host)
	if agent := req.Header.Get("User-Agent"); agent != "" {
		b = appendField(b, "User-Agent", agent)
	}
	if req.ContentLength > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, req.ContentLength, 10), "\r\n"...)
	}
	if b, err = appendFields(b, req.Header); err != nil {
		return nil, err
	}
	return append(b, "\r\n"...), nil
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
			return nil, fmt.Errorf("transport ingest: invalid header field name %q", name)
		}
		for _, value := range header[name] {
			if !httpguts.ValidHeaderFieldValue(value) {
				return nil, fmt.Errorf("transport ingest: invalid value of header field %q", name) // which may be secret
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

// ours reports whether appendHeader itself writes or drops the field with this name, in
// any case.
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

// hostField returns the value of the Host field: from req, or else from its URL, in ASCII,
// without an IPv6 zone (RFC 6874), and empty if it is not valid.
func hostField(req *http.Request) (string, error) {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
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
