package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Vault says where records are in a Vault server and how to log in. Settings that are
// left out come from the variables of Vault's own client (VAULT_ADDR, VAULT_TOKEN,
// VAULT_NAMESPACE, VAULT_CACERT, …), if they are set.
type Vault struct {
	// The URL of Vault. Default: VAULT_ADDR, or https://127.0.0.1:8200.
	Address string `json:"address,omitempty"`

	// Where the KV engine, version 2, is mounted. Default: secret.
	Mount string `json:"mount,omitempty"`

	// The path of the records below the mount. Default: ingest/keys.
	Prefix string `json:"prefix,omitempty"`

	// The Vault namespace. Default: none.
	Namespace string `json:"namespace,omitempty"`

	// A PEM file with the CA certificates to trust. Default: those of the system.
	CACert string `json:"ca_cert,omitempty"`

	// PEM files for TLS client authentication.
	ClientCert string `json:"client_cert,omitempty"`
	ClientKey  string `json:"client_key,omitempty"`

	// The name expected in the server's certificate. Default: the host of the URL.
	ServerName string `json:"server_name,omitempty"`

	// How long one look-up may take. Default: 500ms.
	Timeout Duration `json:"timeout,omitempty"`

	// How to log in: `token` (the default), `token_file`, `approle` or
	// `kubernetes`.
	Auth string `json:"auth,omitempty"`

	// Where the auth method is mounted. Default: its name.
	AuthMount string `json:"auth_mount,omitempty"`

	// The role ID (approle) or the name of the role (kubernetes).
	Role string `json:"role,omitempty"`

	// The secret to log in with. For `token` the token, a placeholder such as
	// `{env.NAME}`; default: VAULT_TOKEN. For `token_file` the path of the file,
	// for `approle` the path of a file with the secret ID, or a placeholder for it.
	// For `kubernetes` the path of the service account's token; default: where
	// Kubernetes mounts it. Files are read again when they change.
	Credential string `json:"credential,omitempty"`

	// Whether Credential is a response-wrapping token for the secret ID (approle).
	// Default: false.
	Wrapped bool `json:"wrapped,omitempty"`
}

// Validate reports the first setting that is wrong. A setting may be left out.
func (v *Vault) Validate() error {
	if err := oneOf("keys vault auth", v.Auth, "token", "token_file", "approle", "kubernetes"); err != nil {
		return err
	}
	switch {
	case (v.ClientCert == "") != (v.ClientKey == ""):
		return errors.New("keys vault client_cert: write the certificate and its key, `client_cert CERT KEY`")
	case v.Timeout < 0 || v.Timeout > Duration(time.Minute):
		return fmt.Errorf("keys vault timeout: %s is not between 1ms and 1m", v.Timeout)
	case (v.Auth == "token" || v.Auth == "") && v.Credential != "" && !IsPlaceholder(v.Credential):
		return errors.New("keys vault auth token: a token must not be in the configuration; write {env.NAME} or {file.PATH}, or set VAULT_TOKEN")
	case v.Auth == "token_file" && v.Credential == "":
		return errors.New("keys vault auth token_file: write `auth token_file PATH`")
	case v.Auth == "approle" && (v.Role == "" || v.Credential == ""):
		return errors.New("keys vault auth approle: write `auth approle ROLE_ID SECRET_ID_FILE [wrapped]`, or {env.NAME} for the file")
	case v.Auth != "" && v.Credential != "" && !IsPlaceholder(v.Credential) && !strings.ContainsRune(v.Credential, '/'):
		return fmt.Errorf("keys vault auth %s: write the path of the file with a slash, such as ./secret-id; a secret must not be in the configuration", v.Auth)
	case v.Auth == "kubernetes" && v.Role == "":
		return errors.New("keys vault auth kubernetes: write `auth kubernetes ROLE [TOKEN_FILE]`")
	case v.Wrapped && v.Auth != "approle":
		return errors.New("keys vault auth: only a secret ID of approle can be wrapped")
	}
	return nil
}

// IsPlaceholder reports whether s is one placeholder that says where a secret is, and
// nothing else.
func IsPlaceholder(s string) bool {
	known := strings.HasPrefix(s, "{env.") || strings.HasPrefix(s, "{file.")
	return known && strings.IndexByte(s, '}') == len(s)-1
}
