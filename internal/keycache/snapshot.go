package keycache

import (
	"context"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
)

// snapshotter writes the cache to storage regularly, and once more at the end.
type snapshotter struct {
	cache   *cache.Cache
	storage certmagic.Storage
	name    string
	derive  DeriveFunc
	log     *zap.Logger
	stop    chan struct{}
	stopped chan struct{}
}

// DeriveFunc returns the secrets that authenticate snapshots, the current first.
type DeriveFunc func() ([][]byte, error)

// snapshotTimeout is how long the storage may take for one snapshot.
const snapshotTimeout = 10 * time.Second

func startSnapshots(c *cache.Cache, place string, st certmagic.Storage, derive DeriveFunc, every time.Duration, log *zap.Logger) *snapshotter {
	s := &snapshotter{
		cache: c, storage: st, name: "ingest_auth/snapshot/" + hexDigest(place), derive: derive, log: log,
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

// restore fills the cache from the last snapshot. A snapshot that cannot be trusted is
// ignored: then the cache starts empty.
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
