package forward

import (
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/ingestauth/caddy-ingest-auth/internal/wire"
)

// isPlain reports whether a request can take the short way: it has no body or one of known
// length that is not too long, and nothing in its header changes how messages are sent.
func isPlain(r *http.Request) bool {
	if r.ProtoMajor > 2 || r.Method == http.MethodConnect || r.ContentLength < 0 || r.ContentLength > wire.MaxBody ||
		len(r.TransferEncoding) > 0 || len(r.Trailer) > 0 || r.URL.Opaque != "" || r.TLS != nil && !r.TLS.HandshakeComplete {
		return false
	}
	for _, name := range [...]string{"Upgrade", "Te", "Trailer", "Expect", "Incremental"} {
		if _, ok := r.Header[name]; ok {
			return false
		}
	}
	return !httpguts.HeaderValuesContainsToken(r.Header["Connection"], "Upgrade")
}

// isHop reports whether a field is for the next hop only. These are the fields that
// reverse_proxy removes.
func isHop(name string) bool {
	switch name {
	case "Alt-Svc", "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// changesWay reports whether a field that is added to a request changes how it is sent.
func changesWay(name string) bool {
	return isHop(name) || name == "Expect" || name == "Incremental" || name == "Content-Length"
}

// deleteNominated deletes the fields that Connection says are for the next hop only (RFC 9110,
// section 7.6.1).
func deleteNominated(header http.Header, connection []string) {
	for _, names := range connection {
		for name := range strings.SplitSeq(names, ",") {
			header.Del(textproto.TrimString(name))
		}
	}
}

// noUserAgent keeps a User-Agent from being added.
var noUserAgent = []string{""}

// copyFields gives the request that is sent the fields of the one that came.
func (t *trip) copyFields() {
	header := t.head.Header
	for name, values := range t.r.Header {
		if !isHop(name) {
			header[name] = slices.Clip(values) // so that adding copies
		}
	}
	if _, ok := header["User-Agent"]; !ok {
		header["User-Agent"] = noUserAgent
	}
	deleteNominated(header, t.r.Header["Connection"])
}

// forwarded sets X-Forwarded-For, -Proto and -Host. A value from the client counts only if
// the client is a trusted proxy.
func (t *trip) forwarded() {
	header := t.head.Header
	trusted, _ := t.vars[caddyhttp.TrustedProxyVarKey].(bool)
	client := ""
	if t.r.RemoteAddr != "@" || !trusted { // a Unix socket has no address
		host, _, err := net.SplitHostPort(t.r.RemoteAddr)
		if err != nil {
			delete(header, "X-Forwarded-For")
			delete(header, "X-Forwarded-Proto")
			delete(header, "X-Forwarded-Host")
			return
		}
		client, _, _ = strings.Cut(host, "%")
		trusted = trusted || t.way.trusts(client)
	}
	if prior, omit := priorValues(header, "X-Forwarded-For"); !omit {
		if prior != "" && trusted && client != "" {
			client = prior + ", " + client
		} else if trusted && prior != "" {
			client = prior
		}
		if client != "" {
			header["X-Forwarded-For"] = t.value(0, client)
		}
	}
	proto := "https"
	if t.r.TLS == nil {
		proto = "http"
	}
	t.forwardedAs("X-Forwarded-Proto", 1, proto, trusted)
	t.forwardedAs("X-Forwarded-Host", 2, t.r.Host, trusted)
}

// forwardedAs sets a field to value, or to the last one that came from a trusted proxy.
func (t *trip) forwardedAs(name string, slot int, value string, trusted bool) {
	values, ok := t.head.Header[name]
	if ok && values == nil {
		return // a handler before this one does not want it
	}
	if n := len(values); trusted && n > 0 && values[n-1] != "" {
		value = values[n-1]
	}
	t.head.Header[name] = t.value(slot, value)
}

// priorValues returns all values of a field as one. omit says that a handler before this one
// does not want the field.
func priorValues(header http.Header, name string) (prior string, omit bool) {
	values, ok := header[name]
	return strings.Join(values, ", "), ok && values == nil
}

// trusts reports whether an address is in trusted_proxies.
func (s *shortWay) trusts(client string) bool {
	if len(s.trusted) == 0 {
		return false
	}
	address, err := netip.ParseAddr(client)
	return err == nil && slices.ContainsFunc(s.trusted, func(p netip.Prefix) bool { return p.Contains(address) })
}

// via adds this hop to Via (RFC 9110, section 7.6.3).
func (t *trip) via() {
	pseudonym := viaOf(t.r.ProtoMajor, t.r.ProtoMinor)
	if prior := t.head.Header["Via"]; len(prior) > 0 {
		t.head.Header["Via"] = append(prior, pseudonym)
	} else {
		t.head.Header["Via"] = t.value(3, pseudonym)
	}
}

// asksForGzip reports whether http.Transport would ask for a response in gzip, and undo it.
func (t *trip) asksForGzip() bool {
	header := t.head.Header
	return !t.way.transport.Transport.DisableCompression && t.r.Method != http.MethodHead && header.Get("Accept-Encoding") == "" && header.Get("Range") == ""
}
