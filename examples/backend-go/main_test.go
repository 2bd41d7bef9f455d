package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/verify"
)

var secret = []byte("a secret of at least 32 bytes, long enough")

func token(claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	input := b64([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64([]byte(claims))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}

func post(t *testing.T, assertion string) *httptest.ResponseRecorder {
	t.Helper()
	h, err := newHandler(verify.Options{Secret: secret, Audience: "backend"})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/a%2Fb?x=1", nil)
	r.Header.Set("X-Ingest-Identity", assertion)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswer(t *testing.T) {
	w := post(t, token(`{"iss":"ingest-auth","aud":"backend","exp":9999999999,"sub":"acct_1","key_id":"key_1","mode":"test","res":{"project":"p1"}}`))
	want := `{"account":"acct_1","key_id":"key_1","method":"POST","mode":"test","path":"/v1/a%2Fb","res":{"project":["p1"]}}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
		t.Errorf("%d %s, want %s", w.Code, got, want)
	}
}

func TestRefusalIsLoggedWithoutTheAssertion(t *testing.T) {
	var out bytes.Buffer
	log.SetOutput(&out)
	defer log.SetOutput(os.Stderr)
	assertion := token(`{"iss":"ingest-auth","aud":"other","exp":9999999999,"key_id":"key_1"}`)
	w := post(t, assertion)
	if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusUnauthorized || got != `{"error":"no valid assertion"}` {
		t.Errorf("%d %s", w.Code, got)
	}
	if out.Len() == 0 || strings.Contains(out.String(), assertion[len(assertion)-20:]) {
		t.Errorf("log: %q", &out)
	}
}
