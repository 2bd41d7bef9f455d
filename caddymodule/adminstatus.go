package caddymodule

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
)

// processStart is approximately when the process began.
var processStart = time.Now()

// closestLimits is how many limits are shown: those closest to refusing.
const closestLimits = 10

// status is the state of all gates. Series have a number for each of the last 60 minutes,
// the current one last.
type status struct {
	Time          time.Time               `json:"time"`
	UptimeSeconds int64                   `json:"uptime_seconds"`
	Verdicts      map[string]*flow.Series `json:"verdicts"` // requests by minute
	Source        sourceStatus            `json:"source"`
	Signing       signingStatus           `json:"signing"`
	Limits        []limitStatus           `json:"limits"`
	Copies        []copiesStatus          `json:"copies"`
	Counters      countersStatus          `json:"counters"`
	Buffers       buffersStatus           `json:"buffers"`
	RecentEvents  bool                    `json:"recent_events"` // are kept
}

// sourceStatus is the state of the key source. If it has a cache, the numbers of the
// cache are in a member with the name of the source.
type sourceStatus struct {
	Kind    string `json:"kind"`
	Records int    `json:"records"`           // that the source holds, or the cache
	Problem string `json:"problem,omitempty"` // why the source cannot be used now

	LoadedAt time.Time `json:"loaded_at,omitzero"` // when the source read its records

	cache *cacheStatus
}

type cacheStatus struct {
	Unknown         int       `json:"unknown"`          // digests remembered as unknown
	Reads           uint64    `json:"reads"`            // of the source so far
	RefusedReads    uint64    `json:"refused_reads"`    // look-ups refused because of the cap
	UnusableRecords uint64    `json:"unusable_records"` // malformed records read so far
	ChangesRead     time.Time `json:"changes_read_at,omitzero"`
}

// MarshalJSON puts the numbers of the cache under the name of the source.
func (s sourceStatus) MarshalJSON() ([]byte, error) {
	type plain sourceStatus
	all, err := json.Marshal(plain(s))
	if err != nil || s.cache == nil {
		return all, err
	}
	figures, err := json.Marshal(map[string]*cacheStatus{s.Kind: s.cache})
	if err != nil {
		return nil, err
	}
	return append(append(all[:len(all)-1], ','), figures[1:]...), nil
}

type signingStatus struct {
	Algorithm     string    `json:"algorithm"`
	KeyID         string    `json:"kid,omitempty"`
	KeyAgeSeconds int64     `json:"key_age_seconds,omitempty"`
	NextKeyID     string    `json:"next_kid,omitempty"` // published, but does not sign yet
	NextRotation  time.Time `json:"next_rotation,omitzero"`
}

// limitStatus is a limit that is close to refusing a key, as it was after the last
// request of the key.
type limitStatus struct {
	Name      string    `json:"name"`
	KeyID     string    `json:"key_id"`
	Account   string    `json:"account,omitempty"`
	Mode      string    `json:"mode,omitempty"`
	Limit     int64     `json:"limit"`
	Remaining int64     `json:"remaining"`
	ResetAt   time.Time `json:"reset_at"`
}

// copiesStatus is a key that clients give in more places of a request than one.
type copiesStatus struct {
	KeyID    string   `json:"key_id"`
	Account  string   `json:"account,omitempty"`
	Mode     string   `json:"mode,omitempty"`
	Requests uint64   `json:"requests"` // of the last hour
	Places   []string `json:"places"`
}

// countersStatus is the state of the counters. All members except Store are only for
// Redis.
type countersStatus struct {
	Store    string  `json:"store"`
	Up       *bool   `json:"up,omitempty"`
	Problem  string  `json:"problem,omitempty"` // why Redis is not used now
	Outages  *uint64 `json:"outages,omitempty"`
	Degraded *uint64 `json:"degraded,omitempty"` // requests counted without Redis
}

type buffersStatus struct {
	HeldBytes  int64 `json:"held_bytes"`
	LimitBytes int64 `json:"limit_bytes"`
}

func adminStatus(app *App, w http.ResponseWriter, _ *http.Request) error {
	now := time.Now()
	return writeJSON(w, status{
		Time:          now.UTC(),
		UptimeSeconds: int64(now.Sub(processStart).Seconds()),
		Verdicts:      app.watch.flow.value.Verdicts(now),
		Source:        app.source.adminStatus(),
		Signing:       app.signingStatus(now),
		Limits:        app.limitStatus(now),
		Copies:        app.copiesStatus(now),
		Counters:      app.counters.status(),
		Buffers:       buffersStatus{app.counters.memory.value.Held(), int64(app.BufferMemory)},
		RecentEvents:  app.watch.recent != nil,
	})
}

func (s *sourceShares) adminStatus() sourceStatus {
	st, _ := s.status()
	out := sourceStatus{Kind: s.kind, Records: st.Records, LoadedAt: st.LoadedAt.UTC(), Problem: keyNames.Text(st.Problem)}
	if s.cache != nil {
		c := s.cache.value.Stats()
		out.Records = c.Records
		out.cache = &cacheStatus{
			Unknown: c.Unknown, Reads: c.Reads, RefusedReads: c.RefusedReads,
			UnusableRecords: st.Unusable, ChangesRead: st.ChangesAt.UTC(),
		}
	}
	return out
}

func (a *App) signingStatus(now time.Time) signingStatus {
	s := a.signer.value.Status(now)
	return signingStatus{
		Algorithm: a.Sign.Algorithm, KeyID: s.KeyID, KeyAgeSeconds: int64(s.Age.Seconds()),
		NextKeyID: s.NextKeyID, NextRotation: s.NextAt,
	}
}

func (a *App) limitStatus(now time.Time) []limitStatus {
	list := []limitStatus{}
	for _, k := range flow.Closest(a.watch.flow.value.Keys(now), now, closestLimits) {
		list = append(list, limitStatus{
			Name: k.Limit.Name, KeyID: k.Record.KeyID, Account: k.Record.Account, Mode: k.Record.Mode,
			Limit: k.Limit.Limit, Remaining: k.Limit.Remaining, ResetAt: k.Limit.Reset.UTC(),
		})
	}
	return list
}

// shownCopies is how many keys are listed that are given twice, those first with which most
// requests were sent.
const shownCopies = 10

func (a *App) copiesStatus(now time.Time) []copiesStatus {
	list := []copiesStatus{}
	for _, k := range a.watch.flow.value.Keys(now) {
		if n := k.Copies.Sum(); n > 0 {
			list = append(list, copiesStatus{k.Record.KeyID, k.Record.Account, k.Record.Mode, n, k.CopiesIn})
		}
	}
	slices.SortStableFunc(list, func(a, b copiesStatus) int { return cmp.Compare(b.Requests, a.Requests) })
	return list[:min(len(list), shownCopies)]
}

func (s *counterShares) status() countersStatus {
	if s.redis == nil {
		return countersStatus{Store: "memory"}
	}
	h := s.redis.value.Health()
	return countersStatus{Store: "redis", Up: &h.Up, Problem: keyNames.Text(h.Problem), Outages: &h.Outages, Degraded: &h.Degraded}
}
