package assertion

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// storageTimeout limits one refresh in the background, so that later refreshes can try
// again if the storage hangs.
const storageTimeout = 30 * time.Second

// run refreshes the keys whenever the schedule says so, until ctx is done.
func (s *Signer) run(ctx context.Context) {
	defer close(s.stopped)
	for {
		now := time.Now()
		timer := time.NewTimer(s.schedule.wake(s.keys.Load().keys, now).Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			s.tick(ctx)
		}
	}
}

func (s *Signer) tick(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	err := s.refresh(limited, s.schedule.rotationDue)
	if ctx.Err() == nil {
		s.report(err)
	}
}

// report logs the first failure of a streak, and its end.
func (s *Signer) report(err error) {
	switch {
	case err != nil && !s.failing:
		s.log.Error("refreshing signing keys failed; the current keys are used until it works again", zap.Error(err))
	case err == nil && s.failing:
		s.log.Info("refreshing signing keys works again")
	}
	s.failing = err != nil
}

// due says whether a successor of the newest key must be published.
type due func(keys []*key, now time.Time) bool

// refresh reads the document, starts to use its keys, and changes it if a key must be
// added, retired or removed. If only the change fails, the keys that were read are used.
func (s *Signer) refresh(ctx context.Context, due due) error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	keys, err := s.file.load(ctx)
	if err != nil {
		return err
	}
	if len(keys) > 0 {
		now := time.Now()
		if err := s.use(keys, now); err != nil {
			return err
		}
		if _, changed := s.schedule.settle(keys, now); !changed && !due(keys, now) {
			return nil
		}
	}
	return s.file.locked(ctx, func() error { return s.update(ctx, due) })
}

// update changes the document under its lock. It reads it again first, because
// another instance may have made the change while this one waited. New keys are
// stored before they are used.
func (s *Signer) update(ctx context.Context, due due) error {
	keys, err := s.file.load(ctx)
	if err != nil {
		return err
	}
	stored := len(keys) > 0
	if !stored {
		keys = s.remembered()
	}
	now := time.Now()
	rotate := due(keys, now)
	if rotate {
		k, err := generateKey(s.options.Algorithm)
		if err != nil {
			return err
		}
		keys = s.schedule.add(keys, k, now)
	}
	keys, changed := s.schedule.settle(keys, now)
	if changed || rotate || !stored {
		if err := s.file.save(ctx, keys); err != nil {
			return err
		}
	}
	if !stored && s.keys.Load() != nil {
		s.log.Warn("the signing keys were missing in storage; the current ones were stored again", zap.String("path", s.file.path()))
	}
	return s.use(keys, now)
}
