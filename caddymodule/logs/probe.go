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

// logProbe is a log entry of a request and its answer, with a different value in every field
// that may hold a key. It finds out which of them a sink would write: the redact_keys
// encoder reports every text that it lets out. Encoders around it may have renamed or
// rewritten the fields before.
//
// Its fields are passed to zapcore.Core.With. That makes every sink's core encode them at
// once, whatever its level, and writes nothing.
type logProbe struct {
	marker   string            // goes through the redact_keys encoder unchanged
	canaries map[string]string // values that must not appear, with the field of each
	fields   []zapcore.Field

	encoded, cleaned int      // number of sinks, and of those with the redact_keys encoder
	seen             bool     // the encoder let the marker out
	leaked           []string // fields
}

// activeProbe is the probe to which the encoder reports.
var activeProbe atomic.Pointer[logProbe]

// passed reports a text that leaves the redact_keys encoder to the active probe, and returns
// the text.
func passed(text string) string {
	if p := activeProbe.Load(); p != nil {
		p.note(text)
	}
	return text
}

// note may be called with texts that others log at the same time. They contain none of the
// probe's values, so note does nothing.
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
	p.fields = []zapcore.Field{zap.Object("redact_keys_probe", p)}
	for _, uri := range p.uris("request>uri", places) {
		p.fields = append(p.fields, zap.Object("request", caddyhttp.LoggableHTTPRequest{
			Request:              &http.Request{Method: http.MethodPost, RequestURI: uri, Header: p.header("request>headers>", "Referer", places, identityHeader)},
			ShouldLogCredentials: logCredentials,
		}))
	}
	response := func(name string) zapcore.Field {
		return zap.Object(name, caddyhttp.LoggableHTTPHeader{Header: p.header(name+">", "Location", places, identityHeader), ShouldLogCredentials: logCredentials})
	}
	// The access log calls the headers of an answer resp_headers; reverse_proxy calls
	// them headers.
	p.fields = append(p.fields, response("resp_headers"), response("headers"))
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

// header returns headers with a key in each. The header link is a URL.
func (p *logProbe) header(path, link string, places []config.Location, identityHeader string) http.Header {
	h := http.Header{identityHeader: {p.canary(path + identityHeader)}, link: p.uris(path+link, places)}
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

// uris returns a URI with a key in every parameter that may have one, and one for every
// path that may.
func (p *logProbe) uris(field string, places []config.Location) []string {
	names := []string{"apiKey"}
	all := []string{""}
	for _, l := range places {
		switch l.Place() {
		case config.PlaceQuery:
			names = append(names, l.Names...)
		case config.PlacePath:
			for _, pattern := range l.Names {
				all = append(all, strings.Replace(pattern, "{"+config.KeySegment+"}", p.canary(field), 1))
			}
		default:
		}
	}
	var query []string
	for _, name := range names {
		query = append(query, url.QueryEscape(name)+"="+p.canary(field))
	}
	all[0] = "/?" + strings.Join(query, "&")
	return all
}
