package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
)

// maxConflicts is how often a write is tried again because somebody else wrote at the
// same time.
const maxConflicts = 100

var (
	errConflict = errors.New("somebody else has written at the same time")

	// errKeep is returned by the function given to edit if nothing is to be written.
	errKeep = errors.New("keep the document as it is")
)

// edit changes the document at path. change gets the old content, or nil, and returns the
// new content. It is called again if somebody else wrote at the same time.
func (v *Source) edit(ctx context.Context, path string, change func(old json.RawMessage) (json.RawMessage, error)) error {
	for range maxConflicts {
		old, err := v.current(ctx, path)
		if err != nil {
			return err
		}
		data, err := change(old.Data)
		if errors.Is(err, errKeep) {
			return nil
		}
		if err != nil {
			return err
		}
		err = v.put(ctx, path, data, old.Metadata.Version)
		if !errors.Is(err, errConflict) {
			return err
		}
		if err := background.Sleep(ctx, background.Jitter(20*time.Millisecond)); err != nil {
			return err
		}
	}
	return fmt.Errorf("writing %s: %w, %d times in a row; try again", path, errConflict, maxConflicts)
}

// current returns the document at path and its version. If there is none, its
// data is nil; its version is 0 if there never was one.
func (v *Source) current(ctx context.Context, path string) (*document, error) {
	if err := v.notReady(); err != nil {
		return nil, err
	}
	resp, err := v.client.Logical().ReadRawWithContext(ctx, path)
	if resp != nil {
		defer resp.Body.Close()
	}
	absent := isAbsent(err)
	if err != nil && !absent {
		return nil, explain(err, "reading "+path)
	}
	doc, err := readDocument(resp.Body)
	switch {
	case absent && err != nil:
		return new(document), nil
	case absent:
		doc.Data = nil
	case err != nil:
		return nil, explain(err, "reading "+path)
	}
	return doc, nil
}

// put writes the document at path if its version is still the given one. The
// error is errConflict if it is not.
func (v *Source) put(ctx context.Context, path string, data json.RawMessage, version int) error {
	if err := v.notReady(); err != nil {
		return err
	}
	_, err := v.client.Logical().WriteWithContext(ctx, path, map[string]any{
		"data":    data,
		"options": map[string]any{"cas": version},
	})
	if isCASMismatch(err) {
		return errConflict
	}
	return explain(err, "writing "+path)
}

func isCASMismatch(err error) bool {
	r, ok := errors.AsType[*api.ResponseError](err)
	return ok && r.StatusCode == http.StatusBadRequest && strings.Contains(strings.Join(r.Errors, " "), "check-and-set")
}

// announce appends digests to the change feed. A damaged feed is replaced by a new one,
// so that all gateways read everything again.
func (v *Source) announce(ctx context.Context, digests []keysync.Digest) error {
	if len(digests) == 0 {
		return nil
	}
	err := v.edit(ctx, v.dataPath(changesPath), func(old json.RawMessage) (json.RawMessage, error) {
		c, err := parseChanges(old)
		if err != nil {
			c = newChanges()
		}
		c.add(digests)
		return json.Marshal(c)
	})
	if err != nil {
		return fmt.Errorf("the records are written, but gateways have not been told: run the same again, or they notice only when their records are no longer fresh: %w", err)
	}
	return nil
}
