package keyscli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/hashicorp/vault/api"
)

// advise adds to an error of Vault what its own text does not say: that an administrator
// needs more rights than a gateway.
func advise(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	r, ok := errors.AsType[*api.ResponseError](err)
	switch {
	case !ok:
		return err
	case r.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w; managing keys needs the policy docs/vault-policy-admin.hcl, which allows more than a gateway needs%s", err, namespaceAdvice())
	case r.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: see --vault-mount%s", err, namespaceAdvice())
	}
	return err
}

func namespaceAdvice() string {
	if os.Getenv(api.EnvVaultNamespace) != "" {
		return "; VAULT_NAMESPACE is set: the mount and the token must be of that namespace"
	}
	return "; if the mount is in a namespace, set VAULT_NAMESPACE"
}
