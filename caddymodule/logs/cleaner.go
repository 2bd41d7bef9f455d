package logs

import (
	"bytes"
	"encoding/json"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
)

const redacted = redact.Redacted

// cleaner is an object of a log entry, and the encoder of its fields: it removes keys from
// their values before it passes them to the wrapped encoder. Numbers, times and booleans pass
// unchanged.
type cleaner struct {
	zapcore.ObjectEncoder
	with *redact.Cleaner
	of   zapcore.ObjectMarshaler // the object; nil if fields are added from outside

	// A wrapped encoder that is done with an object or an array when its method returns, and
	// does not ask for its type, is given the same ones again.
	reuse  bool
	inner  *cleaner // for the objects in this one
	values caddyhttp.LoggableStringArray
}

// MarshalLogObject is part of the zapcore.ObjectMarshaler interface.
func (c *cleaner) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	c.ObjectEncoder = enc
	if h, ok := c.of.(caddyhttp.LoggableHTTPHeader); ok {
		c.addHeader(h)
		return nil
	}
	return c.of.MarshalLogObject(c)
}

// AddString is part of the zapcore.ObjectEncoder interface.
func (c *cleaner) AddString(key, value string) {
	if c.with.IsField(key) {
		value = redacted
	}
	c.ObjectEncoder.AddString(key, passed(c.with.Value(key, value)))
}

// AddByteString is part of the zapcore.ObjectEncoder interface.
func (c *cleaner) AddByteString(key string, value []byte) {
	c.AddString(key, string(value))
}

// AddBinary is part of the zapcore.ObjectEncoder interface. Bytes that hold a
// key are dropped whole, because their encoding hides where the key is.
func (c *cleaner) AddBinary(key string, value []byte) {
	if text := string(value); c.with.IsField(key) || c.with.Text(text) != text {
		value = []byte(redacted)
	}
	c.ObjectEncoder.AddBinary(key, value)
}

// AddObject is part of the zapcore.ObjectEncoder interface.
func (c *cleaner) AddObject(key string, m zapcore.ObjectMarshaler) error {
	if c.with.IsField(key) {
		c.ObjectEncoder.AddString(key, redacted)
		return nil
	}
	return c.ObjectEncoder.AddObject(key, c.object(m))
}

// object returns m as the wrapped encoder gets it.
func (c *cleaner) object(m zapcore.ObjectMarshaler) *cleaner {
	if !c.reuse {
		return &cleaner{with: c.with, of: m}
	}
	if c.inner == nil {
		c.inner = &cleaner{reuse: true}
	}
	c.inner.with, c.inner.of = c.with, m
	return c.inner
}

// forget drops all that was encoded.
func (c *cleaner) forget() {
	for ; c != nil; c = c.inner {
		c.ObjectEncoder, c.with, c.of, c.values = nil, nil, nil, nil
	}
}

// AddArray is part of the zapcore.ObjectEncoder interface.
func (c *cleaner) AddArray(key string, m zapcore.ArrayMarshaler) error {
	if values, ok := m.(caddyhttp.LoggableStringArray); ok {
		return c.addValues(key, values)
	}
	if c.with.IsField(key) {
		c.ObjectEncoder.AddString(c.with.Name(key), redacted)
		return nil
	}
	key = c.with.Name(key)
	return c.ObjectEncoder.AddArray(key, cleanArray{m, key, c.with})
}

// AddReflected is part of the zapcore.ObjectEncoder interface.
func (c *cleaner) AddReflected(key string, value any) error {
	if c.with.IsField(key) {
		value = redacted
	}
	return c.ObjectEncoder.AddReflected(key, cleanReflected(c.with, value))
}

// cleanArray is an array in the field called key.
type cleanArray struct {
	zapcore.ArrayMarshaler
	key  string
	with *redact.Cleaner
}

// MarshalLogArray is part of the zapcore.ArrayMarshaler interface.
func (a cleanArray) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	return a.ArrayMarshaler.MarshalLogArray(arrayCleaner{enc, a.key, a.with})
}

// arrayCleaner is cleaner for arrays.
type arrayCleaner struct {
	zapcore.ArrayEncoder
	key  string
	with *redact.Cleaner
}

// AppendString is part of the zapcore.ArrayEncoder interface.
func (c arrayCleaner) AppendString(value string) {
	c.ArrayEncoder.AppendString(passed(c.with.Value(c.key, value)))
}

// AppendByteString is part of the zapcore.ArrayEncoder interface.
func (c arrayCleaner) AppendByteString(value []byte) { c.AppendString(string(value)) }

// AppendObject is part of the zapcore.ArrayEncoder interface.
func (c arrayCleaner) AppendObject(m zapcore.ObjectMarshaler) error {
	return c.ArrayEncoder.AppendObject(&cleaner{with: c.with, of: m})
}

// AppendArray is part of the zapcore.ArrayEncoder interface.
func (c arrayCleaner) AppendArray(m zapcore.ArrayMarshaler) error {
	return c.ArrayEncoder.AppendArray(cleanArray{m, c.key, c.with})
}

// AppendReflected is part of the zapcore.ArrayEncoder interface.
func (c arrayCleaner) AppendReflected(value any) error {
	return c.ArrayEncoder.AppendReflected(cleanReflected(c.with, value))
}

// cleanReflected returns value as it would be encoded to JSON, with every key redacted. A
// value that cannot be searched is dropped.
func cleanReflected(with *redact.Cleaner, value any) any {
	raw, err := json.Marshal(value)
	if err != nil {
		return redacted
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return redacted
	}
	return cleanValue(with, v)
}

func cleanValue(with *redact.Cleaner, v any) any {
	switch v := v.(type) {
	case string:
		return with.Text(v)
	case []any:
		for i := range v {
			v[i] = cleanValue(with, v[i])
		}
	case map[string]any:
		for name := range v {
			if with.IsName(name) {
				v[name] = redacted
			} else {
				v[name] = cleanValue(with, v[name])
			}
			if clean := with.Name(name); clean != name {
				v[clean] = v[name]
				delete(v, name)
			}
		}
	}
	return v
}
