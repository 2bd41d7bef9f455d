package verify_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ingestauth/caddy-ingest-auth/verify"
)

func TestBinding(t *testing.T) {
	k := newKey(t, "EdDSA", "ed")
	const body = `{"a":1}`
	full := bound("POST", "/v1/a%2Fb", "x=1", body)
	onlyRequest := full.with("hbd", nil)
	const ok, invalid = "", verify.CodeInvalid
	tests := []struct {
		name   string
		claims members
		body   string
		want   map[verify.Binding]string
	}{
		{"body", full, body, map[verify.Binding]string{"": ok, "request": ok, "body": ok}},
		{"request", onlyRequest, body, map[verify.Binding]string{"": ok, "request": ok, "body": invalid}},
		{"nothing", claims(), body, map[verify.Binding]string{"": ok, "request": invalid, "body": invalid}},
		{"no body", bound("POST", "/v1/a%2Fb", "x=1", ""), "", map[verify.Binding]string{"": ok, "request": ok, "body": ok}},
		{"no method", full.with("htm", nil), body, map[verify.Binding]string{"": ok, "request": invalid, "body": invalid}},
		{"no path", full.with("htp", nil), body, map[verify.Binding]string{"": ok, "request": invalid, "body": invalid}},
		{"no query", full.with("hqd", nil), body, map[verify.Binding]string{"": ok, "request": invalid, "body": invalid}},
		{"other method", full.with("htm", "PUT"), body, map[verify.Binding]string{"": invalid, "request": invalid, "body": invalid}},
		{"empty method", full.with("htm", ""), body, map[verify.Binding]string{"": invalid}},
		{"other path", full.with("htp", "/v1/a"), body, map[verify.Binding]string{"": invalid, "request": invalid, "body": invalid}},
		{"path without its escapes", full.with("htp", "/v1/a/b"), body, map[verify.Binding]string{"": invalid}},
		{"other query", full.with("hqd", digest("x=2")), body, map[verify.Binding]string{"": invalid, "request": invalid, "body": invalid}},
		{"empty query digest", full.with("hqd", ""), body, map[verify.Binding]string{"": invalid}},
		{"other body", full, body + " ", map[verify.Binding]string{"": invalid, "request": invalid, "body": invalid}},
		{"shorter body", full, "", map[verify.Binding]string{"": invalid}},
		{"empty body digest", full.with("hbd", ""), body, map[verify.Binding]string{"": invalid}},
	}
	for _, tt := range tests {
		for bind, want := range tt.want {
			t.Run(tt.name+" with bind "+string(bind), func(t *testing.T) {
				o := newGate(k).options()
				o.Bind = bind
				r := post(tt.body, k.token(tt.claims))
				if got := code(t, newVerifier(t, o), r); got != want {
					t.Fatalf("code %q, want %q", got, want)
				}
				if left, err := io.ReadAll(r.Body); want == ok && (err != nil || string(left) != tt.body) {
					t.Errorf("body left to read is %q, %v", left, err)
				}
			})
		}
	}
}

func TestBodyLimit(t *testing.T) {
	k := newKey(t, "EdDSA", "ed")
	o := newGate(k).options()
	o.MaxBody = 8
	v := newVerifier(t, o)
	for body, want := range map[string]string{"12345678": "", "123456789": verify.CodeBodyTooLong} {
		for _, chunked := range []bool{false, true} {
			r := post(body, k.token(bound("POST", "/v1/a%2Fb", "x=1", body)))
			if chunked {
				r.ContentLength = -1
			}
			if got := code(t, v, r); got != want {
				t.Errorf("%d bytes, chunked %v: code %q, want %q", len(body), chunked, got, want)
			}
		}
	}
	if got := code(t, v, post("123456789", k.token(claims()))); got != "" {
		t.Errorf("a body that nothing is bound to: code %q", got)
	}
}

// A body is read for those whom the gate has signed, and not for anybody.
func TestBodyIsNotReadForNothing(t *testing.T) {
	k, stranger := newKey(t, "EdDSA", "ed"), newKey(t, "EdDSA", "ed")
	v := newVerifier(t, newGate(k).options())
	good := bound("POST", "/v1/a%2Fb", "x=1", "")
	for name, token := range map[string]string{
		"unbound":  k.token(claims()),
		"stranger": stranger.token(good),
		"expired":  k.token(good.with("exp", 1)),
		"path":     k.token(good.with("htp", "/")),
	} {
		r := post("", token)
		r.Body = io.NopCloser(iotest.ErrReader(errors.New("the body was read")))
		if got := code(t, v, r); got == verify.CodeUnreadable {
			t.Errorf("%s: the body was read", name)
		}
	}
	r := post("", k.token(good))
	r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := v.Verify(r); !errors.Is(err, io.ErrUnexpectedEOF) || err.(*verify.Error).Status != http.StatusBadRequest {
		t.Errorf("a body that breaks off: %v", err)
	}
}

// endless is a body that does not end, and counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	if e.read > 1<<20 {
		return 0, errors.New("nobody should read so much")
	}
	return len(p), nil
}

func TestEndlessBodyIsNotRead(t *testing.T) {
	k := newKey(t, "EdDSA", "ed")
	o := newGate(k).options()
	o.MaxBody = 1000
	r := post("", k.token(bound("POST", "/v1/a%2Fb", "x=1", "")))
	body := &endless{}
	r.Body, r.ContentLength = io.NopCloser(body), -1
	if got := code(t, newVerifier(t, o), r); got != verify.CodeBodyTooLong || body.read > 1001 {
		t.Errorf("code %q after %d bytes", got, body.read)
	}
}

// Over HTTP, where bodies are streams and requests have no bodies at all.
func TestBindingOverHTTP(t *testing.T) {
	k := newKey(t, "EdDSA", "ed")
	o := newGate(k).options()
	o.Bind, o.MaxBody = verify.BindBody, 1<<16
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	srv := httptest.NewServer(newVerifier(t, o).Handler(echo))
	defer srv.Close()
	for _, tt := range []struct {
		method, body string
		status       int
	}{
		{"GET", "", 200},
		{"POST", strings.Repeat("x", 1<<16), 200},
		{"POST", strings.Repeat("x", 1<<16+1), 413},
	} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(tt.body)
			if chunked {
				body = struct{ io.Reader }{body}
			}
			r, err := http.NewRequest(tt.method, srv.URL+"/p?q", body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Ingest-Identity", k.token(bound(tt.method, "/p", "q", tt.body)))
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != tt.status || (tt.status == 200 && string(got) != tt.body) {
				t.Errorf("%s of %d bytes, chunked %v: %d, %d bytes, %v", tt.method, len(tt.body), chunked, resp.StatusCode, len(got), err)
			}
		}
	}
}
