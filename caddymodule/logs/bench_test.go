package logs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule/logs"
	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// accessRequest is a request as browsers and proxies send it.
func accessRequest() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/project/p1/datasource/d1/stream/events?sync=true&page=2", nil)
	for name, value := range map[string]string{
		"User-Agent":      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
		"Accept":          "application/json, text/plain;q=0.9, */*;q=0.8",
		"Accept-Encoding": "gzip, deflate, br, zstd", "Accept-Language": "en-US,en;q=0.9", "Content-Type": "application/json",
		"Content-Length": "1042", "X-Request-Id": "0d3f6c1e-8a52-4d3b-9c1f-7f3b9c1d5e21", "X-Forwarded-For": "192.0.2.1, 198.51.100.7",
		"Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"Origin":      "https://app.example.com", "Referer": "https://app.example.com/projects/p1/sources?tab=live",
		"X-Api-Key": "iak_live_PublicDemoKeyDoNotUse000000000010ZukjS",
	} {
		r.Header.Set(name, value)
	}
	return r
}

// keyFile knows keys as a file does.
type keyFile map[keysync.Digest]bool

func (k keyFile) Knows(d keysync.Digest) bool { return k[d] }

// BenchmarkAccessLogEntry is an entry of the access log as Caddy writes it, by the encoder
// and by the one that it wraps. A source knows 1,000 keys, and the places of keys have names.
func BenchmarkAccessLogEntry(b *testing.B) {
	clean, stock := encoders(b)
	file := keyFile{}
	for i := range 1000 {
		file[keysync.DigestOf(fmt.Append(nil, "another key ", i))] = true
	}
	b.Cleanup(logs.Names.AddSource(file))
	for _, place := range config.DefaultLocations() {
		logs.Names.AddLocation(place)
	}
	request := accessRequest()
	response := http.Header{
		"Server": {"Caddy"}, "Content-Type": {"application/json"}, "Date": {"Mon, 03 Nov 2025 12:00:00 GMT"},
		"X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Remaining": {"999"}, "X-Ratelimit-Reset": {"1762171200"},
	}
	for name, enc := range map[string]zapcore.Encoder{"redact_keys": clean, "json": stock} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				context := enc.Clone()
				zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: request}).AddTo(context)
				buf, err := context.EncodeEntry(zapcore.Entry{LoggerName: "http.log.access.log0", Message: "handled request", Time: time.Unix(1, 0)}, []zapcore.Field{
					zap.Int("bytes_read", 1042), zap.String("user_id", "key_5XqGZ0yH2bTn"), zap.Duration("duration", time.Millisecond),
					zap.Int("size", 2), zap.Int("status", 200),
					zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: response}),
					zap.String("key_id", "key_5XqGZ0yH2bTn"), zap.String("account", "acme"), zap.String("mode", "live"), zap.String("verdict", "allowed"),
				})
				if err != nil {
					b.Fatal(err)
				}
				buf.Free()
			}
		})
	}
}
