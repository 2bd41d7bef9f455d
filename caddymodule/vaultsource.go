package caddymodule

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
	"github.com/ingestauth/caddy-ingest-auth/keysync/vault"
)

// vaultSource is a Vault with a cache in front of it that follows the change
// feed, and perhaps a snapshot.
type vaultSource struct {
	*cache.Cache
	vault    *vault.Source
	feed     *vault.Feed
	snapshot *snapshotter // nil if there is none
	unmeter  func()
}

// loginWait is how long a start waits for Vault. A listener that opens before the login
// turns good keys away; in an outage it opens without one, for keys of a snapshot.
const loginWait = 3 * time.Second

func openVault(ctx context.Context, o vault.Options, settings config.Cache, storage certmagic.Storage, derive deriveFunc, log *zap.Logger) (*vaultSource, error) {
	v, err := vault.New(o, log)
	if err != nil {
		return nil, err
	}
	c, err := cache.New(meteredSource{v}, cache.Options{
		Size: settings.Size, Fresh: time.Duration(settings.Fresh), Unknown: time.Duration(settings.Unknown), Outage: time.Duration(settings.Outage),
		Reads: settings.Reads, Timeout: o.Timeout,
	})
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	s := &vaultSource{Cache: c, vault: v}
	if before := runningCaches.add(v.Identity(), c); before != nil {
		takeOver(c, before, log)
	}
	s.unmeter = meters.evictions.follow(func() uint64 { return c.Stats().Evicted })
	if settings.Snapshot > 0 {
		s.snapshot = startSnapshots(c, v.Identity(), storage, derive, time.Duration(settings.Snapshot), log)
	}
	ctx, cancel := context.WithTimeout(ctx, loginWait)
	defer cancel()
	_ = v.Wait(ctx) // it logs what is wrong
	s.feed = vault.FollowChanges(v, c, log)
	return s, nil
}

// close ends everything; the last snapshot is written before the cache is gone.
func (s *vaultSource) close(log *zap.Logger) {
	if s.snapshot != nil {
		s.snapshot.close()
	}
	runningCaches.remove(s.vault.Identity(), s.Cache)
	if err := errors.Join(s.feed.Close(), s.Cache.Close(), s.vault.Close()); err != nil {
		log.Error("closing Vault source", zap.Error(err))
	}
	s.unmeter()
}

// vaultOptions turns settings into options, with the secrets looked up.
func vaultOptions(v config.Vault) (vault.Options, error) {
	o := vault.Options{
		Address: v.Address, Mount: v.Mount, Prefix: v.Prefix, Namespace: v.Namespace,
		CACert: v.CACert, ClientCert: v.ClientCert, ClientKey: v.ClientKey, TLSServerName: v.ServerName,
		Timeout: time.Duration(v.Timeout),
		Auth:    vault.Auth{Method: v.Auth, Mount: v.AuthMount, Role: v.Role, Wrapped: v.Wrapped},
	}
	if !config.IsPlaceholder(v.Credential) {
		o.Auth.File = v.Credential
		return o, nil
	}
	secret, err := resolve("keys vault auth", v.Credential)
	if err != nil {
		return o, err
	}
	if secret = strings.TrimSpace(secret); v.Auth == vault.AppRole {
		o.Auth.SecretID = vault.Secret(secret)
	} else {
		o.Auth.Token = vault.Secret(secret)
	}
	return o, nil
}

// snapshotter writes the cache to storage now and then, and once more at the end.
type snapshotter struct {
	cache   *cache.Cache
	storage certmagic.Storage
	name    string
	derive  deriveFunc
	log     *zap.Logger
	stop    chan struct{}
	stopped chan struct{}
}

// deriveFunc returns the secrets that authenticate snapshots, the current first.
type deriveFunc func() ([][]byte, error)

// snapshotTimeout is how long the storage may take for one snapshot.
const snapshotTimeout = 10 * time.Second

func startSnapshots(c *cache.Cache, source string, st certmagic.Storage, derive deriveFunc, every time.Duration, log *zap.Logger) *snapshotter {
	s := &snapshotter{
		cache: c, storage: st, name: "ingest_auth/snapshot/" + hexDigest(source), derive: derive, log: log,
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	s.restore()
	go s.run(every)
	return s
}

func hexDigest(s string) string { return keysync.DigestOf([]byte(s)).String() }

func (s *snapshotter) run(every time.Duration) {
	defer close(s.stopped)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.write()
		case <-s.stop:
			s.write()
			return
		}
	}
}

func (s *snapshotter) close() {
	close(s.stop)
	<-s.stopped
}

func (s *snapshotter) write() {
	ctx, cancel := context.WithTimeout(context.Background(), snapshotTimeout)
	defer cancel()
	secrets, err := s.derive()
	if err == nil {
		var snap []byte
		if snap, err = s.cache.Snapshot(secrets[0]); err == nil {
			err = s.storage.Store(ctx, s.name, snap)
		}
	}
	if err != nil {
		s.log.Error("writing the cache snapshot", zap.Error(err))
	}
}

// restore fills the cache from the last snapshot. One that cannot be trusted is
// left alone: the cache then starts empty.
func (s *snapshotter) restore() {
	ctx, cancel := context.WithTimeout(context.Background(), snapshotTimeout)
	defer cancel()
	if !s.storage.Exists(ctx, s.name) {
		return
	}
	snap, err := s.storage.Load(ctx, s.name)
	if err != nil {
		s.log.Error("reading the cache snapshot", zap.Error(err))
		return
	}
	secrets, err := s.derive()
	n := 0
	for _, secret := range secrets {
		if n, err = s.cache.Restore(snap, secret); err == nil {
			break
		}
	}
	if err != nil {
		s.log.Error("the cache snapshot was not used", zap.Error(err))
		return
	}
	s.log.Info("cache restored from its snapshot", zap.Int("records", n))
}
