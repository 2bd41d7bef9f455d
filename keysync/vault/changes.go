package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const (
	// changesPath is where the change feed is, below the prefix.
	changesPath = "changes"

	maxChanges = 1000

	// maxNumber is the largest whole number that every JSON reader keeps.
	maxNumber = 1 << 53
)

var feedIDForm = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// changes is the change feed: the digests changed last, oldest first. The last
// of them has the number Last, the one before it Last-1, and so on.
type changes struct {
	// ID is new in each new document, so that readers notice when a feed starts again.
	ID string `json:"id"`

	// Last counts all changes ever appended.
	Last uint64 `json:"last"`

	// Digests are the last changes, at most maxChanges.
	Digests []string `json:"digests"`
}

func newChanges() *changes {
	return &changes{ID: rand.Text(), Digests: []string{}}
}

// parseChanges reads a change feed, strictly.
func parseChanges(b []byte) (*changes, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var c changes
	if err := dec.Decode(&c); err != nil {
		return nil, errors.New("is not an object with id, last and digests")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("has more text after its end")
	}
	switch {
	case !feedIDForm.MatchString(c.ID):
		return nil, errors.New("id is malformed")
	case c.Last > maxNumber || uint64(len(c.Digests)) > c.Last:
		return nil, errors.New("last does not fit the digests")
	case len(c.Digests) > maxChanges:
		return nil, fmt.Errorf("has more than %d digests", maxChanges)
	}
	for i, d := range c.Digests {
		if _, err := keysync.ParseDigest(d); err != nil {
			return nil, fmt.Errorf("digest %d %w", i+1, err)
		}
	}
	return &c, nil
}

// add appends digests and drops the oldest.
func (c *changes) add(digests []keysync.Digest) {
	for _, d := range digests {
		c.Digests = append(c.Digests, d.String())
	}
	c.Last += uint64(len(digests))
	c.Digests = c.Digests[max(0, len(c.Digests)-maxChanges):]
}

// since returns the digests changed after a position in the feed. It reports false if the
// feed no longer has them all.
func (c *changes) since(p position) ([]keysync.Digest, bool) {
	if c.ID != p.id || c.Last < p.last || c.Last-p.last > uint64(len(c.Digests)) {
		return nil, false
	}
	var out []keysync.Digest
	for _, s := range c.Digests[len(c.Digests)-int(c.Last-p.last):] {
		d, err := keysync.ParseDigest(s)
		if err != nil {
			return nil, false
		}
		out = append(out, d)
	}
	return out, true
}

func (c *changes) position() position { return position{id: c.ID, last: c.Last} }

// position is how far a feed has been followed. The zero value is nowhere.
type position struct {
	id   string
	last uint64
}
