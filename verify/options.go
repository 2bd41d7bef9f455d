package verify

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// The algorithms.
const (
	EdDSA = "EdDSA" // Ed25519, RFC 8037
	ES256 = "ES256" // ECDSA with P-256 and SHA-256, RFC 7518 section 3.4
	HS256 = "HS256" // HMAC with SHA-256, RFC 7518 section 3.2
)

// Binding says to what an assertion must be bound.
type Binding string

// The bindings. What an assertion is bound to is always checked. With a binding, an
// assertion that is not bound is an error.
const (
	BindNone    Binding = ""
	BindRequest Binding = "request" // method, path and query
	BindBody    Binding = "body"    // method, path, query and body
)

// minSecret is the shortest secret for HS256 in bytes (RFC 7518 section 3.2).
const minSecret = 32

// Options say which assertions are accepted. Audience is required, and one of JWKS and
// Secret.
type Options struct {
	// JWKS is where the gate's public keys are: a URL that begins with http:// or
	// https://, or the path of a file.
	JWKS string

	// Secret is the secret of a gate that signs with HS256: at least 32 bytes.
	Secret []byte

	// Algorithms are those that are accepted. Default: EdDSA and ES256 with JWKS,
	// HS256 with Secret; the two kinds do not mix.
	Algorithms []string

	// Header carries the assertion. Default: X-Ingest-Identity.
	Header string

	// Issuer is the required iss claim. Default: ingest-auth.
	Issuer string

	// Audience is the required aud claim, or one of them if there are several.
	Audience string

	// Bind refuses assertions that are bound to less. Default: BindNone.
	Bind Binding

	// MaxBody is the longest body in bytes that is read, into memory, to check an
	// assertion that is bound to it. Default: 1 MiB.
	MaxBody int64

	// AcceptReported also accepts assertions of a gate in report mode for requests that
	// it would have refused. Identity.Verdict tells them apart; do not trust anything
	// else in them. Use it during a switch-over, while the backend still checks keys
	// itself.
	AcceptReported bool

	// ErrorHandler answers a request that is refused. Default: the status and the
	// code of the error in a small JSON object.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err *Error)

	// Client fetches the key set. Its CheckRedirect is not used: redirects to other
	// hosts are never followed. Default: a client with http.DefaultTransport.
	Client *http.Client

	// Log gets a message when the key set cannot be read, and when it can be read again.
	// Default: slog.Default().
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if len(o.Algorithms) == 0 {
		o.Algorithms = []string{EdDSA, ES256}
		if o.Secret != nil {
			o.Algorithms = []string{HS256}
		}
	}
	if o.Header == "" {
		o.Header = "X-Ingest-Identity"
	}
	if o.Issuer == "" {
		o.Issuer = "ingest-auth"
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	if o.ErrorHandler == nil {
		o.ErrorHandler = answer
	}
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Audience == "":
		return errors.New("audience is missing: write the audience that the gate uses for this backend")
	case (o.JWKS == "") == (o.Secret == nil):
		return errors.New("set either JWKS or Secret")
	case o.Secret != nil && len(o.Secret) < minSecret:
		return fmt.Errorf("secret has %d bytes: at least %d are needed (RFC 7518 section 3.2)", len(o.Secret), minSecret)
	case strings.Contains(o.JWKS, "://") && !isURL(o.JWKS):
		return errors.New("JWKS is neither an http or https URL nor a path")
	case o.Bind != BindNone && o.Bind != BindRequest && o.Bind != BindBody:
		return fmt.Errorf("unknown binding %q: use %q or %q", o.Bind, BindRequest, BindBody)
	case o.MaxBody < 0:
		return errors.New("MaxBody is negative")
	}
	return o.validateAlgorithms()
}

func (o Options) validateAlgorithms() error {
	allowed := []string{EdDSA, ES256}
	if o.Secret != nil {
		allowed = []string{HS256}
	}
	for _, a := range o.Algorithms {
		if !slices.Contains(allowed, a) {
			return fmt.Errorf("algorithm %q is not allowed here: use %s", a, strings.Join(allowed, " or "))
		}
	}
	return nil
}

func (o Options) signatureAlgorithms() []jose.SignatureAlgorithm {
	list := make([]jose.SignatureAlgorithm, len(o.Algorithms))
	for i, a := range o.Algorithms {
		list[i] = jose.SignatureAlgorithm(a)
	}
	return list
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}
