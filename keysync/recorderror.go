package keysync

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RecordError says where and why a record cannot be used. It never quotes the content,
// which may be a key in the wrong place.
type RecordError struct {
	Line    int    // counted from 1
	Field   string // empty if no single known field is to blame
	Problem string
}

// Error returns the line, the field and the problem.
func (e *RecordError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Problem)
	}
	return fmt.Sprintf("line %d, field %q: %s", e.Line, e.Field, e.Problem)
}

var (
	errMissing   = errors.New("is missing")
	errTwice     = errors.New("is given twice")
	errNotString = errors.New("must be a string")
	errNotArray  = errors.New("must be an array of strings")
	errNotObject = errors.New("must be an object")
	errPlaintext = errors.New(`looks like a plaintext key; store its digest: printf %s "$KEY" | sha256sum`)
	errNotField  = errors.New("is not a field of a record")
)

// unknownField explains a field that should not be there. It tells the name only if that
// cannot be anything but a name.
func unknownField(name []byte, line int) *RecordError {
	e := &RecordError{Line: line, Problem: errNotField.Error()}
	switch {
	case slices.Contains([]string{"key", "token", "secret", "api_key"}, strings.ToLower(string(name))):
		e.Field, e.Problem = string(name), errPlaintext.Error()
	case looksLikeKey(name):
		e.Problem = "a field name " + errPlaintext.Error()
	case len(name) <= 24 && len(bytes.Trim(name, "abcdefghijklmnopqrstuvwxyz_")) == 0:
		e.Field = string(name)
	default:
		e.Problem = "a field name " + errNotField.Error()
	}
	return e
}

// looksLikeKey recognizes a key made by NewKey, or text that contains one.
func looksLikeKey(b []byte) bool {
	return bytes.HasPrefix(b, []byte(keyPrefix)) ||
		bytes.Contains(b, []byte(keyPrefix+ModeLive+"_")) ||
		bytes.Contains(b, []byte(keyPrefix+ModeTest+"_"))
}

func lineOf(b []byte, pos int) int {
	return 1 + bytes.Count(b[:pos], []byte("\n"))
}
