package metrics

import (
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
)

// maxMeteredKeys is how many keys are counted separately. With more keys, the series of
// the key that was unused for longest is deleted. If that key comes back, it counts from
// zero.
const maxMeteredKeys = 1000

// KeyCounts counts requests by key ID and verdict.
type KeyCounts struct {
	byID *lru.Cache[string, *verdictCounts]
}

type verdictCounts [gate.Verdicts]atomic.Uint64

var keyRequestsDesc = prometheus.NewDesc(Prefix+"key_requests_total",
	"Requests that the gate has judged, by key.", []string{"key_id", "verdict"}, nil)

func newKeyCounts(size int) *KeyCounts {
	byID, err := lru.New[string, *verdictCounts](size)
	if err != nil {
		panic(err) // only a size below 1 is an error
	}
	return &KeyCounts{byID}
}

func (k *KeyCounts) add(id string, verdict gate.Verdict) {
	c, ok := k.byID.Get(id)
	if !ok {
		c = new(verdictCounts)
		if other, ok, _ := k.byID.PeekOrAdd(id, c); ok {
			c = other
		}
	}
	c[verdict].Add(1)
}

// Describe implements prometheus.Collector.
func (*KeyCounts) Describe(ch chan<- *prometheus.Desc) { ch <- keyRequestsDesc }

// Collect implements prometheus.Collector.
func (k *KeyCounts) Collect(ch chan<- prometheus.Metric) {
	for _, id := range k.byID.Keys() {
		c, ok := k.byID.Peek(id)
		if !ok {
			continue
		}
		for v := range c {
			if n := c[v].Load(); n > 0 {
				ch <- count(keyRequestsDesc, n, id, gate.Verdict(v).String())
			}
		}
	}
}
