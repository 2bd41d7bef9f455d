package logs

import (
	"bytes"
	"encoding/json"

	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
)

const redacted = redact.Redacted

// cleaner is an object encoder that removes keys from values before it passes them to the
// wrapped encoder. Numbers, times and booleans pass unchanged.
type cleaner struct {
	zapcore.ObjectEncoder
}

// secretField reports whether a field with that name holds a credential, whatever its
// value looks like: a token or password, or a header with that name.
func secretField(key string) bool { return Names.IsField(key) }

// AddString is part of the zapcore.ObjectEncoder interface.
func (c cleaner) AddString(key, value string) {
	if secretField(key) {
		value = redacted
	}
	c.ObjectEncoder.AddString(key, passed(Names.Value(key, value)))
}

// AddByteString is part of the zapcore.ObjectEncoder interface.
func (c cleaner) AddByteString(key string, value []byte) {
	c.AddString(key, string(value))
}

// AddBinary is part of the zapcore.ObjectEncoder interface. Bytes that hold a
// key are dropped whole, because their encoding hides where the key is.
func (c cleaner) AddBinary(key string, value []byte) {
	if text := string(value); secretField(key) || Names.Text(text) != text {
		value = []byte(redacted)
	}
	c.ObjectEncoder.AddBinary(key, value)
}

// AddObject is part of the zapcore.ObjectEncoder interface.
func (c cleaner) AddObject(key string, m zapcore.ObjectMarshaler) error {
	if secretField(key) {
		c.ObjectEncoder.AddString(key, redacted)
		return nil
	}
	return c.ObjectEncoder.AddObject(key, cleanObject{m})
}

// AddArray is part of the zapcore.ObjectEncoder interface.
func (c cleaner) AddArray(key string, m zapcore.ArrayMarshaler) error {
	if secretField(key) {
		c.ObjectEncoder.AddString(key, redacted)
		return nil
	}
	return c.ObjectEncoder.AddArray(key, cleanArray{m, key})
}

// AddReflected is part of the zapcore.ObjectEncoder interface.
func (c cleaner) AddReflected(key string, value any) error {
	if secretField(key) {
		value = redacted
	}
	return c.ObjectEncoder.AddReflected(key, cleanReflected(value))
}

type cleanObject struct{ zapcore.ObjectMarshaler }

// MarshalLogObject is part of the zapcore.ObjectMarshaler interface.
func (o cleanObject) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	return o.ObjectMarshaler.MarshalLogObject(cleaner{enc})
}

// cleanArray is an array in the field called key.
type cleanArray struct {
	zapcore.ArrayMarshaler
	key string
}

// MarshalLogArray is part of the zapcore.ArrayMarshaler interface.
func (a cleanArray) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	return a.ArrayMarshaler.MarshalLogArray(arrayCleaner{enc, a.key})
}

// arrayCleaner is cleaner for arrays.
type arrayCleaner struct {
	zapcore.ArrayEncoder
	key string
}

// AppendString is part of the zapcore.ArrayEncoder interface.
func (c arrayCleaner) AppendString(value string) {
	c.ArrayEncoder.AppendString(passed(Names.Value(c.key, value)))
}

// AppendByteString is part of the zapcore.ArrayEncoder interface.
func (c arrayCleaner) AppendByteString(value []byte) { c.AppendString(string(value)) }

// AppendObject is part of the zapcore.ArrayEncoder interface.
func (c arrayCleaner) AppendObject(m zapcore.ObjectMarshaler) error {
	return c.ArrayEncoder.AppendObject(cleanObject{m})
}

// AppendArray is part of the zapcore.ArrayEncoder interface.
func (c arrayCleaner) AppendArray(m zapcore.ArrayMarshaler) error {
	return c.ArrayEncoder.AppendArray(cleanArray{m, c.key})
}

// AppendReflected is part of the zapcore.ArrayEncoder interface.
func (c arrayCleaner) AppendReflected(value any) error {
	return c.ArrayEncoder.AppendReflected(cleanReflected(value))
}

// cleanReflected returns value as it would be encoded to JSON, with every key redacted. A
// value that cannot be searched is dropped.
func cleanReflected(value any) any {
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
	return cleanValue(v)
}

func cleanValue(v any) any {
	switch v := v.(type) {
	case string:
		return Names.Text(v)
	case []any:
		for i := range v {
			v[i] = cleanValue(v[i])
		}
	case map[string]any:
		for name := range v {
			if Names.IsName(name) {
				v[name] = redacted
			} else {
				v[name] = cleanValue(v[name])
			}
		}
	}
	return v
}
