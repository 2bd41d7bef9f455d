package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// maxListed is how many keys are listed at most. Those seen last come first.
const maxListed = flow.MaxKeys

// listedKey is what people may know about a key. Requests are counted by minute, for the
// last 60 minutes, the current one last. A key that was not seen has none.
type listedKey struct {
	KeyID     string         `json:"key_id"`
	Account   string         `json:"account,omitempty"`
	Mode      string         `json:"mode"`
	Env       string         `json:"env,omitempty"`
	State     string         `json:"state"` // active, not_yet_valid, expired or revoked
	ExpiresAt keysync.Moment `json:"expires_at,omitzero"`
	Successor string         `json:"successor,omitempty"`
	LastSeen  time.Time      `json:"last_seen,omitzero"`
	Allowed   *flow.Series   `json:"allowed,omitempty"`
	Refused   *flow.Series   `json:"refused,omitempty"`
	Copies    *flow.Series   `json:"copies,omitempty"`    // requests with the key in more places than one
	CopiesIn  []string       `json:"copies_in,omitempty"` // those places
}

func adminKeys(app *App, w http.ResponseWriter, _ *http.Request) error {
	now := time.Now()
	return writeJSON(w, struct {
		Keys []listedKey `json:"keys"`
	}{app.listKeys(now)})
}

// listKeys returns the keys that were seen, the latest first, and then, by ID, other keys
// in the source or its cache.
func (a *App) listKeys(now time.Time) []listedKey {
	list := []listedKey{}
	seen := a.watch.flow.value.Keys(now)
	held, others := a.heldRecords(seen)
	for _, s := range seen {
		k := newListedKey(cmp.Or(held[s.Record.KeyID], s.Record), now)
		k.LastSeen, k.Allowed, k.Refused = s.LastSeen.UTC(), &s.Allowed, &s.Refused
		if s.Copies.Sum() > 0 {
			k.Copies, k.CopiesIn = &s.Copies, s.CopiesIn
		}
		list = append(list, k)
	}
	for _, rec := range others[:min(len(others), maxListed-len(list))] {
		list = append(list, newListedKey(rec, now))
	}
	return list
}

func newListedKey(rec *keysync.Record, now time.Time) listedKey {
	return listedKey{
		KeyID: rec.KeyID, Account: rec.Account, Mode: rec.Mode, Env: rec.Env,
		State: rec.State(now).String(), ExpiresAt: rec.ExpiresAt, Successor: rec.Successor,
	}
}

// heldRecords returns records from the source or its cache: those of keys that were seen,
// by ID, and the first of the others. The source may hold a million.
func (a *App) heldRecords(seen []flow.Key) (held map[string]*keysync.Record, others []*keysync.Record) {
	held = make(map[string]*keysync.Record, len(seen))
	for _, s := range seen {
		held[s.Record.KeyID] = nil
	}
	for rec := range a.source.records() {
		if _, ok := held[rec.KeyID]; ok {
			held[rec.KeyID] = rec
			continue
		}
		if others = append(others, rec); len(others) == 2*maxListed {
			others = firstByID(others)
		}
	}
	return held, firstByID(others)
}

// records yields the records that the source or the cache holds.
func (s *sourceShares) records() iter.Seq[*keysync.Record] {
	if s.cache != nil {
		return s.cache.value.Records()
	}
	if l, ok := s.origin.value.(keysync.Lister); ok {
		return l.Records()
	}
	return func(func(*keysync.Record) bool) {}
}

func firstByID(records []*keysync.Record) []*keysync.Record {
	slices.SortFunc(records, func(a, b *keysync.Record) int { return strings.Compare(a.KeyID, b.KeyID) })
	return records[:min(len(records), maxListed)]
}

// purge is the body of a request to drop records. It has exactly one member.
type purge struct {
	KeyID   *string `json:"key_id"`
	Account *string `json:"account"`
	All     *bool   `json:"all"`
}

const maxPurgeBody = 4 << 10

var errPurge = apiError(http.StatusBadRequest, `the body must be {"key_id": "…"}, {"account": "…"} or {"all": true}`)

// readPurge reads the body. Its errors quote nothing of it.
func readPurge(r io.Reader) (*purge, error) {
	dec := json.NewDecoder(io.LimitReader(r, maxPurgeBody))
	dec.DisallowUnknownFields()
	p := new(purge)
	if err := dec.Decode(p); err != nil {
		return nil, errPurge
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errPurge
	}
	there := 0
	for _, ok := range []bool{p.KeyID != nil, p.Account != nil, p.All != nil} {
		if ok {
			there++
		}
	}
	if there != 1 || p.KeyID != nil && *p.KeyID == "" || p.Account != nil && *p.Account == "" || p.All != nil && !*p.All {
		return nil, errPurge
	}
	return p, nil
}

// matches reports whether to drop a record.
func (p *purge) matches(rec *keysync.Record) bool {
	switch {
	case p.KeyID != nil:
		return rec.KeyID == *p.KeyID
	case p.Account != nil:
		return rec.Account == *p.Account
	}
	return true
}

// adminPurge drops cached records, so that the next request reads them again. A
// source that holds its records reads them again at once.
func adminPurge(app *App, w http.ResponseWriter, r *http.Request) error {
	p, err := readPurge(r.Body)
	if err != nil {
		return err
	}
	n, err := app.source.purge(p)
	if err != nil {
		return apiError(http.StatusInternalServerError, keyNames.Text(err.Error()))
	}
	return writeJSON(w, struct {
		Purged int `json:"purged"`
	}{n})
}

func (s *sourceShares) purge(p *purge) (n int, err error) {
	if s.cache != nil && p.All != nil {
		return s.cache.value.PurgeAll(), nil
	}
	if s.cache != nil {
		return s.cache.value.Purge(p.matches), nil
	}
	for rec := range s.records() {
		if p.matches(rec) {
			n++
		}
	}
	if r, ok := s.origin.value.(keysync.Reloader); ok {
		err = r.Reload()
	}
	return n, err
}
