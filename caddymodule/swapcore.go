package caddymodule

import (
	"slices"
	"sync/atomic"

	"go.uber.org/zap/zapcore"
)

// swapCore is a zap core that writes to another one, which can be exchanged.
type swapCore struct {
	to     *atomic.Pointer[zapcore.Core]
	fields []zapcore.Field
}

func newSwapCore(to zapcore.Core) *swapCore {
	c := &swapCore{to: new(atomic.Pointer[zapcore.Core])}
	c.swap(to)
	return c
}

func (c *swapCore) swap(to zapcore.Core) { c.to.Store(&to) }

// Enabled implements zapcore.LevelEnabler.
func (c *swapCore) Enabled(l zapcore.Level) bool { return (*c.to.Load()).Enabled(l) }

// With implements zapcore.Core.
func (c *swapCore) With(fields []zapcore.Field) zapcore.Core {
	all := append(slices.Clip(c.fields), fields...)
	return &swapCore{to: c.to, fields: all}
}

// Check implements zapcore.Core. It asks the current core, so that its filters
// by level and logger name hold.
func (c *swapCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if (*c.to.Load()).Check(e, nil) == nil {
		return ce
	}
	return ce.AddCore(e, c)
}

// Write implements zapcore.Core.
func (c *swapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if ce := (*c.to.Load()).Check(e, nil); ce != nil {
		ce.Write(append(slices.Clip(c.fields), fields...)...)
	}
	return nil
}

// Sync implements zapcore.Core.
func (c *swapCore) Sync() error { return (*c.to.Load()).Sync() }
