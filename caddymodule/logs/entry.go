package logs

import (
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// entry has the fields of a log entry and of its logger, and is itself a field that stands for
// all of them. So the wrapped encoder writes them into the line at once, and they need no encoder
// of their own to be copied from.
type entry struct {
	cleaner
	pending, fields []zapcore.Field
	field           [1]zapcore.Field
}

// entries are reused. They keep nothing of what was logged.
var entries = sync.Pool{New: func() any {
	e := new(entry)
	e.field[0] = zap.Inline(e)
	return e
}}

// MarshalLogObject is part of the zapcore.ObjectMarshaler interface.
func (e *entry) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	e.ObjectEncoder = enc
	addTo(&e.cleaner, e.pending)
	addTo(&e.cleaner, e.fields)
	return nil
}

// free ends the use of an entry.
func (e *entry) free() {
	e.forget()
	e.pending, e.fields = nil, nil
	entries.Put(e)
}
