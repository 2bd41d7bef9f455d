package examples_test

import (
	"crypto/rand"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// row is one thing that a page says a client gets.
type row struct {
	says   string // the sentence
	when   string // the case of it
	req    gatetest.Request
	status int
	body   string // of the answer
	header pairs  // of the answer: value by name, "" for none, "*" for any one
	seen   *seen  // by the backend, nil for nothing
}

// seen is what a backend got.
type seen struct {
	byTest bool   // not the live backend but the one for test keys
	uri    string // default: the target of the request
	body   string
	claims claims // that the assertion must have, among others
}

type (
	pairs  = map[string]string
	claims = map[string]any
)

// day stands for the end of the UTC day, in Unix seconds, in answers that a row
// expects: when the limits of the slow keys are reset.
const day = "{day}"

// anyKey is what all keys of the examples begin with, and nothing else does.
const anyKey = "EXAMPLE-"

// run sends the requests of all rows, in their order, in every framing. Every
// framing has its own gate, whose limits nobody has used.
func run(t *testing.T, name string, more map[string]gatetest.Record, rows []row) {
	for _, framing := range gatetest.Framings {
		t.Run(string(framing), func(t *testing.T) {
			ex := start(t, name, more)
			for _, r := range rows {
				t.Run(r.says+" – "+r.when, func(t *testing.T) {
					r.req.Framing = framing
					ex.check(t, r)
				})
			}
		})
	}
}

func (ex *example) check(t *testing.T, r row) {
	t.Helper()
	mark := rand.Text()
	r.req.Header.Set(testMark, mark)
	resp := ex.Do(t, r.req)
	expand := strings.NewReplacer(day, endOfDay()).Replace
	if resp.Status != r.status || resp.Body != expand(r.body) {
		t.Errorf("answered %d %s, want %d %s", resp.Status, resp.Body, r.status, expand(r.body))
	}
	for name, want := range r.header {
		got := strings.Join(resp.Header.Values(name), " and ")
		if got != expand(want) && (want != "*" || got == "") {
			t.Errorf("%s: %q, want %q", name, got, expand(want))
		}
	}
	live, test := marked(ex.live, mark), marked(ex.test, mark)
	switch {
	case r.seen == nil:
		if len(live)+len(test) != 0 {
			t.Errorf("the backend saw a request that was refused:\n%s", append(live, test...)[0])
		}
	case r.seen.byTest:
		checkSeen(t, r, test, live)
	default:
		checkSeen(t, r, live, test)
	}
}

// testMark is a header that tells the requests of a row from those of strangers:
// other tests may still call a server that had the port of a recorder.
const testMark = "X-Test-Mark"

func marked(u *gatetest.Upstream, mark string) []gatetest.Seen {
	return slices.DeleteFunc(u.Take(), func(s gatetest.Seen) bool { return s.Header.Get(testMark) != mark })
}

// checkSeen checks what the right backend saw, and that the other saw nothing.
func checkSeen(t *testing.T, r row, right, other []gatetest.Seen) {
	t.Helper()
	if len(right) != 1 || len(other) != 0 {
		t.Fatalf("the right backend saw %d requests and the other %d, want 1 and 0:\n%s", len(right), len(other), append(right, other...))
	}
	got, uri := right[0], r.seen.uri
	if uri == "" {
		uri = r.req.Target
	}
	if got.URI != uri || got.Body != r.seen.body || r.req.Method != "" && got.Method != r.req.Method {
		t.Errorf("the backend saw %s %s %s, want %s %s", got.Method, got.URI, got.Body, uri, r.seen.body)
	}
	if strings.Contains(got.String(), anyKey) {
		t.Errorf("the backend saw a key:\n%s", got)
	}
	all := gatetest.Claims(t, got.Header.Get("X-Ingest-Identity"))
	for name, want := range r.seen.claims {
		if !reflect.DeepEqual(all[name], want) {
			t.Errorf("claim %s is %v, want %v", name, all[name], want)
		}
	}
}

func endOfDay() string {
	return strconv.FormatInt(time.Now().UTC().Truncate(24*time.Hour).Add(24*time.Hour).Unix(), 10)
}

// send makes a request with a JSON body, or with none. Headers are written like
// "Name: value"; they replace the type of the body.
func send(method, target, body string, headers ...string) gatetest.Request {
	req := gatetest.Request{Method: method, Target: target, Body: body, Header: http.Header{}}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if value == "" {
			req.Header.Del(name)
			continue
		}
		req.Header.Set(name, value)
	}
	return req
}

func get(target string, headers ...string) gatetest.Request {
	return send(http.MethodGet, target, "", headers...)
}

func post(target, body string, headers ...string) gatetest.Request {
	return send(http.MethodPost, target, body, headers...)
}

func bearer(key string) string { return "Authorization: Bearer " + key }
