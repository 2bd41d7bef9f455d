package caddymodule

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// counterShares are the shares of the pool for limits.
type counterShares struct {
	// local counts in the memory of this process. All configurations share it, so that no
	// reload forgets anything.
	local  *pooled[*gate.Counters]
	redis  *pooled[*limit.Resilient] // nil unless limits count in Redis
	memory *pooled[*body.Budget]     // for buffered bodies
}

// forGates is where limits count.
func (s *counterShares) forGates() gate.Counters {
	c := *s.local.value
	if s.redis != nil {
		c.Requests = s.redis.value
	}
	return c
}

// release gives back the shares that still work when they are closed.
func (s *counterShares) release() error {
	return errors.Join(s.local.release(), s.memory.release())
}

// defaultBufferMemory returns an eighth of the memory limit, and 0, for the usual default, if
// that is less.
func defaultBufferMemory(limit int64) config.Size {
	if share := max(limit/8, 1<<20); share < 256<<20 {
		return config.Size(share)
	}
	return 0
}

// openCounters takes over the counters of the running configuration, or makes
// new ones.
func (a *App) openCounters() (err error) {
	a.counters.local, err = fromPool("counters in memory", a.log, func(*zap.Logger) (*gate.Counters, func(), error) {
		return &gate.Counters{Requests: limit.NewMemory(0), Failures: limit.NewMemory(0), InFlight: limit.NewInFlight()}, func() {}, nil
	})
	if err != nil {
		return err
	}
	budget := int64(a.BufferMemory)
	a.counters.memory, err = fromPool(fmt.Sprintf("buffer_memory %d", budget), a.log, func(*zap.Logger) (*body.Budget, func(), error) {
		return body.NewBudget(budget), func() {}, nil
	})
	if err != nil || a.Counters.Store != "redis" {
		return err
	}
	return a.openRedis()
}

func (a *App) openRedis() error {
	c := a.Counters
	url, err := redisURL(c.URL)
	if err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	secure, err := readTLS(c)
	if err != nil {
		return fmt.Errorf("ingest_auth: counters: %w", err)
	}
	memory := a.counters.local.value.Requests.(*limit.Memory)
	a.counters.redis, err = fromPool(redisPoolKey(c, url, secure), a.log.Named("counters"), func(log *zap.Logger) (*limit.Resilient, func(), error) {
		redis, err := limit.NewRedis(limit.RedisOptions{URL: url, Timeout: durationOf(c.Timeout), TLS: secure.config})
		if err != nil {
			return nil, nil, err
		}
		r := limit.NewResilient(redis, memory, limit.OnError(c.OnError), log)
		unmeter := meters.FollowRedis(r)
		return r, func() { r.Close(); unmeter() }, nil
	})
	if err != nil {
		return fmt.Errorf("ingest_auth: counters: %w", err)
	}
	return nil
}

// redisURL resolves the placeholder for a URL with a password.
func redisURL(s string) (string, error) {
	if !config.IsPlaceholder(s) {
		return s, nil
	}
	url, err := resolve("counters", s)
	return strings.TrimSpace(url), err
}

// redisPoolKey identifies a client by its settings and the content of their files, so
// that a renewed certificate is used after the next reload. It includes only a hash of
// what may be secret: pool keys may be printed.
func redisPoolKey(c config.Counters, url string, secure countersTLS) string {
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(url), []byte(c.ServerName), secure.caCert, secure.clientCert, secure.clientKey} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return fmt.Sprintf("counters redis %x %s %s", sum.Sum(nil)[:8], c.Timeout, c.OnError)
}
