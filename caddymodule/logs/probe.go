package logs

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// logProbe is what a log has of a request and its answer, with a value of its own in every
// field where a key may stand. It finds out what a sink would write of them: the redact_keys
// encoder tells it of every text that leaves there. Other encoders may stand around that one
// and have renamed or rewritten what comes to it.
//
// Its fields are given to zapcore.Core.With, which makes every sink's core encode them at
// once, whatever its level, and writes nothing.
type logProbe struct {
	marker   string            // goes through the redact_keys encoder unchanged
	canaries map[string]string // values that nobody may read, with the field that each stands in
	fields   []zapcore.Field

	encoded, cleaned int      // sinks, and those of them that have the redact_keys encoder
	seen             bool     // the marker has left that encoder
	leaked           []string // fields
}

// activeProbe is the probe that the encoder looks out for.
var activeProbe atomic.Pointer[logProbe]

// passed tells the active probe of a text that leaves the redact_keys encoder, and returns it.
func passed(text string) string {
	if p := activeProbe.Load(); p != nil {
		p.note(text)
	}
	return text
}

// note may be called with what others log at the same time. None of the probe's values is in
// that, so nothing is written then.
func (p *logProbe) note(text string) {
	if text == p.marker {
		p.seen = true
	}
	for canary, field := range p.canaries {
		if strings.Contains(text, canary) && !slices.Contains(p.leaked, field) {
			p.leaked = append(p.leaked, field)
		}
	}
}

// newLogProbe returns a probe with a key in each of the places, and an assertion.
func newLogProbe(places []config.Location, identityHeader string, logCredentials bool) *logProbe {
	p := &logProbe{marker: rand.Text(), canaries: make(map[string]string)}
	uri := p.uri("request>uri", places)
	request := caddyhttp.LoggableHTTPRequest{
		Request:              &http.Request{Method: http.MethodPost, RequestURI: uri, Header: p.header("request>headers>", "Referer", places, identityHeader)},
		ShouldLogCredentials: logCredentials,
	}
	response := func(name string) zapcore.Field {
		return zap.Object(name, caddyhttp.LoggableHTTPHeader{Header: p.header(name+">", "Location", places, identityHeader), ShouldLogCredentials: logCredentials})
	}
	// The access log calls the headers of an answer resp_headers, reverse_proxy headers.
	p.fields = []zapcore.Field{zap.Object("redact_keys_probe", p), zap.Object("request", request), response("resp_headers"), response("headers")}
	return p
}

// MarshalLogObject is part of the zapcore.ObjectMarshaler interface.
func (p *logProbe) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	p.encoded++
	p.seen = false
	enc.AddString("marker", p.marker)
	if p.seen {
		p.cleaned++
	}
	return nil
}

// canary returns a new value for a field.
func (p *logProbe) canary(field string) string {
	c := rand.Text()
	p.canaries[c] = field
	return c
}

// header returns headers with a key in each, one of which, link, is a URL.
func (p *logProbe) header(path, link string, places []config.Location, identityHeader string) http.Header {
	h := http.Header{identityHeader: {p.canary(path + identityHeader)}, link: {p.uri(path+link, places)}}
	for _, l := range places {
		scheme := ""
		if l.Place() == config.PlaceAuthorization {
			scheme = "Bearer "
		}
		for _, name := range l.Headers() {
			h.Set(name, scheme+p.canary(path+http.CanonicalHeaderKey(name)))
		}
	}
	return h
}

// uri returns a URI with a key in every parameter that may have one.
func (p *logProbe) uri(field string, places []config.Location) string {
	names := []string{"apiKey"}
	for _, l := range places {
		if l.Place() == config.PlaceQuery {
			names = append(names, l.Names...)
		}
	}
	var query []string
	for _, name := range names {
		query = append(query, url.QueryEscape(name)+"="+p.canary(field))
	}
	return "/?" + strings.Join(query, "&")
}
