package vault

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"github.com/hashicorp/vault/api"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/filestat"
)

const (
	credentialPoll = time.Second

	// minRenew prevents a busy loop in the last moments of a token.
	minRenew = 200 * time.Millisecond

	// tolerableSkew is how far our clock and Vault's may differ without a warning.
	// Validity times use our clock.
	tolerableSkew = 30 * time.Second
)

// stayLoggedIn logs in, again whenever the token ends.
func (v *Source) stayLoggedIn(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		g, err := v.logIn(ctx)
		if ctx.Err() != nil {
			return
		}
		v.report(err)
		if err != nil {
			v.pause(ctx, retryDelay(failures))
			failures++
			continue
		}
		failures = 0
		v.keep(ctx, g)
	}
}

// logIn gets a token, checks that it can be used, and begins to use it.
func (v *Source) logIn(ctx context.Context) (grant, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	c, err := v.client.CloneWithHeaders()
	if err != nil {
		return grant{}, err
	}
	c.ClearToken()
	c.SetWrappingLookupFunc(func(string, string) string { return "" })
	g, err := v.auth.login(ctx, c)
	if err != nil {
		return grant{}, err
	}
	c.SetToken(string(g.token))
	if err := v.checkMount(ctx, c); err != nil {
		v.discard(ctx, c)
		return grant{}, err
	}
	v.client.SetToken(string(g.token))
	v.usable.Store(true)
	v.checkClock(ctx, c)
	return g, nil
}

// discard revokes a useless token, if our login made it: otherwise each try would leave
// one behind.
func (v *Source) discard(ctx context.Context, c *api.Client) {
	switch v.opts.Auth.Method {
	case AppRole, Kubernetes:
		_ = c.Auth().Token().RevokeSelfWithContext(ctx, "")
	}
}

// checkMount makes sure that the mount is a KV engine, version 2. With any other engine
// every key would seem unknown.
func (v *Source) checkMount(ctx context.Context, c *api.Client) error {
	e, err := v.readMount(ctx, c)
	if err == nil {
		err = v.judge(e)
	}
	if errors.Is(err, errOtherMount) {
		return nil // the token is not the problem: see confirmAbsence
	}
	if isDenied(err) || errors.Is(err, errNotKV2) {
		v.usable.Store(false)
	}
	return err
}

// ClockSkew returns how far our clock is ahead of Vault's, which tells the time
// in whole seconds.
func (v *Source) ClockSkew(ctx context.Context) (time.Duration, error) {
	return clockSkew(ctx, v.client)
}

func clockSkew(ctx context.Context, c *api.Client) (time.Duration, error) {
	h, err := c.Sys().HealthWithContext(ctx)
	if err != nil {
		return 0, explain(err, "asking Vault for the time")
	}
	return time.Since(time.Unix(h.ServerTimeUTC, 0)), nil
}

func (v *Source) checkClock(ctx context.Context, c *api.Client) {
	skew, err := clockSkew(ctx, c)
	if err == nil && skew.Abs() > tolerableSkew {
		v.log.Warn("clock differs from Vault's: keys start and stop working at the wrong time here; set the clock", zap.Duration("ahead", skew.Round(time.Second)))
	}
}

// report remembers and logs how a login went, once per change.
func (v *Source) report(err error) {
	v.mu.Lock()
	before := v.problem
	v.problem = err
	v.mu.Unlock()
	switch {
	case err == nil && before != nil:
		v.log.Info("logged in to Vault", zap.String("method", v.opts.Auth.Method), zap.String("address", v.client.Address()))
	case err != nil && (before == nil || before.Error() != err.Error()):
		v.log.Error("cannot log in to Vault, trying again", zap.String("method", v.opts.Auth.Method), zap.Error(err))
	}
	if errors.Is(before, errNoLogin) {
		close(v.tried)
	}
}

// pause waits before the next try, but not longer than until the file of the
// credential changes.
func (v *Source) pause(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	changed := newFileWatch(v.opts.Auth.File)
	for ctx.Err() == nil && !changed.look() {
		_ = background.Sleep(ctx, credentialPoll)
	}
}

// keep renews the token until it is time to log in again.
func (v *Source) keep(ctx context.Context, g grant) {
	renew := timerFor(g.ttl)
	defer renew.Stop()
	poll := time.NewTicker(credentialPoll)
	defer poll.Stop()
	file := newFileWatch(v.opts.Auth.File)
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.denied:
			if !v.tokenAccepted(ctx) {
				return
			}
		case <-poll.C:
			if file.look() && v.opts.Auth.Method == TokenFile {
				return
			}
		case <-renew.C:
			ttl, err := v.renew(ctx, g)
			if err != nil || ttl < g.ttl/2 {
				// It cannot be renewed any more, or only for shorter and shorter times.
				return
			}
			renew.Reset(renewAfter(ttl))
		}
	}
}

// tokenAccepted distinguishes a bad token from a policy without the path.
func (v *Source) tokenAccepted(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	_, err := v.readMount(ctx, v.client)
	if isDenied(err) {
		v.usable.Store(false)
	}
	return !isDenied(err)
}

// timerFor fires when a token should be renewed; never for one without end.
func timerFor(ttl time.Duration) *time.Timer {
	if ttl <= 0 {
		t := time.NewTimer(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTimer(renewAfter(ttl))
}

// renewAfter leaves at least a quarter of the lifetime for failed attempts.
func renewAfter(ttl time.Duration) time.Duration {
	return max(ttl/2+rand.N(ttl/4+1), minRenew)
}

var errNotRenewable = errors.New("the token is not renewable")

func (v *Source) renew(ctx context.Context, g grant) (time.Duration, error) {
	if !g.renewable {
		return 0, errNotRenewable
	}
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	s, err := v.client.Auth().Token().RenewSelfWithContext(ctx, 0)
	if err != nil {
		return 0, explain(err, "renewing the token")
	}
	if s.Auth == nil {
		return 0, errNotRenewable
	}
	return time.Duration(s.Auth.LeaseDuration) * time.Second, nil
}

// fileWatch notices changes of a file. The empty path never changes.
type fileWatch struct {
	path string
	last filestat.Version
}

func newFileWatch(path string) *fileWatch {
	w := &fileWatch{path: path}
	w.look()
	return w
}

// look reports whether the file has changed since the last look.
func (w *fileWatch) look() bool {
	if w.path == "" {
		return false
	}
	var now filestat.Version
	if info, err := os.Stat(w.path); err == nil {
		now = filestat.Of(info)
	}
	changed := now != w.last
	w.last = now
	return changed
}

// retryDelay returns how long to wait after the nth failure in a row: from a
// quarter of a second, doubled each time, up to about ten seconds.
func retryDelay(n int) time.Duration {
	const first, most = 250 * time.Millisecond, 10 * time.Second
	return background.Jitter(min(first<<min(n, 10), most))
}
