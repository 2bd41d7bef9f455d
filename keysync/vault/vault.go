// Package vault is a source of keys in HashiCorp Vault. The source is also the store that
// changes them.
package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
)

// Source reads the KV engine (version 2) of a Vault server. The record of a digest is the document
//
//	<mount>/data/<prefix>/<first two hex digits>/<digest>
//
// and never holds the key. A Source logs in, renews its token and logs in again in
// the background.
type Source struct {
	opts   Options
	log    *zap.Logger
	client *api.Client
	http   *http.Client
	auth   authenticator

	usable atomic.Bool   // there is a token, and the mount was checked
	denied chan struct{} // Vault refused the token or its policy

	mu      sync.Mutex
	problem error         // why there is no login; nil if there is one
	tried   chan struct{} // closed when the first login has been tried

	parser keysync.RecordParser
	bad    unusableRecords
	health healthLog
	mount  mount
	looks  *background.Group // at the mount

	feedRead atomic.Int64 // when the change feed was last read, in Unix nanoseconds; 0 before the first time

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Interface guards
var (
	_ keysync.Watcher  = (*Source)(nil)
	_ keysync.Reporter = (*Source)(nil)
	_ keysync.Located  = (*Source)(nil)
	_ keysync.Timed    = (*Source)(nil)
	_ keysync.Store    = (*Source)(nil)
)

// maxDocument is far more than any record or change feed needs.
const maxDocument = 1 << 20

var errNoLogin = errors.New("not logged in to Vault yet")

// New returns a source in Vault and begins to log in. It does not wait for
// Vault, which may be down: see Wait and Problem.
func New(opts Options, log *zap.Logger) (*Source, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	client, transport, err := opts.newClient()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	v := &Source{
		opts:    opts,
		log:     log,
		client:  client,
		http:    transport,
		auth:    newAuthenticator(opts.Auth),
		denied:  make(chan struct{}, 1),
		problem: errNoLogin,
		tried:   make(chan struct{}),
		bad:     unusableRecords{log: log, problems: make(map[keysync.Digest]string)},
		health:  healthLog{log: log},
		looks:   background.NewGroup(),
		cancel:  cancel,
	}
	v.done.Go(func() { v.stayLoggedIn(ctx) })
	return v, nil
}

// Close ends the background work. The token is left to expire.
func (v *Source) Close() error {
	v.cancel()
	v.done.Wait()
	v.looks.Close()
	v.http.CloseIdleConnections()
	return nil
}

// Problem says why records cannot be read: that the login has not succeeded, or
// that the mount is not right. It is nil when Vault is ready.
func (v *Source) Problem() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.problem
}

// Wait waits for the first try to log in and returns its problem, if any.
func (v *Source) Wait(ctx context.Context) error {
	select {
	case <-v.tried:
		return v.Problem()
	case <-ctx.Done():
		return fmt.Errorf("logging in to Vault: %w", ctx.Err())
	}
}

// Lookup reads the record of a digest, within the timeout of the options.
func (v *Source) Lookup(ctx context.Context, d keysync.Digest) (*keysync.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, v.opts.Timeout)
	defer cancel()
	return v.lookup(ctx, d)
}

// lookup does not set a deadline.
func (v *Source) lookup(ctx context.Context, d keysync.Digest) (*keysync.Record, error) {
	path := v.recordPath(d)
	doc, err := v.read(ctx, path)
	if err != nil {
		return nil, err
	}
	rec, err := v.parser.Parse(doc.Data)
	if err != nil {
		v.bad.add(d, path, err)
		return nil, fmt.Errorf("%w at %s: %w", keysync.ErrUnusable, path, err)
	}
	v.bad.remove(d)
	return rec, nil
}

// Timeout is how long one look-up may take.
func (v *Source) Timeout() time.Duration { return v.opts.Timeout }

// Place names where the records are: two sources of the same place hold the same
// records.
func (v *Source) Place() string {
	return fmt.Sprintf("%s %q %s/data/%s", v.client.Address(), v.client.Namespace(), v.opts.Mount, v.opts.Prefix)
}

func (v *Source) dataPath(path string) string {
	return v.opts.Mount + "/data/" + v.opts.Prefix + "/" + path
}

func (v *Source) recordPath(d keysync.Digest) string {
	hex := d.String()
	return v.dataPath(hex[:2] + "/" + hex)
}

// document is the part of the KV engine's answer that we use.
type document struct {
	Data     json.RawMessage `json:"data"`
	Metadata struct {
		Version int `json:"version"`
	} `json:"metadata"`
}

// read returns the document at path. The error is ErrUnknown if there is none
// (any more), and wraps ErrUnavailable otherwise.
func (v *Source) read(ctx context.Context, path string) (*document, error) {
	if err := v.notReady(); err != nil {
		return nil, err
	}
	began := time.Now()
	doc, err := v.get(ctx, path)
	if isAbsent(err) {
		if err = v.confirmAbsence(ctx); err == nil {
			v.mount.noteEmpty()
			v.health.good()
			return nil, keysync.ErrUnknown
		}
	} else if err != nil {
		err = explain(err, "reading "+path)
	}
	if err != nil {
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			v.health.bad(err)
		}
		return nil, fmt.Errorf("%w: %w", keysync.ErrUnavailable, err)
	}
	v.mount.noteFound(began)
	v.health.good()
	return doc, nil
}

// notReady returns nil if Vault can be asked, else why not.
func (v *Source) notReady() error {
	if v.usable.Load() {
		return nil
	}
	return fmt.Errorf("%w: %w", keysync.ErrUnavailable, cmp.Or(v.Problem(), errNoLogin))
}

func (v *Source) get(ctx context.Context, path string) (*document, error) {
	resp, err := v.client.Logical().ReadRawWithContext(ctx, path)
	if resp != nil {
		defer resp.Body.Close()
	}
	if isDenied(err) {
		v.suspectToken()
	}
	if err != nil {
		return nil, err
	}
	return readDocument(resp.Body)
}

func readDocument(r io.Reader) (*document, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxDocument))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data *document `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Data == nil {
		return nil, errors.New("the answer is not Vault's; check the address")
	}
	return answer.Data, nil
}

// suspectToken makes the login loop check whether the token is still good.
func (v *Source) suspectToken() {
	select {
	case v.denied <- struct{}{}:
	default:
	}
}
