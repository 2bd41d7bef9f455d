package verify_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ingestauth/caddy-ingest-auth/verify"
)

func ExampleVerifier_Handler() {
	v, err := verify.New(verify.Options{
		JWKS:     "http://localhost:8080/.well-known/jwks.json",
		Audience: "backend",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/track", func(w http.ResponseWriter, r *http.Request) {
		id, _ := verify.FromContext(r.Context())
		fmt.Fprintln(w, "hello,", id.Account)
	})
	handler := v.Handler(mux) // pass it to http.ListenAndServe

	// A request that did not come through the gate:
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/track", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 401 {"code":"missing_assertion","error":"Unauthorized"}
}
