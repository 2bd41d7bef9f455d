package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"
	"github.com/hashicorp/vault/api/auth/kubernetes"
)

// authenticator gets a token.
type authenticator interface {
	// login returns a token. The client has none yet.
	login(ctx context.Context, c *api.Client) (grant, error)
}

// grant is a token and how long it lasts.
type grant struct {
	token     Secret
	ttl       time.Duration // 0 if it does not expire, or if that is not known
	renewable bool
}

func newAuthenticator(a Auth) authenticator {
	switch a.Method {
	case AppRole:
		return &appRoleLogin{auth: a}
	case Kubernetes:
		return kubernetesLogin{auth: a}
	}
	return tokenLogin{auth: a}
}

// tokenLogin uses a token made by somebody else.
type tokenLogin struct{ auth Auth }

func (t tokenLogin) login(ctx context.Context, c *api.Client) (grant, error) {
	token := t.auth.Token
	if t.auth.File != "" {
		var err error
		if token, err = readSecret(t.auth.File); err != nil {
			return grant{}, fmt.Errorf("reading the token file: %w", err)
		}
	}
	c.SetToken(string(token))
	self, err := c.Auth().Token().LookupSelfWithContext(ctx)
	if isDenied(err) {
		// The policy may forbid only this. The next requests show whether the token is
		// good.
		return grant{token: token}, nil
	}
	if err != nil {
		return grant{}, explain(err, "looking up the token")
	}
	ttl, err := self.TokenTTL()
	if err != nil {
		return grant{}, fmt.Errorf("reading the lifetime of the token: %w", err)
	}
	renewable, err := self.TokenIsRenewable()
	if err != nil {
		return grant{}, fmt.Errorf("reading whether the token is renewable: %w", err)
	}
	return grant{token: token, ttl: ttl, renewable: renewable}, nil
}

// appRoleLogin logs in with a role ID and a secret ID.
type appRoleLogin struct {
	auth Auth

	// A wrapping token can be used once. The secret ID that came out of it is kept
	// for the next login.
	unwrapped, secretID Secret
}

func (a *appRoleLogin) login(ctx context.Context, c *api.Client) (grant, error) {
	secretID := a.auth.SecretID
	if a.auth.File != "" {
		var err error
		if secretID, err = readSecret(a.auth.File); err != nil {
			return grant{}, fmt.Errorf("reading the secret ID: %w", err)
		}
	}
	if a.auth.Wrapped {
		if err := a.unwrap(ctx, c, secretID); err != nil {
			return grant{}, err
		}
		secretID = a.secretID
	}
	method, err := approle.NewAppRoleAuth(a.auth.Role, &approle.SecretID{FromString: string(secretID)}, approle.WithMountPath(a.auth.Mount))
	if err != nil {
		return grant{}, err
	}
	return logIn(ctx, c, method)
}

// unwrap exchanges a wrapping token for the secret ID in it.
func (a *appRoleLogin) unwrap(ctx context.Context, c *api.Client, token Secret) error {
	if token == a.unwrapped {
		return nil
	}
	info, err := c.Logical().WriteWithContext(ctx, "sys/wrapping/lookup", map[string]any{"token": string(token)})
	if err != nil {
		return explain(err, "looking up the wrapping token of the secret ID; unless it has expired, somebody else may have used it")
	}
	path, _ := info.Data["creation_path"].(string)
	if !strings.HasPrefix(path, "auth/"+a.auth.Mount+"/role/") || !strings.HasSuffix(path, "/secret-id") {
		return errors.New("the wrapping token does not hold a secret ID of this AppRole mount: somebody may have replaced it")
	}
	answer, err := c.Logical().UnwrapWithContext(ctx, string(token))
	c.ClearToken() // unwrapping leaves the wrapping token there
	if err != nil {
		return explain(err, "unwrapping the secret ID")
	}
	secretID, _ := answer.Data["secret_id"].(string)
	if secretID == "" {
		return errors.New("the wrapping token has no secret ID in it")
	}
	a.unwrapped, a.secretID = token, Secret(secretID)
	return nil
}

// kubernetesLogin logs in with the JWT of the pod's service account.
type kubernetesLogin struct{ auth Auth }

func (k kubernetesLogin) login(ctx context.Context, c *api.Client) (grant, error) {
	jwt, err := readSecret(k.auth.File)
	if err != nil {
		return grant{}, fmt.Errorf("reading the service account token: %w", err)
	}
	method, err := kubernetes.NewKubernetesAuth(k.auth.Role,
		kubernetes.WithServiceAccountToken(string(jwt)), kubernetes.WithMountPath(k.auth.Mount))
	if err != nil {
		return grant{}, err
	}
	return logIn(ctx, c, method)
}

func logIn(ctx context.Context, c *api.Client, method api.AuthMethod) (grant, error) {
	s, err := c.Auth().Login(ctx, method)
	if err != nil {
		return grant{}, explain(err, "logging in")
	}
	return grant{
		token:     Secret(s.Auth.ClientToken),
		ttl:       time.Duration(s.Auth.LeaseDuration) * time.Second,
		renewable: s.Auth.Renewable,
	}, nil
}

func readSecret(path string) (Secret, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return Secret(s), nil
}
