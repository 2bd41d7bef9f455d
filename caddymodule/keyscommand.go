package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/keyscli"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:      "ingest-keys",
		Usage:     "<command>",
		Short:     keyscli.Short,
		CobraFunc: keyscli.Setup(configuredStore),
	})
}

// configuredStore opens the store of the source in a configuration file.
func configuredStore(ctx context.Context, path string) (keysync.Store, error) {
	app, err := readApp(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration %s: %w", path, err)
	}
	caddyCtx, cancel := caddy.NewContext(caddy.Context{Context: ctx})
	defer cancel()
	if err := app.loadOpener(caddyCtx); err != nil {
		return nil, err
	}
	opener, ok := app.opener.(keysync.StoreOpener)
	if !ok {
		return nil, fmt.Errorf("keys of the source %s cannot be listed or changed with this command", app.source.kind)
	}
	return opener.OpenStore(ctx, zap.NewNop())
}

// readApp reads the app in a configuration file: JSON if the name ends in .json, else a
// Caddyfile.
func readApp(path string) (*App, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if filepath.Ext(path) != ".json" {
		content, _, err = caddyconfig.GetAdapter("caddyfile").Adapt(content, map[string]any{"filename": path})
		if err != nil {
			return nil, err
		}
	}
	var cfg struct {
		Apps struct {
			App *App `json:"ingest_auth"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(content, &cfg); err != nil {
		return nil, err
	}
	app := cfg.Apps.App
	if app == nil {
		return nil, errors.New("there is no ingest_auth in it; write `keys …` in the global option ingest_auth")
	}
	app.App.SetDefaults()
	return app, nil
}
