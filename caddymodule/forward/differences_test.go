package forward_test

import (
	"fmt"
	"testing"
)

// TestDifferencesAreSeen compares reverse_proxy with ingest_forward on a site on which a little is
// not the same, another thing for each path: all that these tests compare has to be noticed.
func TestDifferencesAreSeen(t *testing.T) {
	l := start(t).lane(t, "different")
	answer := answer{name: "gzip", bytes: withLength(head+"X-A: b\r\nContent-Type: a/b\r\nContent-Encoding: gzip\r\n", zipped("hello"))}
	for _, path := range []string{
		"up", "up-empty", "up-order", "agent", "target", "query", "method", "host", "body", "backend", "gzip",
		"down", "down-twice", "gone", "server", "status", "close", "type", "abort", "error", "log", "502", "slow", "same",
	} {
		for _, q := range []request{{target: "/" + path}, {target: "/" + path, method: "POST", framing: length, body: "abc"}} {
			if x := in(q, answer); !l.takes(x) {
				continue
			}
			q.name = fmt.Sprint(q.method, q.target)
			seen := l.diff(in(q, answer)) != ""
			if want := path != "same" && (path != "method" || q.method == "") && (path != "body" || q.method != ""); seen != want {
				t.Errorf("%s %s: a difference is seen: %v", q.method, path, seen)
			}
		}
	}
}

const different = `
	request_header /up X-More 1
	request_header /up-empty X-More ""
	request_header /up-order +Accept a
	request_header /agent User-Agent x
	rewrite /target /targeT
	rewrite /query /query?x
	@method {
		path /method
		method GET
	}
	method @method POST
	request_header /host Host example.tesT
	request_header /body Transfer-Encoding chunked
	header /down X-More 1
	header /down-twice +X-A b
	header /gone {
		-X-A
		defer
	}
	header /server {
		Server x
		defer
	}
	header /close Connection close
	header /type {
		Content-Type a/c
		defer
	}
	log_append /log more 1
	handle /backend {
		{{proxy}} {{2}}
	}
	handle /gzip {
		{{proxy}} {{1}} {
			transport http {
				compression off
			}
		}
	}
	handle /status {
		{{proxy}} {{1}} {
			replace_status 202
		}
	}
	handle /abort {
		abort
	}
	handle /error {
		error 418
	}
	handle /502 {
		{{proxy}} {{dead}}
	}
	handle /body {
		{{proxy}} {{1}} {
			method GET
		}
	}
	handle /slow {
		{{proxy}} {{1}} {
			header_down -Content-Type
		}
	}
	handle {
		{{proxy}} {{1}}
	}
`
