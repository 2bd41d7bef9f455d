package gate_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/decodertest"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
)

// FuzzForwarded: of a request that has its key in random places, in random encodings, nothing
// is forwarded that decodes to it.
func FuzzForwarded(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 500 {
		seed := make([]byte, 10+r.IntN(120))
		for i := range seed {
			seed[i] = byte(r.IntN(256))
		}
		f.Add(seed)
	}
	var forwarded string
	backend := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var all strings.Builder
		fmt.Fprintf(&all, "%s\n%s\n%s\n%s\n", r.RequestURI, r.URL.Path, r.URL.RawQuery, body)
		r.Header.Del(identityHeader)
		_ = r.Header.Write(&all)
		forwarded = all.String()
	})
	settings := config.Gate{Credentials: append(config.DefaultLocations(), config.Location{In: config.InForm, Names: []string{"key"}})}
	handler := middleware(backend, newGate(f, settings, oneKey, func(*gate.Options) {}))
	f.Fuzz(func(t *testing.T, seed []byte) {
		q := randomRequest(t, seed)
		sent := fmt.Sprint(q.RequestURI, q.Header)
		forwarded = ""
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, q)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", sent, w.Code, w.Body)
		}
		if how := decodertest.Holds(forwarded, keyA); how != "" {
			t.Errorf("%s\n forwarded %s\nwith the key in %s", sent, forwarded, how)
		}
	})
}

// randomRequest makes a request of what a fuzzer chooses.
func randomRequest(t *testing.T, seed []byte) *http.Request {
	t.Helper()
	next := func(n int) int {
		if len(seed) == 0 {
			return 0
		}
		v := int(seed[0]) % n
		seed = seed[1:]
		return v
	}
	text := func(pieces []string, escape func(string) string) string {
		var b strings.Builder
		for range next(4) {
			switch next(5) {
			case 0:
				b.WriteString(escape(keyA))
			case 1:
				i := next(len(keyA))
				b.WriteString(escape(keyA[:i]) + fmt.Sprintf("%%%02x", keyA[i]) + escape(keyA[i+1:]))
			case 2:
				b.WriteString(base64.RawURLEncoding.EncodeToString([]byte("xyz"[:next(4)] + keyA + "xyz"[:next(4)])))
			default:
				b.WriteString(pieces[next(len(pieces))])
			}
		}
		return b.String()
	}
	same := func(s string) string { return s }
	plain := []string{"a", "b1", "-", "_", "%20", "AAAA", keyA[:9], keyA[9:]}
	target := "/" + text(plain, url.PathEscape) + "/x?" + text(plain, url.QueryEscape) + "=" + text(plain, url.QueryEscape) + "&b=" + text(plain, url.QueryEscape)
	loose := append([]string{" ", ",", ";", "=", "&", "?", `"`, "https://x/?k="}, plain...)
	inJSON := func(s string) string {
		if next(2) == 0 {
			return s
		}
		i := next(len(s) + 1)
		var b strings.Builder
		for _, r := range s[:i] {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		return b.String() + s[i:]
	}
	types := []string{"application/json", "application/x-www-form-urlencoded", "application/x-ndjson"}
	kind := next(len(types))
	body := text(plain, url.QueryEscape) + "=" + text(plain, url.QueryEscape) + "&x"
	if types[kind] != types[1] {
		body = `{"` + text(plain, inJSON) + `":{"b":["` + text(plain, inJSON) + `",1],"c":"` + text(append(plain, `\n`, `\"`, `\\`), inJSON) + `"}}`
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	r.Header = http.Header{
		"X-Api-Key": {keyA}, "Content-Type": {types[kind]}, "X-Any": {text(loose, same)}, "Cookie": {text(loose, same)}, "Referer": {text(loose, same)},
		"Authorization": {"Token " + text(loose, same)},
	}
	return r
}
