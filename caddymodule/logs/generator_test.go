package logs_test

import (
	"context"
	"encoding/base64"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// generator makes up entries, with keys in them or not.
type generator struct {
	*rand.Rand
	keys bool
}

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// entry makes up an entry whose headers have one field at most: the order of several is any.
func (g generator) entry() (l logged) {
	l.entry = zapcore.Entry{Level: zapcore.InfoLevel, LoggerName: "http.log.access", Message: g.text(), Time: time.Unix(g.Int64N(1e9), 0).UTC()}
	if g.IntN(4) == 0 {
		l.entry.Stack = g.text()
	}
	request := caddyhttp.LoggableHTTPRequest{Request: g.request(), ShouldLogCredentials: g.IntN(2) == 0}
	l.context = append(g.fields(g.IntN(2)), zap.Object("request", request))
	l.fields = g.fields(g.IntN(4))
	return l
}

func (g generator) request() *http.Request {
	vars := map[string]any{caddyhttp.ClientIPVarKey: g.text()}
	r := &http.Request{
		Method: http.MethodGet, Proto: "HTTP/1.1", RemoteAddr: g.pick("192.0.2.1:80", "[2001:db8::1]:80", "", "x"),
		Host: g.text(), RequestURI: "/" + g.text(), Header: g.header(1),
	}
	if g.IntN(8) == 0 {
		r.TransferEncoding = []string{"chunked"}
	}
	return r.WithContext(context.WithValue(context.Background(), caddyhttp.VarsCtxKey, vars))
}

func (g generator) header(most int) http.Header {
	if g.IntN(10) == 0 {
		return nil
	}
	h := http.Header{}
	for range g.IntN(most + 1) {
		name := g.pick("User-Agent", "Accept", "Cookie", "cookie", "Set-Cookie", "Authorization", "PROXY-AUTHORIZATION", "Referer", "Location",
			"Date", "X-9A1b2c3d4", "X-Odd\"\n", "", "Etag", "Server", "Via", "X-Request-Id", "Content-Type", "X-Forwarded-For")
		if g.keys && g.IntN(4) == 0 {
			name = g.pick("X-Api-Key", "x_token")
		}
		h[name] = nil
		for range g.IntN(3) {
			h[name] = append(h[name], g.text())
		}
	}
	return h
}

// fields makes up 2n fields.
func (g generator) fields(n int) (fields []zapcore.Field) {
	for range n {
		text, name := g.text(), g.pick("msg", "uri", "user_id", "key_id", "error", "url.full")
		if g.keys && g.IntN(4) == 0 {
			name = "token"
		}
		fields = append(fields, everyField[g.IntN(len(everyField)-1)], []zapcore.Field{ // without the request
			zap.String(name, text), zap.ByteString(name, []byte(text)), zap.Binary(name, []byte(text)), zap.Strings(name, []string{"a", text}),
			zap.Reflect(name, map[string]any{"a": strings.ToValidUTF8(text, "")}), zap.Dict(name, zap.String("in", text), zap.Dict("deeper", zap.String("in", text)), zap.Int("n", 1)),
			zap.Object(name, caddyhttp.LoggableHTTPHeader{Header: g.header(1)}), zap.Namespace(name),
			zap.Array(name, caddyhttp.LoggableStringArray{text, "a"}), zap.Array(name, caddyhttp.LoggableStringArray(nil)),
			zap.Inline(caddyhttp.LoggableHTTPRequest{Request: g.request()}),
			zap.Objects(name, []caddyhttp.LoggableHTTPHeader{{Header: g.header(1)}, {}}),
		}[g.IntN(12)])
	}
	return fields
}

func (g generator) text() string {
	var b strings.Builder
	for range g.IntN(5) {
		b.WriteString(g.pick("a", "/v1/events", "?", "&", "x=1", " ", "text/html", "\"", "\\", "\n", "\xff", "é", "{", "1042", "Mozilla/5.0"))
		if g.keys {
			b.WriteString(g.pick("", "", "token=", "apiKey: ", "Bearer ", "%zz", "<"+keyA+">", url.QueryEscape("/?a="+keyA+"&"),
				" "+base64.StdEncoding.EncodeToString([]byte("user:"+keyA))+" "))
		}
	}
	return b.String()
}
