package caddymodule

import (
	"cmp"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule/logs"
	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const appID = "ingest_auth"

// keyNames are the names of places for keys. Everything that people see is cleaned with
// them.
var keyNames = logs.Names

func init() {
	caddy.RegisterModule(new(App))
}

// App is what all gates of a configuration share: the source of the keys'
// records and the keys that sign assertions. Both outlive a configuration reload
// that does not change their settings.
type App struct {
	config.App

	identityHeader string            // canonical name of the header that carries the assertion
	places         []config.Location // where the gates look for keys
	opener         keysync.Opener
	source         sourceShares
	signer         *pooled[*assertion.Signer]
	counters       counterShares
	watch          watchShares
	hold           *hold                  // on source and counters in Redis
	gauges         []prometheus.Collector // of the state of all this
	warnedOf       map[*caddyhttp.Server]bool
	started        bool
	log            *zap.Logger
	ctx            caddy.Context
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  appID,
		New: func() caddy.Module { return new(App) },
	}
}

// Provision opens the source and the signing keys, or takes over those of the running
// configuration.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.log, a.hold = ctx, ctx.Logger(), newHold()
	if err := a.App.Validate(); err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	a.BufferMemory = cmp.Or(a.BufferMemory, defaultBufferMemory(debug.SetMemoryLimit(-1)))
	a.App.SetDefaults()
	a.identityHeader = http.CanonicalHeaderKey(a.Sign.Header)
	keyNames.AddHeader(a.Sign.Header)
	if err := a.loadOpener(ctx); err != nil {
		return err
	}
	if err := a.openCounters(); err != nil {
		return err
	}
	if err := a.openWatch(); err != nil {
		return err
	}
	if err := a.openSigner(ctx); err != nil {
		return err
	}
	if err := a.openSource(ctx); err != nil {
		return err
	}
	a.source.tellLogs()
	a.gauges = a.newGauges()
	return registerMetrics(ctx.GetMetricsRegistry())
}

func (a *App) openSigner(ctx caddy.Context) error {
	secret, err := signingSecret(a.Sign)
	if err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	storage := ctx.Storage()
	key := signerPoolKey(a.Sign, secret, storage)
	a.signer, err = fromPool(key, a.log.Named("sign"), func(log *zap.Logger) (*assertion.Signer, func(), error) {
		s, err := assertion.Open(ctx, storage, assertion.Options{
			Algorithm: assertion.Algorithm(a.Sign.Algorithm),
			Issuer:    a.Sign.Issuer,
			Audience:  a.Sign.Audience,
			TTL:       durationOf(a.Sign.TTL),
			Rotate:    durationOf(a.Sign.Rotate),
			Secret:    secret,
		}, log)
		if err != nil {
			return nil, nil, err
		}
		return s, s.Close, nil
	})
	if err != nil {
		return fmt.Errorf("ingest_auth: opening signing keys: %w", err)
	}
	return nil
}

func durationOf(d config.Duration) time.Duration { return time.Duration(d) }

// Start refuses to run when a log that HTTP requests reach would write keys.
func (a *App) Start() error {
	a.started = true
	if a.LogCheck == "off" {
		return nil
	}
	return logs.Check(a.ctx, a.places, a.identityHeader)
}

// Stop does nothing: Cleanup releases everything.
func (a *App) Stop() error { return nil }

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
