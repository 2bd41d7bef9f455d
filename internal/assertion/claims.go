package assertion

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Claims are what an assertion says about the caller. Empty claims are left out.
// Sign adds the registered claims iss, aud, iat, exp (RFC 7519 section 4.1) and
// jti, which is new for every token. All strings must be UTF-8.
//
// Names that are registered for JSON Web Tokens have their registered meaning:
// sub (RFC 7519), scope (RFC 8693 section 4.2) and htm (RFC 9449 section 4.2).
// The other names are private. Path is in htp and not in htu (RFC 9449), which is a whole
// URI: a gate cannot know the scheme and the host that the client used.
type Claims struct {
	// Subject is the account the key belongs to.
	Subject string `json:"sub,omitempty"`

	// KeyID is the public name of the key.
	KeyID string `json:"key_id,omitempty"`

	// Mode is "live" or "test".
	Mode string `json:"mode,omitempty"`

	// Env is the environment of the key, such as "production".
	Env string `json:"env,omitempty"`

	// Scope lists the scopes of the key, separated by one space.
	Scope string `json:"scope,omitempty"`

	// Res holds, by resource name, the value that was bound from the request (a
	// string) or the values (a []string). Sign refuses other types.
	Res map[string]any `json:"res,omitempty"`

	// Verdict says what a gate in report mode would have decided. A token with
	// a verdict is not proof that the caller was authenticated.
	Verdict string `json:"verdict,omitempty"`

	// Method is the HTTP method, when assertions are bound to the request.
	Method string `json:"htm,omitempty"`

	// Path is the path as the backend receives it, still percent-encoded.
	Path string `json:"htp,omitempty"`

	// QueryDigest is Digest of the raw query without its "?". A request without a
	// query has the digest of the empty string.
	QueryDigest string `json:"hqd,omitempty"`

	// BodyDigest is Digest of the body as the backend receives it, when assertions
	// are bound to the body. A request without a body has the digest of the empty
	// string.
	BodyDigest string `json:"hbd,omitempty"`
}

// Digest returns the SHA-256 of data in base64url without padding (43
// characters), the form that RFC 9449 gives to its ath claim.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// payload is the whole set of claims of one token.
type payload struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	ID       string `json:"jti"`
	*Claims
}

func (o Options) payload(c *Claims, now time.Time) ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	return json.Marshal(payload{
		Issuer:   o.Issuer,
		Audience: o.Audience,
		IssuedAt: now.Unix(),
		Expires:  now.Add(o.TTL).Unix(),
		ID:       rand.Text(),
		Claims:   c,
	})
}

// validate refuses text that JSON would change silently: JSON writes invalid UTF-8 as
// U+FFFD, and then a claim would differ from the request.
func (c *Claims) validate() error {
	for _, claim := range [...]struct{ name, value string }{
		{"sub", c.Subject},
		{"key_id", c.KeyID},
		{"mode", c.Mode},
		{"env", c.Env},
		{"scope", c.Scope},
		{"verdict", c.Verdict},
		{"htm", c.Method},
		{"htp", c.Path},
		{"hqd", c.QueryDigest},
		{"hbd", c.BodyDigest},
	} {
		if err := checkText(claim.value); err != nil {
			return fmt.Errorf("claim %s %w", claim.name, err)
		}
	}
	for name, value := range c.Res {
		if err := checkResource(name, value); err != nil {
			return fmt.Errorf("claim res %q %w", name, err)
		}
	}
	return nil
}

func checkResource(name string, value any) error {
	if err := checkText(name); err != nil {
		return err
	}
	switch v := value.(type) {
	case string:
		return checkText(v)
	case []string:
		for _, s := range v {
			if err := checkText(s); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("has type %T: use a string or a []string", value)
}

var errNotUTF8 = errors.New("is not valid UTF-8: refuse the request")

func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errNotUTF8
	}
	return nil
}
