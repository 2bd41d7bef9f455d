package keysync

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"unicode"
	"unicode/utf8"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

const (
	fieldDigest = "digest" // only if the place of a record does not show it
	fieldKeyID  = "key_id"
	maxText     = 256 // bytes
)

// These forms are also in the JSON Schema of a record.
var (
	identifierForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)
	scopeForm      = regexp.MustCompile(`^[!#-\[\]-~]{1,256}$`)
)

// IsKeyID reports whether s can be a key ID.
func IsKeyID(s string) bool { return identifierForm.MatchString(s) }

type field struct {
	name string
	read func(dec *decoder, rec *Record, value []byte) error
}

// fields are the members of a record.
var fields = [...]field{
	{fieldDigest, nil},
	{fieldKeyID, func(_ *decoder, r *Record, v []byte) (err error) {
		r.KeyID, err = readIdentifier(v)
		return err
	}},
	{"account", func(dec *decoder, r *Record, v []byte) (err error) {
		r.Account, err = dec.texts.get(v, readText)
		return err
	}},
	{"mode", func(_ *decoder, r *Record, v []byte) (err error) {
		r.Mode, err = readMode(v)
		return err
	}},
	{"env", func(dec *decoder, r *Record, v []byte) (err error) {
		r.Env, err = dec.texts.get(v, readText)
		return err
	}},
	{"scopes", func(dec *decoder, r *Record, v []byte) (err error) {
		r.Scopes, err = dec.scopes.get(v, readScopes)
		return err
	}},
	{"resources", func(dec *decoder, r *Record, v []byte) (err error) {
		r.Resources, err = dec.resources.get(v, dec.readResources)
		return err
	}},
	{"limits", func(dec *decoder, r *Record, v []byte) (err error) {
		r.Limits, err = dec.limits.get(v, dec.readLimits)
		return err
	}},
	{"created_at", func(_ *decoder, r *Record, v []byte) (err error) {
		r.CreatedAt, err = readMoment(v)
		return err
	}},
	{"not_before", func(_ *decoder, r *Record, v []byte) (err error) {
		r.NotBefore, err = readMoment(v)
		return err
	}},
	{"expires_at", func(_ *decoder, r *Record, v []byte) (err error) {
		r.ExpiresAt, err = readMoment(v)
		return err
	}},
	{"revoked_at", func(_ *decoder, r *Record, v []byte) (err error) {
		r.RevokedAt, err = readMoment(v)
		return err
	}},
	{"successor", func(_ *decoder, r *Record, v []byte) (err error) {
		r.Successor, err = readIdentifier(v)
		return err
	}},
}

// fieldIndex returns the place of a name in fields, or -1.
func fieldIndex(name []byte, withDigest bool) int {
	for i := range fields {
		if string(name) == fields[i].name && (i > 0 || withDigest) {
			return i
		}
	}
	return -1
}

// unquote returns the text of a JSON string, which may share memory with value.
func unquote(value []byte) ([]byte, error) {
	if value[0] != '"' {
		return nil, errNotString
	}
	s := value[1 : len(value)-1]
	if bytes.IndexByte(s, '\\') >= 0 {
		var decoded string
		if err := json.Unmarshal(value, &decoded); err != nil {
			return nil, errNotString
		}
		s = []byte(decoded)
	}
	if looksLikeKey(s) {
		return nil, errPlaintext
	}
	return s, nil
}

// readText reads a string that people may see: printable, and not too long.
func readText(value []byte) (string, error) {
	s, err := unquote(value)
	if err != nil {
		return "", err
	}
	if len(s) == 0 || len(s) > maxText {
		return "", fmt.Errorf("must have 1 to %d bytes", maxText)
	}
	if bytes.ContainsFunc(s, func(c rune) bool { return c == utf8.RuneError || !unicode.IsPrint(c) }) {
		return "", errors.New("must have printable characters only")
	}
	return string(s), nil
}

// readIdentifier reads a name that is safe in logs, metrics and paths.
func readIdentifier(value []byte) (string, error) {
	s, err := unquote(value)
	if err != nil {
		return "", err
	}
	if !identifierForm.Match(s) {
		return "", errors.New(`must have 1 to 128 letters, digits and "._:-", a letter or digit first`)
	}
	return string(s), nil
}

func readMode(value []byte) (string, error) {
	s, err := unquote(value)
	switch {
	case err != nil:
		return "", err
	case string(s) == ModeLive:
		return ModeLive, nil
	case string(s) == ModeTest:
		return ModeTest, nil
	}
	return "", errors.New("must be live or test")
}

// readMoment reads a time. null means no time: many serializers write null for a missing
// value.
func readMoment(value []byte) (Moment, error) {
	if string(value) == "null" {
		return 0, nil
	}
	s, err := unquote(value)
	if err != nil {
		return 0, err
	}
	var m Moment
	err = m.UnmarshalText(s)
	return m, err
}

func readDigest(value []byte) (Digest, error) {
	s, err := unquote(value)
	if err != nil {
		return Digest{}, err
	}
	return ParseDigest(string(s))
}

func readList(value []byte, item func([]byte) (string, error)) ([]string, error) {
	if value[0] != '[' {
		return nil, errNotArray
	}
	n := 0
	w := walker{b: value}
	_ = w.elements(func([]byte) error { n++; return nil })
	out := make([]string, 0, n)
	w.pos = 0
	err := w.elements(func(v []byte) error {
		s, err := item(v)
		if err != nil {
			return fmt.Errorf("has an element that %w", err)
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

func readScopes(value []byte) ([]string, error) {
	return readList(value, readScope)
}

// readScope reads one scope token (RFC 6749, section 3.3).
func readScope(value []byte) (string, error) {
	s, err := unquote(value)
	if err != nil {
		return "", err
	}
	if !scopeForm.Match(s) {
		return "", errors.New("must be a scope (RFC 6749, section 3.3), without spaces and quotes")
	}
	return string(s), nil
}

// readRate checks a rate and leaves it as it is written.
func readRate(value []byte) (string, error) {
	s, err := unquote(value)
	if err != nil {
		return "", err
	}
	if _, err := config.ParseRate(string(s)); err != nil {
		return "", errors.New("must be a rate such as 100/1m")
	}
	return string(s), nil
}

func (dec *decoder) readResources(value []byte) (map[string][]string, error) {
	values := func(v []byte) ([]string, error) {
		return readList(v, func(v []byte) (string, error) { return dec.texts.get(v, readText) })
	}
	return readObject(value, readIdentifier, func(v []byte) ([]string, error) { return dec.values.get(v, values) })
}

func (dec *decoder) readLimits(value []byte) (map[string]string, error) {
	return readObject(value, readText, func(v []byte) (string, error) { return dec.rates.get(v, readRate) })
}

func readObject[T any](value []byte, name func([]byte) (string, error), member func([]byte) (T, error)) (map[string]T, error) {
	if value[0] != '{' {
		return nil, errNotObject
	}
	out := make(map[string]T)
	w := walker{b: value}
	err := w.members(func(rawName, v []byte, _ int) error {
		n, err := name(rawName)
		if err != nil {
			return fmt.Errorf("has a name that %w", err)
		}
		if _, ok := out[n]; ok {
			return errors.New("has a name that " + errTwice.Error())
		}
		m, err := member(v)
		if err != nil {
			return fmt.Errorf("has a value that %w", err)
		}
		out[n] = m
		return nil
	})
	return out, err
}
