package assertion

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/certmagic"
)

var _ Storage = certmagic.Storage(nil)

// memory is a Storage in memory whose operations can be made to fail.
type memory struct {
	mu     sync.Mutex
	files  map[string][]byte
	locks  map[string]chan struct{}
	fail   map[string]error // by operation: load, store, stored (late), lock, unlock
	stores int
	loaded func() // called after a load and before its answer, if set
}

// errHang makes Load hang until its context is done.
var errHang = errors.New("hang")

func newMemory() *memory {
	return &memory{files: map[string][]byte{}, locks: map[string]chan struct{}{}, fail: map[string]error{}}
}

// failing makes the named operations fail with err, and all others work.
func (m *memory) failing(err error, operations ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = map[string]error{}
	for _, o := range operations {
		m.fail[o] = err
	}
}

func (m *memory) failure(operation string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fail[operation]
}

func (m *memory) lock(name string) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] == nil {
		m.locks[name] = make(chan struct{}, 1)
	}
	return m.locks[name]
}

func (m *memory) Lock(ctx context.Context, name string) error {
	if err := m.failure("lock"); err != nil {
		return err
	}
	select {
	case m.lock(name) <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memory) Unlock(ctx context.Context, name string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	<-m.lock(name)
	return m.failure("unlock")
}

// Store fails before or after it has stored. Writing without the lock is a mistake.
func (m *memory) Store(_ context.Context, key string, value []byte) error {
	if err := m.failure("store"); err != nil {
		return err
	}
	if len(m.lock("ingest_auth_signing_EdDSA.json"))+len(m.lock("ingest_auth_signing_ES256.json")) == 0 {
		panic("stored without holding the lock")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[key] = bytes.Clone(value)
	m.stores++
	return m.fail["stored"]
}

func (m *memory) Load(ctx context.Context, key string) ([]byte, error) {
	err := m.failure("load")
	if errors.Is(err, errHang) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	value, ok := m.files[key]
	loaded := m.loaded
	m.mu.Unlock()
	if loaded != nil {
		loaded()
	}
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(value), nil
}

// put replaces a document behind the back of every signer; nil removes it.
func (m *memory) put(key string, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value == nil {
		delete(m.files, key)
		return
	}
	m.files[key] = value
}

// document returns the only document.
func (m *memory) document(t *testing.T) (path string, value []byte) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.files) != 1 {
		t.Fatalf("storage holds %d documents, want 1", len(m.files))
	}
	for path, value = range m.files {
	}
	return path, bytes.Clone(value)
}

func (m *memory) storeCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stores
}

// link is one instance's way to a memory that others use too.
type link struct {
	*memory
	down atomic.Bool
}

var errUnreachable = errors.New("storage is unreachable")

func (l *link) Lock(ctx context.Context, name string) error {
	if l.down.Load() {
		return errUnreachable
	}
	return l.memory.Lock(ctx, name)
}

func (l *link) Load(ctx context.Context, key string) ([]byte, error) {
	if l.down.Load() {
		return nil, errUnreachable
	}
	return l.memory.Load(ctx, key)
}
