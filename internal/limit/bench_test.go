package limit

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

func BenchmarkMemoryTake(b *testing.B) {
	for _, bc := range []struct {
		name     string
		counters int
		keys     uint64
	}{{"counters=1", 1, 10_000}, {"counters=3", 3, 10_000}, {"new", 1, 1 << 62}} {
		b.Run(bc.name, func(b *testing.B) { benchmarkTake(b, NewMemory(0), 2, bc.counters, bc.keys) })
	}
}

func BenchmarkRedisTake(b *testing.B) {
	s := redistest.Start(b)
	r := connectRedis(b, RedisOptions{URL: "redis://" + s.Addr()})
	for _, counters := range []int{1, 3} {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprintf("counters=%d/clients=%d", counters, clients), func(b *testing.B) {
				benchmarkTake(b, r, clients, counters, 10_000)
			})
		}
	}
}

// benchmarkTake takes from the given number of counters at a time, of the given
// number of keys each, with as many requests at a time as there are clients.
func benchmarkTake(b *testing.B, c Counters, clients, counters int, keys uint64) {
	var wg sync.WaitGroup
	b.ReportAllocs()
	began := cpuTime()
	for client := range clients {
		wg.Go(func() {
			ctx, now := context.Background(), time.Now()
			takes, states := make([]Take, counters), make([]State, counters)
			for i := range takes {
				takes[i] = Take{Rate: Rate{1 << 50, time.Minute}, Cost: 1, Key: CounterKey{8: byte(i)}}
			}
			for n := client; n < b.N; n += clients {
				for i := range takes {
					binary.BigEndian.PutUint64(takes[i].Key[:], uint64(n)%keys)
				}
				if fits, err := c.Count(ctx, OpTake, now, takes, states); !fits || err != nil {
					b.Error(fits, err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64((cpuTime()-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpuTime returns what this process has used, without redis-server.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkKeyOf(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		KeyOf("600/1m by datasource route", "datasource-0123456789", "POST /v1/project/{project}")
	}
}
