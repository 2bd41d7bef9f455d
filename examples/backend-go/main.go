// Command backend-go is a service behind an ingest gate. It accepts only requests with an
// assertion signed by the gate.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/verify"
)

func main() {
	listen := flag.String("listen", "localhost:9000", "`address` to listen on")
	jwks := flag.String("jwks", "http://localhost:8080/.well-known/jwks.json", "`URL` or file of the gate's key set")
	header := flag.String("header", "X-Ingest-Identity", "`name` of the header with the assertion")
	issuer := flag.String("issuer", "ingest-auth", "required iss claim")
	audience := flag.String("audience", "backend", "required aud claim")
	algorithms := flag.String("algorithms", "EdDSA,ES256", "comma-separated `list` of accepted algorithms")
	bind := flag.String("bind", "", "what assertions must be bound to: request or body")
	flag.Parse()

	handler, err := newHandler(verify.Options{
		JWKS: *jwks, Header: *header, Issuer: *issuer, Audience: *audience,
		Algorithms: strings.Split(*algorithms, ","), Bind: verify.Binding(*bind),
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	log.Fatal((&http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}).Serve(listener))
}

// newHandler returns the service, behind a verifier.
func newHandler(o verify.Options) (http.Handler, error) {
	o.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err *verify.Error) {
		log.Printf("refusing a request: %v", err)
		reply(w, err.Status, map[string]any{"error": "no valid assertion"})
	}
	v, err := verify.New(o)
	if err != nil {
		return nil, err
	}
	return v.Handler(http.HandlerFunc(serve)), nil
}

// serve answers with what the gate says about the caller.
func serve(w http.ResponseWriter, r *http.Request) {
	id, _ := verify.FromContext(r.Context())
	reply(w, http.StatusOK, map[string]any{
		"key_id": id.KeyID, "account": id.Account, "mode": id.Mode, "res": id.Resources,
		"method": r.Method, "path": r.URL.EscapedPath(),
	})
}

func reply(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // fails only if the client has gone
}
