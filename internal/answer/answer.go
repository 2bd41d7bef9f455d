// Package answer writes the gate's own answers.
package answer

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Write answers with a body. If contentType is "", the answer has no type.
func Write(w http.ResponseWriter, status int, contentType, body string) {
	h := w.Header()
	if contentType != "" {
		h.Set("Content-Type", contentType)
	} else {
		h["Content-Type"] = nil // stops net/http from guessing
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the client is gone if this fails
}

// JSON returns v, which is made of strings, numbers and booleans only.
func JSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "" // cannot be, see above
	}
	return string(b)
}
