package vault

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// Secret is a string that does not show when printed.
type Secret string

const hiddenSecret = "[secret]"

// String hides the secret.
func (s Secret) String() string { return hiddenSecret }

// GoString hides the secret.
func (s Secret) GoString() string { return hiddenSecret }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hiddenSecret), nil }

// Options say where records are in Vault and how to read them. Settings that are left out
// come from the environment variables of Vault's own client (VAULT_ADDR, VAULT_NAMESPACE,
// VAULT_CACERT, VAULT_CLIENT_CERT, …), if they are set.
type Options struct {
	// Address is the URL of Vault. Default: VAULT_ADDR, or https://127.0.0.1:8200.
	Address string

	// Mount is where the KV engine, version 2, is mounted. Default: secret.
	Mount string

	// Prefix is the path of the records below Mount. Default: ingest/keys.
	Prefix string

	// Namespace is the Vault namespace (Vault Enterprise, OpenBao).
	Namespace string

	// CACert is a PEM file with the CA certificates to trust.
	CACert string

	// ClientCert and ClientKey are PEM files for TLS client authentication.
	ClientCert, ClientKey string

	// TLSServerName is the name expected in the server's certificate.
	TLSServerName string

	// Timeout is how long one look-up may take. Default: 500ms.
	Timeout time.Duration

	// Auth says how to log in. Default: the token in VAULT_TOKEN.
	Auth Auth
}

// The values of Auth.Method.
const (
	Token      = "token"
	TokenFile  = "token_file"
	AppRole    = "approle"
	Kubernetes = "kubernetes"
)

// Auth says how to log in to Vault. Files are read again when they change.
type Auth struct {
	// Method is token (the default), token_file, approle or kubernetes.
	Method string

	// Mount is where the method is mounted. Default: the name of the method.
	Mount string

	// Token is the token of method token. Default: VAULT_TOKEN.
	Token Secret

	// File holds the token (token_file), the secret ID (approle) or the JWT of the
	// service account (kubernetes; default: where Kubernetes mounts it).
	File string

	// Role is the role ID (approle) or the name of the role (kubernetes).
	Role string

	// SecretID is the secret ID of method approle, if it is not in File.
	SecretID Secret

	// Wrapped says that File or SecretID has a response-wrapping token for the secret ID
	// (method approle).
	Wrapped bool
}

const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path, not a token

// withDefaults also removes leading and trailing slashes from paths.
func (o Options) withDefaults() Options {
	o.Mount = strings.Trim(o.Mount, "/")
	o.Prefix = strings.Trim(o.Prefix, "/")
	o.Mount = cmp.Or(o.Mount, "secret")
	o.Prefix = cmp.Or(o.Prefix, "ingest/keys")
	o.Timeout = cmp.Or(o.Timeout, 500*time.Millisecond)
	o.Auth.Method = cmp.Or(o.Auth.Method, Token)
	switch o.Auth.Method {
	case Token:
		o.Auth.Token = cmp.Or(o.Auth.Token, Secret(os.Getenv(api.EnvVaultToken)))
	case Kubernetes:
		o.Auth.File = cmp.Or(o.Auth.File, serviceAccountToken)
	}
	o.Auth.Mount = strings.Trim(o.Auth.Mount, "/")
	o.Auth.Mount = cmp.Or(o.Auth.Mount, o.Auth.Method)
	return o
}

func (o Options) validate() error {
	if (o.ClientCert == "") != (o.ClientKey == "") {
		return errors.New("vault: client certificate and client key must be set together")
	}
	if o.Timeout < 0 {
		return errors.New("vault: timeout must not be negative")
	}
	for _, path := range []string{o.Mount, o.Prefix, o.Auth.Mount} {
		for part := range strings.SplitSeq(path, "/") {
			if part == "" || strings.Trim(part, ".") == "" || strings.ContainsAny(part, "?#%\\ ") {
				return fmt.Errorf("vault: %q is not a path", path)
			}
		}
	}
	return o.Auth.validate()
}

func (a Auth) validate() error {
	switch a.Method {
	case Token:
		if a.Token == "" {
			return errors.New("vault: auth token needs a token; set VAULT_TOKEN, or use token_file, approle or kubernetes")
		}
	case TokenFile:
		if a.File == "" {
			return errors.New("vault: auth token_file needs the file of the token")
		}
	case AppRole:
		if a.Role == "" || (a.File == "") == (a.SecretID == "") {
			return errors.New("vault: auth approle needs the role ID, and the secret ID or its file")
		}
	case Kubernetes:
		if a.Role == "" {
			return errors.New("vault: auth kubernetes needs the name of the role")
		}
	default:
		return fmt.Errorf("vault: auth %q is not known; use token, token_file, approle or kubernetes", a.Method)
	}
	return nil
}

const (
	// loginTimeout limits every request that no look-up waits for.
	loginTimeout = 10 * time.Second

	// idleConnections is the number of reads that the cache may have beyond its cap.
	idleConnections = 64
)

// newClient returns a client without a token, and its HTTP client. It never retries: look-ups have a
// deadline, and the cache decides what happens then.
func (o Options) newClient() (*api.Client, *http.Client, error) {
	cfg := api.DefaultConfig()
	if cfg.Error != nil {
		return nil, nil, fmt.Errorf("vault: reading the VAULT_* environment: %w", cfg.Error)
	}
	if o.Address != "" {
		cfg.Address, cfg.AgentAddress = o.Address, ""
	}
	tls := &api.TLSConfig{CACert: o.CACert, ClientCert: o.ClientCert, ClientKey: o.ClientKey, TLSServerName: o.TLSServerName}
	if err := cfg.ConfigureTLS(tls); err != nil {
		return nil, nil, fmt.Errorf("vault: setting up TLS: %w", err)
	}
	cfg.MaxRetries = 0
	cfg.Timeout = loginTimeout
	if t, ok := cfg.HttpClient.Transport.(*http.Transport); ok {
		t.MaxIdleConnsPerHost = idleConnections
	}
	c, err := api.NewClient(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("vault: making the client: %w", err)
	}
	c.ClearToken()
	c.SetWrappingLookupFunc(func(string, string) string { return "" })
	if o.Namespace != "" {
		c.SetNamespace(o.Namespace)
	}
	return c, cfg.HttpClient, nil
}
