package caddymodule

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// reportEvery is how often a gate in report mode logs what it would have refused.
const reportEvery = 10 * time.Second

// reporter counts what a gate in report mode would have refused, by verdict, and
// logs the counts from time to time: a line per request would be a flood.
type reporter struct {
	log *zap.Logger

	mu     sync.Mutex
	counts map[string]int
	timer  *time.Timer // nil unless something is to be logged
}

func newReporter(log *zap.Logger) *reporter {
	return &reporter{log: log, counts: make(map[string]int)}
}

// count counts a request. Verdicts are few, clients cannot make up any.
func (r *reporter) count(verdict string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[verdict]++
	if r.timer == nil {
		r.timer = time.AfterFunc(reportEvery, r.flush)
	}
}

// flush logs what was counted since the last time, if anything was.
func (r *reporter) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer == nil {
		return
	}
	r.timer.Stop()
	r.timer = nil
	total := 0
	for _, n := range r.counts {
		total += n
	}
	r.log.Warn("requests that would have been refused", zap.Int("requests", total), zap.Any("verdicts", r.counts))
	r.counts = make(map[string]int)
}
