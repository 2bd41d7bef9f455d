package assertion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/zap"
)

// Signer signs assertions and keeps the keys for that. Its methods are safe for
// concurrent use; Sign, JWKS and KeyAge take no lock.
type Signer struct {
	options  Options // without the secret
	schedule schedule
	file     keyFile
	log      *zap.Logger
	keys     atomic.Pointer[keySet]

	refreshing sync.Mutex // held while the document is read or written
	failing    bool       // the last refresh by run failed; only run uses it

	stop    context.CancelFunc
	stopped chan struct{}
}

// keySet is what a signer signs with and publishes at one time. It is not changed
// once it is in use.
type keySet struct {
	keys []*key // oldest first, at least one
	jwks []byte
}

// Open loads the signing keys from st, or makes the first one, and starts to look
// after them until Close. ctx limits only the opening. HS256 uses no storage: st
// may be nil. log may be nil.
//
// It fails if o is wrong, if the storage cannot be read, locked or written, and if
// the stored keys are damaged.
func Open(ctx context.Context, st Storage, o Options, log *zap.Logger) (*Signer, error) {
	if o.Algorithm == "" {
		o.Algorithm = EdDSA
	}
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("opening the signer: %w", err)
	}
	if log == nil {
		log = zap.NewNop()
	}
	s := &Signer{options: o, log: log, stopped: make(chan struct{})}
	s.options.Secret = nil
	var err error
	if o.Algorithm == HS256 {
		err = s.openSecret(slices.Clone(o.Secret))
	} else {
		err = s.openKeys(ctx, st)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the signer: %w", err)
	}
	return s, nil
}

// openSecret uses the secret as the only key. Its tokens carry no kid: a name
// derived from the secret would let anyone who sees it, in a log for example, test
// guesses of the secret, and there is no key set to find it in.
func (s *Signer) openSecret(secret []byte) error {
	h, err := header(HS256, "")
	if err != nil {
		return err
	}
	s.keys.Store(&keySet{keys: []*key{{header: h, sign: signHS256(secret), material: secret}}, jwks: []byte(`{"keys":[]}`)})
	s.stop = func() {}
	close(s.stopped)
	return nil
}

func (s *Signer) openKeys(ctx context.Context, st Storage) error {
	s.schedule = newSchedule(s.options)
	s.file = keyFile{st, s.options.Algorithm}
	if err := s.refresh(ctx, s.schedule.rotationDue); err != nil {
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go s.run(background)
	return nil
}

// Close stops looking after the keys and waits until that has ended. Signing stays
// possible with the keys that are in use.
func (s *Signer) Close() {
	s.stop()
	<-s.stopped
}

// Sign returns a JWS in compact serialization that says c, is issued at now, and
// is valid for Options.TTL. It does not change c or keep it. It fails if a claim
// is not UTF-8 or a resource is neither a string nor a []string.
func (s *Signer) Sign(c *Claims, now time.Time) (string, error) {
	payload, err := s.options.payload(c, now)
	if err != nil {
		return "", fmt.Errorf("signing the assertion: %w", err)
	}
	k := s.active(now)
	token, err := compact(k.header, payload, k.sign)
	if err != nil {
		return "", fmt.Errorf("signing the assertion with key %s: %w", k.id, err)
	}
	return token, nil
}

// JWKS returns the JSON Web Key Set (RFC 7517 section 5) of the public keys that
// verify assertions, {"keys":[]} for HS256. The caller must not change it.
func (s *Signer) JWKS() []byte { return s.keys.Load().jwks }

// JWKSMaxAge returns how long clients may keep the key set and still know every
// key before it signs: 10 minutes, or a quarter of Options.Rotate if that is less,
// and zero for HS256.
func (s *Signer) JWKSMaxAge() time.Duration { return s.schedule.lead }

// KeyAge returns how long the current key has signed. It is zero for HS256, because the
// age of the secret is unknown.
func (s *Signer) KeyAge(now time.Time) time.Duration {
	from := s.active(now).signsFrom
	if from.IsZero() || now.Before(from) {
		return 0
	}
	return now.Sub(from)
}

// ErrNoRotation is returned by Rotate for HS256.
var ErrNoRotation = errors.New("HS256 signs with the configured secret: change the secret and reload the configuration")

// Rotate publishes a new key now, before its time. The new key begins to sign when it has
// been published for long enough, 11 minutes later by default. The old key stays
// published as after any rotation. If a new key is already waiting, Rotate does nothing.
//
// It fails with ErrNoRotation, or if the storage cannot be read, locked or written.
func (s *Signer) Rotate(ctx context.Context) error {
	if s.options.Algorithm == HS256 {
		return fmt.Errorf("rotating the signing key: %w", ErrNoRotation)
	}
	if err := s.refresh(ctx, s.schedule.newestSigns); err != nil {
		return fmt.Errorf("rotating the signing key: %w", err)
	}
	return nil
}

func (s *Signer) active(now time.Time) *key {
	return s.schedule.active(s.keys.Load().keys, now)
}

// remembered returns copies of the keys in use. There are none while the signer is
// being opened.
func (s *Signer) remembered() []*key {
	set := s.keys.Load()
	if set == nil {
		return nil
	}
	keys := make([]*key, len(set.keys))
	for i, k := range set.keys {
		copied := *k
		keys[i] = &copied
	}
	return keys
}

// use starts to use keys, and then owns them. Keys that were published before keep their
// time of publication.
func (s *Signer) use(keys []*key, now time.Time) error {
	seen := map[string]time.Time{}
	if old := s.keys.Load(); old != nil {
		for _, k := range old.keys {
			seen[k.id] = k.seen
		}
	}
	var set jose.JSONWebKeySet
	for _, k := range keys {
		k.seen = now
		if t, ok := seen[k.id]; ok {
			k.seen = t
		}
		set.Keys = append(set.Keys, k.jwk(s.options.Algorithm, k.private.Public()))
	}
	jwks, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("encoding the key set: %w", err)
	}
	s.keys.Store(&keySet{keys: keys, jwks: jwks})
	return nil
}
