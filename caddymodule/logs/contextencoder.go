package logs

import (
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// contextEncoder is the redact_keys encoder of a logger, which may have its own fields. It
// stores requests and other unchangeable values, and encodes them only when an entry is
// written: reverse_proxy makes a logger for every request that it passes on, and nearly always
// writes nothing with it.
type contextEncoder struct {
	base    zapcore.Encoder // shared with other loggers
	plain   bool            // base is one of zap's encoders, see cleaner.reuse
	own     zapcore.Encoder // a clone of base with fields of this logger; nil if it has none
	pending []zapcore.Field
	open    int              // number of objects being encoded
	room    [4]zapcore.Field // for pending
}

func newContextEncoder(base zapcore.Encoder, plain bool, pending []zapcore.Field) *contextEncoder {
	e := &contextEncoder{base: base, plain: plain}
	e.pending = append(e.room[:0], pending...)
	return e
}

// Clone is part of the zapcore.Encoder interface.
func (e *contextEncoder) Clone() zapcore.Encoder {
	return newContextEncoder(e.encoder(), e.plain, e.pending)
}

// EncodeEntry is part of the zapcore.Encoder interface.
func (e *contextEncoder) EncodeEntry(ent zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	with := Names.Cleaner(lacksKey(e.pending) || lacksKey(fields))
	defer with.Free()
	with.Caller = callerIn(fields)
	ent.Message = with.Text(ent.Message)
	ent.Stack = with.Text(ent.Stack)
	all := entries.Get().(*entry)
	defer all.free()
	all.pending, all.fields = e.pending, fields
	all.with, all.reuse = with, e.plain
	return e.encoder().EncodeEntry(ent, all.field[:])
}

// callerIn returns who called, as the fields of an access log's entry tell.
func callerIn(fields []zapcore.Field) string {
	for i := range fields {
		if fields[i].Key == "user_id" && fields[i].Type == zapcore.StringType {
			return fields[i].String
		}
	}
	return ""
}

func addTo(to zapcore.ObjectEncoder, fields []zapcore.Field) {
	for i := range fields {
		fields[i].AddTo(to)
	}
}

func (e *contextEncoder) encoder() zapcore.Encoder {
	if e.own != nil {
		return e.own
	}
	return e.base
}

// now encodes a field at once, after those that were there before.
func (e *contextEncoder) now(add func(*cleaner) error) error {
	with := Names.Cleaner(lacksKey(e.pending))
	defer with.Free()
	if e.own == nil {
		e.own = e.base.Clone()
	}
	to := &cleaner{ObjectEncoder: e.own, with: with}
	addTo(to, e.pending)
	e.pending = e.pending[:0]
	return add(to)
}

func (e *contextEncoder) addNow(f zapcore.Field) {
	_ = e.now(func(c *cleaner) error {
		f.AddTo(c)
		return nil
	})
}

// later stores a field, unless it belongs to an open object (Caddy's filter writes the fields
// of an object here) or a probe is active.
func (e *contextEncoder) later(f zapcore.Field) {
	if e.open > 0 || activeProbe.Load() != nil {
		e.addNow(f)
		return
	}
	e.pending = append(e.pending, f)
}

// AddObject is part of the zapcore.ObjectEncoder interface.
func (e *contextEncoder) AddObject(key string, m zapcore.ObjectMarshaler) error {
	if _, ok := m.(caddyhttp.LoggableHTTPRequest); ok {
		e.later(zap.Object(key, m))
		return nil
	}
	e.open++
	defer func() { e.open-- }()
	return e.now(func(c *cleaner) error { return c.AddObject(key, m) })
}

// OpenNamespace is part of the zapcore.ObjectEncoder interface.
func (e *contextEncoder) OpenNamespace(key string) { e.addNow(zap.Namespace(key)) }

// AddString is part of the zapcore.ObjectEncoder interface.
func (e *contextEncoder) AddString(key, value string) { e.later(zap.String(key, value)) }

// The rest of the zapcore.ObjectEncoder interface: values that may change are encoded at
// once.

func (e *contextEncoder) AddArray(key string, m zapcore.ArrayMarshaler) error {
	return e.now(func(c *cleaner) error { return c.AddArray(key, m) })
}

func (e *contextEncoder) AddBinary(key string, v []byte)     { e.addNow(zap.Binary(key, v)) }
func (e *contextEncoder) AddByteString(key string, v []byte) { e.addNow(zap.ByteString(key, v)) }

func (e *contextEncoder) AddReflected(key string, v any) error {
	return e.now(func(c *cleaner) error { return c.AddReflected(key, v) })
}

func (e *contextEncoder) AddBool(key string, v bool)              { e.later(zap.Bool(key, v)) }
func (e *contextEncoder) AddComplex128(key string, v complex128)  { e.later(zap.Complex128(key, v)) }
func (e *contextEncoder) AddComplex64(key string, v complex64)    { e.later(zap.Complex64(key, v)) }
func (e *contextEncoder) AddDuration(key string, v time.Duration) { e.later(zap.Duration(key, v)) }
func (e *contextEncoder) AddFloat64(key string, v float64)        { e.later(zap.Float64(key, v)) }
func (e *contextEncoder) AddFloat32(key string, v float32)        { e.later(zap.Float32(key, v)) }
func (e *contextEncoder) AddInt(key string, v int)                { e.later(zap.Int(key, v)) }
func (e *contextEncoder) AddInt64(key string, v int64)            { e.later(zap.Int64(key, v)) }
func (e *contextEncoder) AddInt32(key string, v int32)            { e.later(zap.Int32(key, v)) }
func (e *contextEncoder) AddInt16(key string, v int16)            { e.later(zap.Int16(key, v)) }
func (e *contextEncoder) AddInt8(key string, v int8)              { e.later(zap.Int8(key, v)) }
func (e *contextEncoder) AddTime(key string, v time.Time)         { e.later(zap.Time(key, v)) }
func (e *contextEncoder) AddUint(key string, v uint)              { e.later(zap.Uint(key, v)) }
func (e *contextEncoder) AddUint64(key string, v uint64)          { e.later(zap.Uint64(key, v)) }
func (e *contextEncoder) AddUint32(key string, v uint32)          { e.later(zap.Uint32(key, v)) }
func (e *contextEncoder) AddUint16(key string, v uint16)          { e.later(zap.Uint16(key, v)) }
func (e *contextEncoder) AddUint8(key string, v uint8)            { e.later(zap.Uint8(key, v)) }
func (e *contextEncoder) AddUintptr(key string, v uintptr)        { e.later(zap.Uintptr(key, v)) }

var _ zapcore.Encoder = (*contextEncoder)(nil)
