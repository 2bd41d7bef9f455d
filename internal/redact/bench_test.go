package redact

import "testing"

func BenchmarkClean(b *testing.B) {
	n := NewNames()
	const (
		clean  = "/v1/project/p1/datasource/d1/stream/events?sync=true&page=2"
		secret = "/v1/track?apiKey=iak_live_PublicDemoKeyDoNotUse000000000010ZukjS&page=2"
	)
	for name, run := range map[string]func(){
		"Text":          func() { n.Text(clean) },
		"Text/with key": func() { n.Text(secret) },
		"Text/message":  func() { n.Text("handled request") },
		"URL":           func() { n.URL(clean) },
		"URL/with key":  func() { n.URL(secret) },
		"URL/escapes":   func() { n.URL("/v1/track?name=a%20b%2Fc&page=2+3") },
		"Query":         func() { n.Query("sync=true&page=2&name=abc") },
		"IsField":       func() { n.IsField("X-Forwarded-For") },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}
