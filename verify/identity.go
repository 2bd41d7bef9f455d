package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Identity is what a gate says about the caller.
type Identity struct {
	KeyID     string              // public name of the API key
	Account   string              // account the key belongs to
	Mode      string              // "live" or "test"
	Env       string              // environment of the key, such as "production"
	Scopes    []string            // what the key may do
	Resources map[string][]string // by name, the IDs in the request that the key was allowed for
	Verdict   string              // from a gate in report mode: "allowed", or why not; else empty
	ExpiresAt time.Time           // when the assertion expires
	ID        string              // of the assertion, which may be used for many requests
}

type contextKey struct{}

// FromContext returns the identity of the request with this context. Every request that
// [Verifier.Handler] lets through has one.
func FromContext(ctx context.Context) (*Identity, bool) {
	id, ok := ctx.Value(contextKey{}).(*Identity)
	return id, ok
}

// allowed reports whether the gate lets the request through, or would have.
func (id *Identity) allowed() bool { return id.Verdict == "" || id.Verdict == "allowed" }

// claims is the payload of an assertion. Pointers distinguish absent from empty.
type claims struct {
	Issuer    string          `json:"iss"`
	Audience  list            `json:"aud"`
	Subject   string          `json:"sub"`
	Expires   *numericDate    `json:"exp"`
	NotBefore *numericDate    `json:"nbf"`
	ID        string          `json:"jti"`
	KeyID     string          `json:"key_id"`
	Mode      string          `json:"mode"`
	Env       string          `json:"env"`
	Scope     string          `json:"scope"`
	Resources map[string]list `json:"res"`
	Verdict   string          `json:"verdict"`
	Method    *string         `json:"htm"`
	Path      *string         `json:"htp"`
	Query     *string         `json:"hqd"`
	Body      *string         `json:"hbd"`
}

func (c *claims) identity() *Identity {
	id := &Identity{
		KeyID: c.KeyID, Account: c.Subject, Mode: c.Mode, Env: c.Env, Scopes: strings.Fields(c.Scope),
		Verdict: c.Verdict, ExpiresAt: c.Expires.time(), ID: c.ID,
		Resources: make(map[string][]string, len(c.Resources)),
	}
	for name, values := range c.Resources {
		id.Resources[name] = slices.Clone(values)
	}
	return id
}

// list is a string or a list of strings.
type list []string

func (l *list) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*l = make(list, 1)
		return json.Unmarshal(data, &(*l)[0])
	}
	var values []*string
	if err := json.Unmarshal(data, &values); err != nil {
		return err
	}
	for _, v := range values {
		if v == nil {
			return errors.New("null in a list of strings")
		}
		*l = append(*l, *v)
	}
	return nil
}

// numericDate is a time in seconds since 1970 (RFC 7519 section 2).
type numericDate float64

const year10000 = 253402300800

func (d *numericDate) UnmarshalJSON(data []byte) error {
	var seconds float64
	if err := json.Unmarshal(data, &seconds); err != nil {
		return err
	}
	if seconds < 0 || seconds >= year10000 {
		return fmt.Errorf("%v is not a time", seconds)
	}
	*d = numericDate(seconds)
	return nil
}

func (d numericDate) time() time.Time { return time.UnixMilli(int64(d * 1000)) }
