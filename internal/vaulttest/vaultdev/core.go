package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/helper/namespace"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

const maxLease = 768 * time.Hour

func newCore(o options, logger hclog.Logger) (*vault.Core, error) {
	storage, err := newStorage(o.dir, logger)
	if err != nil {
		return nil, err
	}
	return vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		Logger:             logger,
		DisableMlock:       true,
		CredentialBackends: credentialBackends,
		LogicalBackends:    secretsBackends,
		AuditBackends:      map[string]audit.Factory{"file": auditFile},
		BuiltinRegistry:    registry{},
		DefaultLeaseTTL:    maxLease,
		MaxLeaseTTL:        maxLease,
		Experiments:        o.experimentList(),
	})
}

func newStorage(dir string, logger hclog.Logger) (physical.Backend, error) {
	if dir == "" {
		return inmem.NewTransactionalInmem(nil, logger)
	}
	return file.NewTransactionalFileBackend(map[string]string{"path": dir}, logger)
}

// secrets is what it takes to start again on the same data.
type secrets struct {
	Root string   `json:"root_token"`
	Keys []string `json:"keys_b64"`
}

// setUp initializes a new core or takes up an old one, and returns its root
// token.
func setUp(ctx context.Context, core *vault.Core, o options) (string, error) {
	ctx = namespace.ContextWithNamespace(ctx, namespace.RootNamespace)
	old, err := core.Initialized(ctx)
	if err != nil {
		return "", fmt.Errorf("asking whether the core is initialized: %w", err)
	}
	var s secrets
	if old {
		s, err = readSecrets(o.keyFile)
	} else {
		s, err = initialize(ctx, core)
	}
	if err != nil {
		return "", err
	}
	if !o.noUnseal {
		if err := unseal(core, s.Keys); err != nil {
			return "", fmt.Errorf("unsealing: %w", err)
		}
		if !old {
			if s.Root, err = firstSteps(ctx, core, s.Root, o.rootToken); err != nil {
				return "", err
			}
		}
	}
	return s.Root, writeSecrets(o.keyFile, s)
}

func initialize(ctx context.Context, core *vault.Core) (secrets, error) {
	res, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1, StoredShares: 1},
	})
	if err != nil {
		return secrets{}, fmt.Errorf("initializing: %w", err)
	}
	s := secrets{Root: res.RootToken}
	for _, share := range res.SecretShares {
		s.Keys = append(s.Keys, base64.StdEncoding.EncodeToString(share))
	}
	return s, nil
}

func unseal(core *vault.Core, keys []string) error {
	for _, key := range keys {
		share, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			return err
		}
		if _, err := core.Unseal(share); err != nil {
			return err
		}
	}
	return nil
}

// firstSteps makes the wanted root token and mounts KV version 2 at secret/.
func firstSteps(ctx context.Context, core *vault.Core, root, wanted string) (string, error) {
	if wanted != "" {
		err := update(ctx, core, root, "auth/token/create", map[string]any{"id": wanted, "policies": []string{"root"}, "no_parent": true})
		if err != nil {
			return "", fmt.Errorf("making the root token: %w", err)
		}
		root = wanted
	}
	err := update(ctx, core, root, "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
	if err != nil {
		return "", fmt.Errorf("mounting secret/: %w", err)
	}
	return root, nil
}

func update(ctx context.Context, core *vault.Core, token, path string, data map[string]any) error {
	resp, err := core.HandleRequest(ctx, &logical.Request{
		Operation: logical.UpdateOperation, ClientToken: token, Path: path, Data: data,
	})
	if err == nil && resp.IsError() {
		err = resp.Error()
	}
	return err
}

func readSecrets(path string) (s secrets, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("reading the unseal key: %w", err)
	}
	return s, json.Unmarshal(b, &s)
}

func writeSecrets(path string, s secrets) error {
	if path == "" {
		return nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}
