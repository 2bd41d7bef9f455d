package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

const (
	// maxToken is the longest assertion in bytes that is looked at.
	maxToken = 16 << 10

	// leeway is how far the clocks of the gate and the backend may be apart.
	leeway = 5 * time.Second
)

// Verifier checks assertions. Its methods are safe for concurrent use. It need not be
// closed.
type Verifier struct {
	options    Options
	algorithms []jose.SignatureAlgorithm
	keys       *keyCache // nil with HS256
	memory     memory
}

// New returns a verifier. It fails if the options are wrong. The key set is fetched only
// with the first request.
func New(o Options) (*Verifier, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	o.Algorithms, o.Secret = slices.Clone(o.Algorithms), slices.Clone(o.Secret)
	v := &Verifier{options: o, algorithms: o.signatureAlgorithms(), memory: newMemory()}
	switch {
	case isURL(o.JWKS):
		v.keys = newKeyCache(newURLSource(o.JWKS, o.Client), o.Log)
	case o.JWKS != "":
		v.keys = newKeyCache(fileSource(o.JWKS), o.Log)
	}
	return v, nil
}

// Handler returns a handler that passes the requests with a valid assertion to
// next, with their identity in their context, and answers the others itself. Put it
// outside handlers that change the path, such as [http.StripPrefix]: an assertion may be
// bound to the path.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, refused := v.verify(r)
		if refused != nil {
			v.options.ErrorHandler(w, r, refused)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, id)))
	})
}

// Verify returns what the assertion of the request says. If it is bound to the
// body, the body is read and replaced by one that can be read again. The error is
// always an [*Error].
func (v *Verifier) Verify(r *http.Request) (*Identity, error) {
	id, refused := v.verify(r)
	if refused != nil {
		return nil, refused
	}
	return id, nil
}

func (v *Verifier) verify(r *http.Request) (*Identity, *Error) {
	values := r.Header.Values(v.options.Header)
	switch {
	case len(values) == 0:
		return nil, refuse(CodeMissing, "the %s header is missing", v.options.Header)
	case len(values) > 1:
		return nil, refuse(CodeInvalid, "there are %d %s headers", len(values), v.options.Header)
	}
	c, refused := v.claims(r.Context(), values[0])
	if refused != nil {
		return nil, refused
	}
	if err := v.checkClaims(c, time.Now()); err != nil {
		return nil, refuse(CodeInvalid, "%w", err)
	}
	id := c.identity()
	if refused := v.decide(id); refused != nil {
		return nil, refused
	}
	if refused := v.checkBinding(c, id, r); refused != nil {
		return nil, refused
	}
	return id, nil
}

// claims returns the claims of a token with a correct signature by a key that is still
// trusted.
func (v *Verifier) claims(ctx context.Context, token string) (*claims, *Error) {
	if known := v.memory.get(token); known != nil {
		if key, refused := v.key(ctx, known.name); refused != nil || known.by(key) {
			return known.claims, refused
		}
	}
	s, payload, refused := v.checkSignature(ctx, token)
	if refused != nil {
		return nil, refused
	}
	if err := json.Unmarshal(payload, s.claims); err != nil { // refuses duplicate members
		return nil, refuse(CodeInvalid, "claims: %w", err)
	}
	v.memory.put(token, s)
	return s.claims, nil
}

// checkSignature returns the content of the token after checking its signature.
func (v *Verifier) checkSignature(ctx context.Context, token string) (*signed, []byte, *Error) {
	if len(token) > maxToken {
		return nil, nil, refuse(CodeInvalid, "the assertion has %d bytes: at most %d are read", len(token), maxToken)
	}
	jws, err := jose.ParseSignedCompact(token, v.algorithms)
	if err != nil {
		return nil, nil, refuse(CodeInvalid, "not a JWS of an accepted algorithm")
	}
	header := jws.Signatures[0].Header
	if err := checkHeader(header); err != nil {
		return nil, nil, refuse(CodeInvalid, "%w", err)
	}
	name := keyName{header.Algorithm, header.KeyID}
	key, refused := v.key(ctx, name)
	if refused != nil {
		return nil, nil, refused
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, nil, refuse(CodeInvalid, "the signature is wrong")
	}
	return &signed{new(claims), name, key}, payload, nil
}

func checkHeader(h jose.Header) error {
	if _, critical := h.ExtraHeaders["crit"]; critical {
		return errors.New("the assertion has a crit header parameter")
	}
	if typ, _ := h.ExtraHeaders["typ"].(string); !strings.EqualFold(typ, "JWT") {
		return errors.New("typ is not JWT")
	}
	return nil
}

// key returns the key with that name, made for that algorithm. The algorithm is one of
// the accepted ones.
func (v *Verifier) key(ctx context.Context, name keyName) (any, *Error) {
	if v.keys == nil {
		return v.options.Secret, nil
	}
	key, err := v.keys.find(ctx, name)
	switch {
	case errors.Is(err, errUnknownKey):
		return nil, refuse(CodeInvalid, "%w", err)
	case err != nil:
		return nil, refuse(CodeNoKeys, "%w", err)
	}
	return key, nil
}

func (v *Verifier) checkClaims(c *claims, now time.Time) error {
	switch {
	case c.Issuer != v.options.Issuer:
		return errors.New("iss is not the expected issuer")
	case !slices.Contains(c.Audience, v.options.Audience):
		return errors.New("aud does not name this backend")
	case c.Expires == nil:
		return errors.New("exp is missing")
	case !now.Before(c.Expires.time().Add(leeway)):
		return errors.New("the assertion has expired")
	case c.NotBefore != nil && now.Before(c.NotBefore.time().Add(-leeway)):
		return errors.New("the assertion is not valid yet")
	}
	return nil
}

// decide refuses callers that no gate has authenticated.
func (v *Verifier) decide(id *Identity) *Error {
	switch {
	case !id.allowed() && !v.options.AcceptReported:
		return refuse(CodeNotAllowed, "the gate is in report mode, and its verdict is %q", id.Verdict)
	case id.allowed() && id.KeyID == "":
		return refuse(CodeInvalid, "key_id is missing")
	}
	return nil
}
