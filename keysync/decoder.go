package keysync

import (
	"encoding/json"
	"errors"
	"sync"
	"unicode/utf8"
)

// ParseRecord reads one record from a JSON object. It is strict: unknown and repeated
// fields, wrong types and unusable values give a *RecordError.
func ParseRecord(b []byte) (*Record, error) {
	return new(decoder).parse(b)
}

// RecordParser reads records as ParseRecord does. It keeps repeated scopes, resources,
// limits and rates only once, so that many records need less memory. The records it
// returns must not be changed. It is safe for concurrent use, and the zero value is ready
// for it.
type RecordParser struct {
	mu      sync.Mutex
	decoder *decoder
}

// Parse reads one record from a JSON object.
func (p *RecordParser) Parse(b []byte) (*Record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.decoder == nil {
		p.decoder = newPoolingDecoder(parserPool)
		p.decoder.texts.max = 0 // accounts hardly repeat among the keys of one gate
	}
	return p.decoder.parse(b)
}

func syntaxError(b []byte, err error) *RecordError {
	line := 1
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		line = lineOf(b, min(int(s.Offset), len(b)))
	}
	return &RecordError{Line: line, Problem: "is not valid JSON: " + err.Error()}
}

// decoder reads records. It keeps values that repeat from record to record only once, in
// its pools, as long as they have room.
type decoder struct {
	texts     pool[string]
	rates     pool[string]
	scopes    pool[[]string]
	values    pool[[]string] // of resources
	resources pool[map[string][]string]
	limits    pool[map[string]string]
}

func newPoolingDecoder(size int) *decoder {
	return &decoder{
		texts:     pool[string]{max: size},
		rates:     pool[string]{max: size},
		scopes:    pool[[]string]{max: size},
		values:    pool[[]string]{max: size},
		resources: pool[map[string][]string]{max: size},
		limits:    pool[map[string]string]{max: size},
	}
}

const (
	filePool   = 1 << 16 // values of a kind that are pooled while a file is read
	parserPool = 512     // values of a kind that a RecordParser pools, for as long as it lives
	pooledText = 512     // bytes of JSON, at most
)

// pool holds one shared value for each of up to max different JSON texts. If there are
// more, they repeat too rarely to be worth it.
type pool[T any] struct {
	max    int
	values map[string]T
}

// get returns the value of text, from the pool if it can.
func (p *pool[T]) get(text []byte, parse func([]byte) (T, error)) (T, error) {
	if v, ok := p.values[string(text)]; ok {
		return v, nil
	}
	v, err := parse(text)
	if err != nil || len(p.values) >= p.max || len(text) > pooledText {
		return v, err
	}
	if p.values == nil {
		p.values = make(map[string]T)
	}
	p.values[string(text)] = v
	return v, nil
}

// parse reads one record.
func (dec *decoder) parse(b []byte) (*Record, error) {
	if err := json.Unmarshal(b, new(json.RawMessage)); err != nil {
		return nil, syntaxError(b, err)
	}
	rec := new(Record)
	if err := dec.record(b, rec, nil); err != nil {
		return nil, err
	}
	return rec, nil
}

// record reads the valid JSON b into rec. If d is not nil, the record must have its
// digest, and *d is set to it.
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

// complete does the checks that need the whole record, and sets defaults.
func complete(rec *Record, seen uint, line int, withDigest bool) error {
	if withDigest && seen&1 == 0 {
		return &RecordError{Line: line, Field: fieldDigest, Problem: errMissing.Error()}
	}
	if rec.KeyID == "" {
		return &RecordError{Line: line, Field: fieldKeyID, Problem: errMissing.Error()}
	}
	if rec.ExpiresAt != 0 && rec.NotBefore >= rec.ExpiresAt {
		return &RecordError{Line: line, Field: "expires_at", Problem: "must be later than not_before"}
	}
	if rec.Mode == "" {
		rec.Mode = ModeLive
	}
	return nil
}
