package verify_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/verify"
)

// Keys of different types may have the same name (RFC 7517 section 4.5).
func TestSameNameForTwoKeys(t *testing.T) {
	ed, ec := newKey(t, "EdDSA", "k"), newKey(t, "ES256", "k")
	v := newVerifier(t, newGate(ed, ec).options())
	for range 20 {
		check(t, v, ed, "")
		check(t, v, ec, "")
	}
}

func TestRedirects(t *testing.T) {
	k := newKey(t, "EdDSA", "k")
	keys := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(encode(members{"keys": []members{k.jwk()}}))
	}
	other := httptest.NewServer(http.HandlerFunc(keys))
	defer other.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", keys)
	mux.Handle("/here", http.RedirectHandler("/keys", http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	mux.Handle("/there", http.RedirectHandler(other.URL, http.StatusFound))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	for path, want := range map[string]string{
		"/keys": "", "/here": "", "/round": verify.CodeNoKeys, "/there": verify.CodeNoKeys, "/nowhere": verify.CodeNoKeys,
	} {
		v := newVerifier(t, verify.Options{JWKS: srv.URL + path, Audience: "backend", Client: srv.Client()})
		if got := code(t, v, post("", k.token(claims()))); got != want {
			t.Errorf("%s: code %q, want %q", path, got, want)
		}
	}
}

// answer is a transport that answers with a status and a body, and notes when the body
// is closed: one that is left open keeps a connection.
type answer struct {
	status int
	body   string
	closed chan struct{}
}

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Request: r, Body: struct {
		io.Reader
		io.Closer
	}{strings.NewReader(a.body), a}}, nil
}

func (a answer) Close() error {
	close(a.closed)
	return nil
}

func TestAnswersAreClosed(t *testing.T) {
	k := newKey(t, "EdDSA", "k")
	good := string(encode(members{"keys": []members{k.jwk()}}))
	for name, a := range map[string]answer{
		"good": {status: 200, body: good}, "an error": {status: 500, body: good},
		"broken": {status: 200, body: "{"}, "too long": {status: 200, body: good + strings.Repeat(" ", 256<<10)},
	} {
		a.closed = make(chan struct{})
		v := newVerifier(t, verify.Options{JWKS: jwksURL, Audience: "backend", Client: &http.Client{Transport: a}})
		code(t, v, post("", k.token(claims())))
		select {
		case <-a.closed:
		default:
			t.Errorf("%s: the body is still open", name)
		}
	}
}
