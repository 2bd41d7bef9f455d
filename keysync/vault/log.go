package vault

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// unusableRecords logs malformed records, each once per change.
type unusableRecords struct {
	log      *zap.Logger
	count    atomic.Uint64
	mu       sync.Mutex
	problems map[keysync.Digest]string
}

// maxProblems limits how many problems are remembered. Beyond it, problems are logged
// again.
const maxProblems = 10_000

func (u *unusableRecords) add(d keysync.Digest, path string, err error) {
	u.count.Add(1)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.problems[d] == err.Error() {
		return
	}
	if len(u.problems) >= maxProblems {
		clear(u.problems)
	}
	u.problems[d] = err.Error()
	fields := []zap.Field{zap.String("path", path), zap.Error(err)}
	if e, ok := errors.AsType[*keysync.RecordError](err); ok {
		fields = append(fields, zap.String("field", e.Field))
	}
	u.log.Error("record cannot be used: requests with its key are answered as in an outage", fields...)
}

func (u *unusableRecords) remove(d keysync.Digest) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.problems, d)
}

// healthLog logs when reads begin to fail, and when they have been good again
// for a while.
type healthLog struct {
	log     *zap.Logger
	failing atomic.Bool
	mu      sync.Mutex
	last    time.Time // of the last failure
}

const healthyAfter = 2 * time.Second

func (h *healthLog) bad(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = time.Now()
	if !h.failing.Swap(true) {
		h.log.Error("cannot read from Vault, serving what the cache has", zap.Error(err))
	}
}

func (h *healthLog) good() {
	if !h.failing.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.last) > healthyAfter && h.failing.Swap(false) {
		h.log.Info("reading from Vault again")
	}
}
