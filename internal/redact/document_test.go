package redact

import (
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// TestDocuments: the value of a parameter that is a JSON document goes as a whole, wherever
// a URL stands. Its name is a usual word: in other texts it means nothing.
func TestDocuments(t *testing.T) {
	n := NewNames()
	n.AddDocument(config.BodyIn{In: config.InForm, Names: []string{"body"}})
	if got := n.URL("/?data=eyJ0"); got != "/?data=eyJ0" {
		t.Errorf("before it is added: %s", got)
	}
	n.AddDocument(config.BodyIn{In: config.InQuery, Names: []string{"data"}})
	for in, want := range map[string]string{
		"/track?ip=1&data=eyJ0&a=b":         "/track?ip=1&data=REDACTED&a=b",
		"/track?data=%7B%22a%22%7D":         "/track?data=REDACTED",
		`/track?data={"a":1,"b":[2]}&c=d`:   "/track?data=REDACTED&c=d",
		"/track?DATA=eyJ0":                  "/track?DATA=REDACTED",
		"/track?d%61ta=eyJ0":                "/track?d%61ta=REDACTED",
		"/track?data[]=eyJ0":                "/track?data[]=REDACTED",
		"/track?metadata=eyJ0&data2=x":      "/track?metadata=eyJ0&data2=x",
		"/track?next=%2Ftrack%3Fdata%3DeyJ": "/track?next=REDACTED",
		"/data/eyJ0?body=x":                 "/data/eyJ0?body=x",
	} {
		if got := n.URL(in); got != want {
			t.Errorf("URL(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		`Post "http://b/track?data=eyJ0": refused`: `Post "http://b/track?data=REDACTED": refused`,
		"GET /?a=1&data=eyJ0+x HTTP/1.1":           "GET /?a=1&data=REDACTED HTTP/1.1",
		"data: no such file":                       "data: no such file",
		"reading data=3 of 4":                      "reading data=3 of 4",
		`{"data":"x"}`:                             `{"data":"x"}`,
	} {
		if got := n.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}
