package sqlitekeys

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// poll is how often a gate asks for changes.
const poll = time.Second

// source is what a gate reads. The gate puts a cache in front of it, because it is not a
// keysync.Getter.
type source struct {
	*database
	log *zap.Logger

	mu     sync.Mutex
	status keysync.Status
}

func openSource(ctx context.Context, path string, log *zap.Logger) (*source, error) {
	if _, err := os.Stat(path); err != nil { // the error of SQLite does not name the file
		return nil, fmt.Errorf("keys sqlite: opening the database: %w; make it with `ingest-keys create --config`", err)
	}
	db, err := open(ctx, path, url.Values{"mode": {"ro"}})
	if err != nil {
		return nil, err
	}
	return &source{database: db, log: log}, nil
}

// Place implements keysync.Located. With it the cache survives a change of its settings,
// and `cache snapshot` can be used.
func (s *source) Place() string { return s.path }

// Status implements keysync.Reporter. It returns at once: it does not ask the database.
func (s *source) Status() keysync.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Watch implements keysync.Watcher: it asks for changes once a second.
func (s *source) Watch(ctx context.Context, to keysync.Invalidator) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var at int64 // the last change that was handled; 0 before the first look
	for {
		next, err := s.look(ctx, at, to)
		if ctx.Err() != nil {
			return
		}
		s.note(err)
		if err == nil {
			at = next
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look tells the cache what has changed since the change at, and returns the last one.
//
// It also reads the change `at`. If that is gone, the changes after it may be gone, too, or
// it is another database: then every record is doubted. At the first look every record is
// doubted, too, because the cache may come from a snapshot.
func (s *source) look(ctx context.Context, at int64, to keysync.Invalidator) (int64, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT number, digest FROM changes WHERE number >= ? ORDER BY number`, at)
	if err != nil {
		return at, err
	}
	defer rows.Close()
	var changed []keysync.Digest
	var last int64
	complete := false
	for rows.Next() {
		var text string
		if err := rows.Scan(&last, &text); err != nil {
			return at, err
		}
		if last == at {
			complete = true
			continue
		}
		d, err := keysync.ParseDigest(text)
		if err != nil {
			return at, fmt.Errorf("change %d: the digest %w", last, err)
		}
		changed = append(changed, d)
	}
	if err := rows.Err(); err != nil {
		return at, err
	}
	if complete || at == 0 && last == 0 {
		to.Forget(changed...)
	} else {
		to.Doubt()
	}
	return last, nil
}

// note remembers the result of a look, and logs it once per change.
func (s *source) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.status.Problem
	if err == nil {
		s.status = keysync.Status{ChangesAt: time.Now()}
		if before != "" {
			s.log.Info("reading from SQLite again", zap.String("path", s.path))
		}
		return
	}
	s.status.Problem, s.status.Public = err.Error(), "the SQLite database cannot be read"
	if before == "" {
		s.log.Error("cannot read from SQLite, serving what the cache has", zap.String("path", s.path), zap.Error(err))
	}
}

// Interface guards
var (
	_ keysync.Watcher  = (*source)(nil)
	_ keysync.Reporter = (*source)(nil)
	_ keysync.Located  = (*source)(nil)
)
