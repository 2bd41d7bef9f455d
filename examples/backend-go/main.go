// Command backend is a service behind an ingest gate. It believes no request that
// does not carry an assertion signed by the gate.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

// identity is what the gate says of the caller.
type identity struct {
	jwt.RegisteredClaims // the account is the subject

	KeyID   string         `json:"key_id"`
	Mode    string         `json:"mode"`
	Res     map[string]any `json:"res"`
	Verdict string         `json:"verdict"`
}

// verifier checks the assertion in one header.
type verifier struct {
	header string
	parser *jwt.Parser
	keys   keyfunc.Keyfunc
}

// newVerifier fetches the key set, and goes on fetching it until ctx is done: more
// often than the 10 minutes for which the gate publishes a key before it signs,
// and at once, but not too often, for a key that is not known.
func newVerifier(ctx context.Context, jwksURL, header, issuer, audience string, algorithms []string) (*verifier, error) {
	if issuer == "" || audience == "" || jwksURL == "" || header == "" {
		return nil, errors.New("-jwks, -header, -issuer and -audience must not be empty")
	}
	for _, a := range algorithms {
		if a != "EdDSA" && a != "ES256" {
			return nil, fmt.Errorf("algorithm %q is not allowed: use EdDSA or ES256", a)
		}
	}
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{jwksURL}, keyfunc.Override{
		RefreshInterval:   5 * time.Minute,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(10*time.Second), 1),
		RateLimitWaitMax:  time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("fetching the key set: %w", err)
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods(algorithms), // never let the token choose
		jwt.WithIssuer(issuer),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(5*time.Second),
	)
	return &verifier{header: header, parser: parser, keys: keys}, nil
}

func (v *verifier) verify(r *http.Request) (*identity, error) {
	values := r.Header.Values(v.header)
	if len(values) != 1 {
		return nil, fmt.Errorf("%d %s headers, want one", len(values), v.header)
	}
	id := &identity{}
	if _, err := v.parser.ParseWithClaims(values[0], id, v.keys.KeyfuncCtx(r.Context())); err != nil {
		return nil, err
	}
	if id.KeyID == "" || id.Verdict != "" { // a gate that only reports has authenticated no one
		return nil, errors.New("the assertion names no authenticated key")
	}
	return id, nil
}

func (v *verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, err := v.verify(r)
	if err != nil {
		log.Printf("refusing a request: %v", err)
		reply(w, http.StatusUnauthorized, map[string]any{"error": "no valid assertion"})
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"key_id": id.KeyID, "account": id.Subject, "mode": id.Mode, "res": id.Res,
		"method": r.Method, "path": r.URL.EscapedPath(),
	})
}

func reply(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // fails only if the client has gone
}

func main() {
	listen := flag.String("listen", "localhost:9000", "`address` to listen on")
	jwks := flag.String("jwks", "http://localhost:8080/.well-known/jwks.json", "`URL` of the gate's key set")
	header := flag.String("header", "X-Ingest-Identity", "`name` of the header with the assertion")
	issuer := flag.String("issuer", "ingest-auth", "required iss claim")
	audience := flag.String("audience", "backend", "required aud claim")
	algorithms := flag.String("algorithms", "EdDSA,ES256", "comma-separated `list` of accepted algorithms")
	flag.Parse()

	v, err := newVerifier(context.Background(), *jwks, *header, *issuer, *audience, strings.Split(*algorithms, ","))
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	log.Fatal((&http.Server{Handler: v, ReadHeaderTimeout: 10 * time.Second}).Serve(listener))
}
