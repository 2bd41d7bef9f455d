package assertion

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sampleDocument has the key of RFC 8037 appendix A.1.
const sampleDocument = `{"keys":[{"created":"2026-01-02T03:04:05Z","signs_from":"2026-01-02T03:04:05.678Z","jwk":` + rfc8037JWK + `}]}`

const rfc8037JWK = `{"use":"sig","kty":"OKP","kid":"` + rfc8037Thumbprint + `","crv":"Ed25519","alg":"EdDSA",` +
	`"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"` + rfc8037D + `"}`

func TestDecodeDocument(t *testing.T) {
	keys, err := decodeDocument(EdDSA, []byte(sampleDocument))
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 1 || !rfc8037Key(t).Equal(keys[0].private) || keys[0].id != rfc8037Thumbprint {
		t.Fatalf("decoded %d keys, or the wrong one", len(keys))
	}
	k := keys[0]
	got := []time.Time{k.created, k.signsFrom, k.retire}
	want := []time.Time{
		time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), {},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
	if data, err := encodeDocument(EdDSA, keys); err != nil || string(data) != sampleDocument {
		t.Errorf("encoded again as\n%s\nwant\n%s (%v)", data, sampleDocument, err)
	}
}

func TestDocumentRoundTrip(t *testing.T) {
	for _, a := range []Algorithm{EdDSA, ES256} {
		t.Run(string(a), func(t *testing.T) {
			s := newSchedule(validOptions(a))
			var keys []*key
			now := time.Now()
			for range 3 {
				k, err := generateKey(a)
				if err != nil {
					t.Fatal(err)
				}
				keys, _ = s.settle(s.add(keys, k, now), now)
				now = now.Add(time.Hour)
			}
			data, err := encodeDocument(a, keys)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeDocument(a, data)
			if err != nil {
				t.Fatal(err)
			}
			type plain struct {
				ID                         string
				Created, SignsFrom, Retire time.Time
			}
			flat := func(keys []*key) (out []plain) {
				for _, k := range keys {
					out = append(out, plain{k.id, k.created, k.signsFrom, k.retire})
				}
				return out
			}
			if diff := cmp.Diff(flat(keys), flat(got)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeDocumentRefuses(t *testing.T) {
	member := func(name, old, replacement string) string {
		return strings.Replace(sampleDocument, `"`+name+`":"`+old, `"`+name+`":"`+replacement, 1)
	}
	key := strings.TrimSuffix(strings.TrimPrefix(sampleDocument, `{"keys":[`), `]}`)
	ec, err := generateKey(ES256)
	if err != nil {
		t.Fatal(err)
	}
	ecJWK, err := json.Marshal(ec.jwk(ES256, ec.private))
	if err != nil {
		t.Fatal(err)
	}
	public := strings.Replace(sampleDocument, `,"d":"`+rfc8037D+`"`, "", 1)
	tests := []struct{ name, document string }{
		{"empty", ""},
		{"cut off", sampleDocument[:len(sampleDocument)-3]},
		{"not JSON", "\x00" + sampleDocument},
		{"data after the document", sampleDocument + "{}"},
		{"null", "null"},
		{"no keys", `{"keys":[]}`},
		{"the same key twice", `{"keys":[` + key + `,` + key + `]}`},
		{"public key only", public},
		{"d of another key", member("d", "nWGx", "nWGy")},
		{"d too short", member("d", "nWGx", "")},
		{"d not base64url", member("d", "nWGx", "nW+x")},
		{"d is a number", strings.Replace(sampleDocument, `"`+rfc8037D+`"`, "1", 1)},
		{"x of another key", member("x", "11qY", "11qZ")},
		{"kid of another key", member("kid", "kPrK", "kPrL")},
		{"another curve", member("crv", "Ed25519", "Ed448")},
		{"key of another algorithm", strings.Replace(sampleDocument, rfc8037JWK, string(ecJWK), 1)},
		{"no key", strings.Replace(sampleDocument, rfc8037JWK, "null", 1)},
		{"no created", member("created", "2026-01-02T03:04:05Z", "0001-01-01T00:00:00Z")},
		{"no signs_from", member("signs_from", "2026-01-02T03:04:05.678Z", "0001-01-01T00:00:00Z")},
		{"time without a zone", member("created", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.document == sampleDocument {
				t.Fatal("the test did not damage the document")
			}
			_, err := decodeDocument(EdDSA, []byte(tt.document))
			if err == nil {
				t.Fatal("accepted")
			}
			assertNoPrivatePart(t, err.Error(), rfc8037D)
		})
	}
}

// assertNoPrivatePart fails if text contains any eight characters of d.
func assertNoPrivatePart(t *testing.T, text, d string) {
	t.Helper()
	for i := range len(d) - 8 {
		if strings.Contains(text, d[i:i+8]) {
			t.Errorf("private key material in %q", text)
			return
		}
	}
}

// A damaged document can have the private key anywhere, where the errors of JSON
// and JOSE libraries like to quote it.
func TestDecodeErrorsDoNotQuote(t *testing.T) {
	ec := strings.Replace(sampleDocument, `"kty":"OKP"`, `"kty":"EC"`, 1)
	for _, name := range []string{"crv", "kty", "x", "d", "kid", "created", "signs_from"} {
		for kty, document := range map[string]string{"OKP": sampleDocument, "EC": ec} {
			t.Run(kty+" "+name, func(t *testing.T) {
				for _, value := range []string{`"` + rfc8037D + `"`, `"` + rfc8037D + `!"`, rfc8037D, "123456789"} {
					member := regexp.MustCompile(`"` + name + `":"[^"]*"`)
					data := member.ReplaceAllString(document, `"`+name+`":`+value)
					_, err := decodeDocument(EdDSA, []byte(data))
					if err == nil {
						if data == document {
							continue // d is where it belongs
						}
						t.Fatalf("accepted %s", data)
					}
					assertNoPrivatePart(t, err.Error(), rfc8037D)
					assertNoPrivatePart(t, err.Error(), "123456789")
				}
			})
		}
	}
}

// FuzzDocument checks that what is accepted is a usable set of keys that encodes
// to a document with the same meaning.
func FuzzDocument(f *testing.F) {
	f.Add([]byte(sampleDocument))
	f.Add([]byte(strings.Replace(sampleDocument, `"jwk"`, `"retire":"2026-01-03T00:00:00+01:00","jwk"`, 1)))
	f.Add([]byte(`{"keys":[]}`))
	f.Add([]byte(`{"keys":[{"jwk":null}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := decodeDocument(EdDSA, data)
		if err != nil {
			return
		}
		once, err := encodeDocument(EdDSA, keys)
		if err != nil {
			t.Fatalf("accepted, but cannot be encoded: %v", err)
		}
		again, err := decodeDocument(EdDSA, once)
		if err != nil {
			t.Fatalf("its own encoding is refused: %v", err)
		}
		twice, err := encodeDocument(EdDSA, again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("encodes to\n%s\nand then to\n%s (%v)", once, twice, err)
		}
	})
}
