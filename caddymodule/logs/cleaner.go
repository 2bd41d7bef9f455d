package logs

import (
	"bytes"
	"encoding/json"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
)

const redacted = redact.Redacted

// cleaner is an object encoder that removes keys from values before it passes them to the
// wrapped encoder. Numbers, times and booleans pass unchanged.
type cleaner struct {
	zapcore.ObjectEncoder
	with *redact.Cleaner
}

// AddString is part of the zapcore.ObjectEncoder interface.
func (c cleaner) AddString(key, value string) {
	if c.with.IsField(key) {
		value = redacted
	}
	c.ObjectEncoder.AddString(key, passed(c.with.Value(key, value)))
}

// AddByteString is part of the zapcore.ObjectEncoder interface.
func (c cleaner) AddByteString(key string, value []byte) {
	c.AddString(key, string(value))
}

// AddBinary is part of the zapcore.ObjectEncoder interface. Bytes that hold a
// key are dropped whole, because their encoding hides where the key is.
func (c cleaner) AddBinary(key string, value []byte) {
	if text := string(value); c.with.IsField(key) || c.with.Text(text) != text {
		value = []byte(redacted)
	}
	c.ObjectEncoder.AddBinary(key, value)
}

// AddObject is part of the zapcore.ObjectEncoder interface.
func (c cleaner) AddObject(key string, m zapcore.ObjectMarshaler) error {
	if c.with.IsField(key) {
		c.ObjectEncoder.AddString(key, redacted)
		return nil
	}
	return c.ObjectEncoder.AddObject(key, cleanObject{m, c.with})
}

// AddArray is part of the zapcore.ObjectEncoder interface. Most arrays are the values of a
// header, and most of them are clean. Its name is the client's.
func (c cleaner) AddArray(key string, m zapcore.ArrayMarshaler) error {
	if c.with.IsField(key) {
		c.ObjectEncoder.AddString(c.with.Name(key), redacted)
		return nil
	}
	key = c.with.Name(key)
	if texts, ok := m.(caddyhttp.LoggableStringArray); ok && c.areClean(key, texts) {
		return c.ObjectEncoder.AddArray(key, m)
	}
	return c.ObjectEncoder.AddArray(key, cleanArray{m, key, c.with})
}

func (c cleaner) areClean(key string, texts []string) bool {
	for _, text := range texts {
		if passed(c.with.Value(key, text)) != text {
			return false
		}
	}
	return true
}

// AddReflected is part of the zapcore.ObjectEncoder interface.
func (c cleaner) AddReflected(key string, value any) error {
	if c.with.IsField(key) {
		value = redacted
	}
	return c.ObjectEncoder.AddReflected(key, cleanReflected(c.with, value))
}

type cleanObject struct {
	zapcore.ObjectMarshaler
	with *redact.Cleaner
}

// MarshalLogObject is part of the zapcore.ObjectMarshaler interface.
func (o cleanObject) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	return o.ObjectMarshaler.MarshalLogObject(cleaner{enc, o.with})
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
	return c.ArrayEncoder.AppendObject(cleanObject{m, c.with})
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
