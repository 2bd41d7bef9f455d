package logs

import (
	"slices"
	"sync/atomic"

	"go.uber.org/zap/zapcore"
)

// SwapCore is a zap core that writes to another core, which can be exchanged.
type SwapCore struct {
	to     *atomic.Pointer[zapcore.Core]
	fields []zapcore.Field
}

// NewSwapCore returns a SwapCore that writes to the given core.
func NewSwapCore(to zapcore.Core) *SwapCore {
	c := &SwapCore{to: new(atomic.Pointer[zapcore.Core])}
	c.Swap(to)
	return c
}

// Swap makes it, and all cores made from it by With, write to another core from now on.
func (c *SwapCore) Swap(to zapcore.Core) { c.to.Store(&to) }

// Enabled implements zapcore.LevelEnabler.
func (c *SwapCore) Enabled(l zapcore.Level) bool { return (*c.to.Load()).Enabled(l) }

// With implements zapcore.Core.
func (c *SwapCore) With(fields []zapcore.Field) zapcore.Core {
	all := append(slices.Clip(c.fields), fields...)
	return &SwapCore{to: c.to, fields: all}
}

// Check implements zapcore.Core. It asks the current core, so that its filters by level
// and logger name apply.
func (c *SwapCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if (*c.to.Load()).Check(e, nil) == nil {
		return ce
	}
	return ce.AddCore(e, c)
}

// Write implements zapcore.Core.
func (c *SwapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if ce := (*c.to.Load()).Check(e, nil); ce != nil {
		ce.Write(append(slices.Clip(c.fields), fields...)...)
	}
	return nil
}

// Sync implements zapcore.Core.
func (c *SwapCore) Sync() error { return (*c.to.Load()).Sync() }
