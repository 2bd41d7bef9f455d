package main

import (
	"maps"
	"slices"

	credJWT "github.com/hashicorp/vault-plugin-auth-jwt"
	credKubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	credAppRole "github.com/hashicorp/vault/builtin/credential/approle"
	credUserpass "github.com/hashicorp/vault/builtin/credential/userpass"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

var credentialBackends = map[string]logical.Factory{
	"approle":    credAppRole.Factory,
	"jwt":        credJWT.Factory,
	"kubernetes": credKubernetes.Factory,
	"userpass":   credUserpass.Factory,
}

var secretsBackends = map[string]logical.Factory{
	"kv":      kv.Factory,
	"transit": transit.Factory,
}

// registry tells Vault which plugins are built in: the backends above.
type registry struct{}

func backendsOf(t consts.PluginType) map[string]logical.Factory {
	switch t {
	case consts.PluginTypeCredential:
		return credentialBackends
	case consts.PluginTypeSecrets:
		return secretsBackends
	default:
		return nil
	}
}

// Contains reports whether a backend is built in.
func (registry) Contains(name string, t consts.PluginType) bool {
	_, ok := backendsOf(t)[name]
	return ok
}

// Get returns the factory of a backend.
func (registry) Get(name string, t consts.PluginType) (func() (any, error), bool) {
	f, ok := backendsOf(t)[name]
	return func() (any, error) { return f, nil }, ok
}

// Keys lists the backends of a type.
func (registry) Keys(t consts.PluginType) []string {
	return slices.Collect(maps.Keys(backendsOf(t)))
}

// DeprecationStatus says that every backend here is supported.
func (r registry) DeprecationStatus(name string, t consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, t)
}

// IsBuiltinEntPlugin says that no backend here needs Vault Enterprise. Newer
// versions of Vault ask.
func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool {
	return false
}
