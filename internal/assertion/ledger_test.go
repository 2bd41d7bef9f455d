package assertion

import (
	"testing"
	"time"
)

// ledger watches one signer from outside and checks at every step what a backend
// relies on.
type ledger struct {
	signer    *Signer
	options   Options
	lead      time.Duration
	poll      time.Duration
	first     string               // kid that may sign at once
	published map[string]time.Time // kid → since when
	lastUse   map[string]time.Time // kid → last token
	order     []string             // kids in the order of their first token
	tokens    []issued
	last      time.Time // the step before
}

type issued struct {
	token, kid string
	expires    time.Time
}

func newLedger(s *Signer, o Options) *ledger {
	lead := min(o.Rotate/4, 10*time.Minute)
	return &ledger{
		signer: s, options: o, lead: lead, poll: lead / 10,
		published: map[string]time.Time{}, lastUse: map[string]time.Time{},
	}
}

// step signs a token and checks it, and all tokens of peers that are still valid.
func (l *ledger) step(t *testing.T, peers ...*ledger) {
	t.Helper()
	now := time.Now()
	jwks := readJWKS(t, l.signer.JWKS())
	l.watch(t, jwks, now)
	l.sign(t, now)
	for _, peer := range append(peers, l) {
		for _, i := range peer.tokens {
			if _, ok := jwks[i.kid]; !ok && now.Before(i.expires) {
				t.Fatalf("%s: a token that is valid until %s was signed by %s, which is not published", now, i.expires, i.kid)
			}
		}
	}
	l.expire(t, now)
	l.last = now
}

// watch notes which keys are published, and checks that none stays for too long.
// A key that is new may have been published since just after the last step.
func (l *ledger) watch(t *testing.T, jwks map[string]publicJWK, now time.Time) {
	t.Helper()
	for kid := range jwks {
		if _, ok := l.published[kid]; !ok {
			l.published[kid] = l.last
		}
	}
	for kid := range l.published {
		if _, ok := jwks[kid]; !ok {
			delete(l.published, kid)
		}
	}
	if l.first == "" {
		for kid := range jwks {
			l.first = kid
		}
	}
	limit := l.options.TTL + 2*l.lead + 2*l.poll
	for _, kid := range l.order[:max(0, len(l.order)-1)] {
		if _, ok := jwks[kid]; ok && now.Sub(l.lastUse[kid]) > limit {
			t.Fatalf("%s: %s is still published %s after its last use", now, kid, now.Sub(l.lastUse[kid]))
		}
	}
}

func (l *ledger) sign(t *testing.T, now time.Time) {
	t.Helper()
	token := sign(t, l.signer, &Claims{KeyID: "key_1"}, now)
	p, err := verify(t, token, l.signer.JWKS())
	if err != nil {
		t.Fatalf("%s: %v", now, err)
	}
	kid := p.header.Kid
	if since, ok := l.published[kid]; kid != l.first && (!ok || now.Sub(since) < l.lead) {
		t.Fatalf("%s: signed by %s, which was published only %s before", now, kid, now.Sub(since))
	}
	if len(l.order) == 0 || l.order[len(l.order)-1] != kid {
		if _, ok := l.lastUse[kid]; ok {
			t.Fatalf("%s: went back to %s", now, kid)
		}
		l.order = append(l.order, kid)
	}
	l.lastUse[kid] = now
	l.tokens = append(l.tokens, issued{token, kid, now.Add(l.options.TTL)})
}

// expire verifies tokens in full for the last time and forgets them.
func (l *ledger) expire(t *testing.T, now time.Time) {
	t.Helper()
	for len(l.tokens) > 0 && !l.tokens[0].expires.After(now.Add(l.poll)) {
		if _, err := verify(t, l.tokens[0].token, l.signer.JWKS()); err != nil {
			t.Fatalf("%s: %v", now, err)
		}
		l.tokens = l.tokens[1:]
	}
}
