package verify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// The codes of errors.
const (
	CodeMissing     = "missing_assertion" // 401: no header
	CodeInvalid     = "invalid_assertion" // 401: not an assertion for this request and backend
	CodeNotAllowed  = "not_allowed"       // 401: a gate in report mode would have refused the request
	CodeUnreadable  = "unreadable_body"   // 400: reading the body failed
	CodeBodyTooLong = "body_too_large"    // 413: the body is longer than Options.MaxBody
	CodeNoKeys      = "keys_unavailable"  // 503: the key set cannot be fetched
)

var statuses = map[string]int{
	CodeMissing:     http.StatusUnauthorized,
	CodeInvalid:     http.StatusUnauthorized,
	CodeNotAllowed:  http.StatusUnauthorized,
	CodeUnreadable:  http.StatusBadRequest,
	CodeBodyTooLong: http.StatusRequestEntityTooLarge,
	CodeNoKeys:      http.StatusServiceUnavailable,
}

// Error says why a request is refused.
type Error struct {
	// Code is one of the codes of this package. Clients may see it.
	Code string

	// Status is the HTTP status for the code.
	Status int

	reason error
}

// Error is for logs: it gives the reason, and does not quote the assertion.
func (e *Error) Error() string { return e.Code + ": " + e.reason.Error() }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.reason }

func refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Status: statuses[code], reason: fmt.Errorf(format, args...)}
}

// answer is the default error handler.
func answer(w http.ResponseWriter, _ *http.Request, err *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(fetchGap.Seconds())))
	}
	w.WriteHeader(err.Status)
	// Fails only if the client has gone.
	_ = json.NewEncoder(w).Encode(map[string]string{"error": http.StatusText(err.Status), "code": err.Code})
}
