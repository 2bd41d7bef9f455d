//go:build linux

package rig

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
)

// GetWithKey is a request with a key in a header.
func GetWithKey(key string) []byte {
	return fmt.Appendf(nil, "GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: %s\r\n\r\n", key)
}

// PostWithKey is a request with a body of JSON that has so many bytes and a key in it.
func PostWithKey(key string, size int) []byte {
	return post(eventsWithKey(key, size), "")
}

// PostGzip is the same with the body compressed; size is that of the JSON.
func PostGzip(key string, size int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(eventsWithKey(key, size)) // never fails, nor does Close
	_ = w.Close()
	return post(b.Bytes(), "Content-Encoding: gzip\r\n")
}

func post(body []byte, fields string) []byte {
	return append(fmt.Appendf(nil, "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"+
		"%sContent-Length: %d\r\n\r\n", fields, len(body)), body...)
}

// eventsWithKey returns a JSON object of so many bytes, at least 300: events as clients batch them,
// and behind them the key, so that all of it is read to find it.
func eventsWithKey(key string, size int) []byte {
	tail := fmt.Sprintf(`"token":%q,"userId":"u-123456"}`, key)
	b := []byte(`{"batch":[`)
	for i := 0; ; i++ {
		event := fmt.Sprintf(`{"event":"page_view","timestamp":"2026-01-02T03:04:05.678Z","messageId":"%032x",`+
			`"properties":{"path":"/pricing/%d","referrer":"https://example.com/","width":1440}},`, 7919*i, i)
		if len(b)+len(event)+len(`{}],"padding":"",`)+len(tail) > size {
			break
		}
		b = append(b, event...)
	}
	b = append(b, `{}],"padding":"`...)
	b = append(b, strings.Repeat("x", max(size-len(b)-len(`",`)-len(tail), 0))...)
	return append(append(b, `",`...), tail...)
}
