package assertion

import (
	"encoding/base64"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestCompactReproducesRFCs(t *testing.T) {
	secret, err := b64("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, header, payload, want string
		sign                        signFunc
	}{
		{
			name:    "RFC 8037 appendix A.4",
			header:  `{"alg":"EdDSA"}`,
			payload: "Example of Ed25519 signing",
			sign:    signEd25519(rfc8037Key(t)),
			want:    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
		},
		{
			name:    "RFC 7515 appendix A.1",
			header:  "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}",
			payload: "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}",
			sign:    signHS256(secret),
			want:    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := base64.RawURLEncoding.EncodeToString([]byte(tt.header)) + "."
			got, err := compact(header, []byte(tt.payload), tt.sign)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("token = %s\nwant    %s", got, tt.want)
			}
		})
	}
}

// go-jose must agree about a token that was put together without it. Many ES256
// signatures have an r or s that begins with a zero byte.
func TestCompactIsReadByGoJose(t *testing.T) {
	for _, a := range []Algorithm{EdDSA, ES256} {
		t.Run(string(a), func(t *testing.T) {
			k, err := generateKey(a)
			if err != nil {
				t.Fatal(err)
			}
			for range 600 {
				token, err := compact(k.header, []byte(`{"sub":"account"}`), k.sign)
				if err != nil {
					t.Fatal(err)
				}
				parsed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(a)})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := parsed.Verify(k.private.Public()); err != nil {
					t.Fatal(err)
				}
				if got := parsed.Signatures[0].Header.KeyID; got != k.id {
					t.Fatalf("kid = %s, want %s", got, k.id)
				}
			}
		})
	}
}
