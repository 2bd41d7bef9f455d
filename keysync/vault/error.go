package vault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"
)

// explain says in one line why a request to Vault failed, and what to do about it. The
// result wraps err.
func explain(err error, doing string) error {
	if err == nil {
		return nil
	}
	return &vaultError{text: doing + ": " + reason(err), cause: err}
}

// vaultError replaces the text of an error of Vault's client, which takes many
// lines and repeats the response.
type vaultError struct {
	text  string
	cause error
}

func (e *vaultError) Error() string { return e.text }
func (e *vaultError) Unwrap() error { return e.cause }

func reason(err error) string {
	if r, ok := errors.AsType[*api.ResponseError](err); ok {
		return fmt.Sprintf("Vault answered %d%s%s", r.StatusCode, said(r), advice(r))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "Vault did not answer in time"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return "Vault cannot be reached: " + op.Error()
	}
	return err.Error()
}

func said(r *api.ResponseError) string {
	if r.RawError || len(r.Errors) == 0 {
		return ""
	}
	const most = 200
	text := strings.Join(strings.Fields(strings.Join(r.Errors, "; ")), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return " (" + text + ")"
}

func advice(r *api.ResponseError) string {
	text := strings.Join(r.Errors, " ")
	switch {
	case r.StatusCode == http.StatusForbidden:
		return "; check that the token is valid and that its policy allows this path"
	case strings.Contains(text, "sealed"):
		return "; unseal it"
	case strings.Contains(text, "no handler for route"), strings.Contains(text, "namespace"):
		return "; check mount and namespace"
	case r.RawError:
		return "; check that the address is that of Vault"
	}
	return ""
}

// isDenied reports whether Vault refuses the token, or its policy the request.
func isDenied(err error) bool {
	r, ok := errors.AsType[*api.ResponseError](err)
	return ok && r.StatusCode == http.StatusForbidden
}

// isAbsent reports whether Vault says that nothing is stored at a path. For a mount that
// does not exist the code is the same, but with a message.
func isAbsent(err error) bool {
	r, ok := errors.AsType[*api.ResponseError](err)
	return ok && r.StatusCode == http.StatusNotFound && len(r.Errors) == 0
}
