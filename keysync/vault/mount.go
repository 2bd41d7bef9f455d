package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
)

// mount is the KV engine that the records are in. A 404 means that a key does not exist
// only if it comes from that engine: an engine of version 1 at the same path, or an empty
// one of version 2, gives the same answer for every key.
//
// So after a 404 we look at the mount, and believe the 404 only if the engine is still
// the same. Another engine of version 2 is accepted when a record or the change feed was
// found in it, or if nothing was ever found in the old one.
type mount struct {
	mu    sync.Mutex
	id    string    // of the accepted engine, "" before the first login
	other string    // of another engine that was seen in its place, or ""
	since time.Time // when it was first seen
	found time.Time // when the last successful read began
	empty bool      // a read has found nothing

	next *mountLook // has not begun, or nil
	last time.Time  // when the last one began
}

// mountLook is one look at the mount. Any number of reads can wait for it.
type mountLook struct {
	done chan struct{}
	err  error // set when done is closed
}

// lookGap limits how often we look at the mount, and how long a read waits for that.
const lookGap = 20 * time.Millisecond

var (
	errVaultClosed = errors.New("the Vault source is closed")
	errOtherMount  = errors.New("it is another KV engine than before, and nothing has been found in it yet; put the records and the change feed there, or mount the old engine again. To start with an empty engine, restart the gate")
)

// confirmAbsence returns nil if the 404 that has just come can be believed, else why not.
func (v *Source) confirmAbsence(ctx context.Context) error {
	l := v.nextLook()
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return explain(ctx.Err(), v.lookingAtMount())
	}
}

// nextLook returns a look at the mount that has not begun.
func (v *Source) nextLook() *mountLook {
	m := &v.mount
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next != nil {
		return m.next
	}
	l := &mountLook{done: make(chan struct{})}
	if !v.looks.Run(func(ctx context.Context) { v.look(ctx, l) }) {
		l.err = errVaultClosed
		close(l.done)
		return l
	}
	m.next = l
	return l
}

func (v *Source) look(ctx context.Context, l *mountLook) {
	defer close(l.done)
	v.mount.mu.Lock()
	wait := time.Until(v.mount.last.Add(lookGap))
	v.mount.mu.Unlock()
	_ = background.Sleep(ctx, wait)

	v.mount.mu.Lock()
	v.mount.next, v.mount.last = nil, time.Now()
	v.mount.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, v.opts.Timeout)
	defer cancel()
	e, err := v.readMount(ctx, v.client)
	if isDenied(err) {
		v.suspectToken()
	}
	if err == nil {
		err = v.judge(e)
	}
	l.err = err
}

// engine is what Vault says of a mount.
type engine struct {
	Accessor string            `json:"accessor"`
	UUID     string            `json:"uuid"`
	Type     string            `json:"type"`
	Options  map[string]string `json:"options"`
}

func (v *Source) lookingAtMount() string { return "looking at mount " + v.opts.Mount }

// readMount says what is mounted.
func (v *Source) readMount(ctx context.Context, c *api.Client) (engine, error) {
	resp, err := c.Logical().ReadRawWithContext(ctx, "sys/internal/ui/mounts/"+v.opts.Mount)
	if resp != nil {
		defer resp.Body.Close()
	}
	if isDenied(err) {
		return engine{}, fmt.Errorf("%w; or the mount does not exist", explain(err, v.lookingAtMount()))
	}
	if err != nil {
		return engine{}, explain(err, v.lookingAtMount())
	}
	var answer struct {
		Data engine `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return engine{}, fmt.Errorf("%s: the answer is not Vault's; check the address", v.lookingAtMount())
	}
	return answer.Data, nil
}

// judge returns nil if a 404 from the mounted engine can be believed, else why not.
func (v *Source) judge(e engine) error {
	m := &v.mount
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Type != "kv" || e.Options["version"] != "2" {
		m.other = ""
		return fmt.Errorf("%s: %w; use one, or upgrade it with `vault kv enable-versioning %s`", v.lookingAtMount(), errNotKV2, v.opts.Mount)
	}
	id := e.UUID + " " + e.Accessor
	known := id == m.id || m.id == "" || m.found.IsZero()
	if known || id == m.other && m.found.After(m.since) {
		m.id, m.other = id, ""
		return nil
	}
	if id != m.other {
		m.other, m.since = id, time.Now()
	}
	return fmt.Errorf("%s: %w", v.lookingAtMount(), errOtherMount)
}

var errNotKV2 = errors.New("it is not a KV engine of version 2")

// noteFound remembers that a read found something, and when the read began.
func (m *mount) noteFound(began time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if began.After(m.found) {
		m.found = began
	}
}

func (m *mount) noteEmpty() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.empty = true
}

// FoundNothing reports whether Vault has answered, but the change feed and records were
// never found: mount or prefix may be wrong.
func (v *Source) FoundNothing() bool {
	v.mount.mu.Lock()
	defer v.mount.mu.Unlock()
	return v.mount.empty && v.mount.found.IsZero()
}
