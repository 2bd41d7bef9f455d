package keysync

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// ParseRecord reads one record from a JSON object. It is strict: unknown and
// repeated fields, wrong types and values that cannot be used are a
// *RecordError.
func ParseRecord(b []byte) (*Record, error) {
	if err := json.Unmarshal(b, new(json.RawMessage)); err != nil {
		return nil, syntaxError(b, err)
	}
	rec := new(Record)
	if err := new(decoder).record(b, rec, nil); err != nil {
		return nil, err
	}
	return rec, nil
}

func syntaxError(b []byte, err error) *RecordError {
	line := 1
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		line = lineOf(b, min(int(s.Offset), len(b)))
	}
	return &RecordError{Line: line, Problem: "is not valid JSON: " + err.Error()}
}

// decoder reads records. Values that repeat from record to record are kept once
// if the pools are not nil.
type decoder struct {
	texts     pool[string]
	rates     pool[string]
	scopes    pool[[]string]
	values    pool[[]string] // of resources
	resources pool[map[string][]string]
	limits    pool[map[string]string]
}

func newPoolingDecoder() *decoder {
	return &decoder{
		texts:     pool[string]{},
		rates:     pool[string]{},
		scopes:    pool[[]string]{},
		values:    pool[[]string]{},
		resources: pool[map[string][]string]{},
		limits:    pool[map[string]string]{},
	}
}

// pool holds one shared value for every distinct JSON text.
type pool[T any] map[string]T

// maxPooled bounds a pool: more distinct values than that repeat too rarely.
const maxPooled = 1 << 16

// get returns the value of text, from the pool if it can.
func (p pool[T]) get(text []byte, parse func([]byte) (T, error)) (T, error) {
	if v, ok := p[string(text)]; ok {
		return v, nil
	}
	v, err := parse(text)
	if err == nil && p != nil && len(p) < maxPooled {
		p[string(text)] = v
	}
	return v, err
}

// record reads the valid JSON b into rec. If d is not nil, the record must name
// its digest, and gets it.
func (dec *decoder) record(b []byte, rec *Record, d *Digest) error {
	w := walker{b: b}
	if w.peek() != '{' {
		return &RecordError{Line: lineOf(b, w.pos), Problem: "a record " + errNotObject.Error()}
	}
	start := lineOf(b, w.pos)
	if !utf8.Valid(b) {
		return &RecordError{Line: start, Problem: "a record must be valid UTF-8"}
	}
	var seen uint
	err := w.members(func(rawName, value []byte, pos int) error {
		name, err := unquote(rawName)
		if err != nil {
			return &RecordError{Line: lineOf(b, pos), Problem: "a field name " + err.Error()}
		}
		i := fieldIndex(name, d != nil)
		if i < 0 {
			return unknownField(name, lineOf(b, pos))
		}
		if seen&(1<<i) != 0 {
			err = errTwice
		} else if fields[i].name == fieldDigest {
			*d, err = readDigest(value)
		} else {
			err = fields[i].read(dec, rec, value)
		}
		seen |= 1 << i
		if err != nil {
			return &RecordError{Line: lineOf(b, pos), Field: fields[i].name, Problem: err.Error()}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return complete(rec, seen, start, d != nil)
}

// complete checks what only the whole record can tell, and sets defaults.
func complete(rec *Record, seen uint, line int, withDigest bool) error {
	if withDigest && seen&1 == 0 {
		return &RecordError{Line: line, Field: fieldDigest, Problem: errMissing.Error()}
	}
	if rec.KeyID == "" {
		return &RecordError{Line: line, Field: fieldKeyID, Problem: errMissing.Error()}
	}
	if !rec.ExpiresAt.IsZero() && !rec.NotBefore.Before(rec.ExpiresAt) {
		return &RecordError{Line: line, Field: "expires_at", Problem: "must be later than not_before"}
	}
	if rec.Mode == "" {
		rec.Mode = ModeLive
	}
	return nil
}
