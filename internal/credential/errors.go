package credential

import (
	"errors"
	"fmt"
)

var (
	// ErrMissing means that the request holds no credential.
	ErrMissing = errors.New("no credential in the request")
	// ErrConflict means that the request holds credentials that differ.
	ErrConflict = errors.New("credentials in the request differ")
	// ErrCandidates means that the request has more than MaxCandidates different
	// values that may be keys.
	ErrCandidates = errors.New("too many values in the request that may be keys")
	// ErrDuplicate means that a JSON object has a credential or resource member
	// more than once, so that two readers may understand it differently.
	ErrDuplicate = errors.New("duplicate credential or resource member in a JSON object")
	// ErrQuery means that the query may have a credential, but it cannot be read with
	// certainty.
	ErrQuery = errors.New("ambiguous credential in the query")
	// ErrForm is the same as ErrQuery, for a form body.
	ErrForm = errors.New("ambiguous credential in the form body")
	// ErrMultipart is the same for a field of a multipart body.
	ErrMultipart = errors.New("ambiguous credential in the multipart body")
	// ErrLate means that a credential comes after the beginning of a multipart body. Only
	// the beginning is read before the body is passed on.
	ErrLate = errors.New("credential behind the beginning of the multipart body")
	// ErrValues means that the rows of a JSON body name more than MaxValues
	// different values of one resource.
	ErrValues = errors.New("too many different values of a resource member")
)

// SpellingError means that a member of a JSON body has the name of a field, a
// resource or an array that was configured, but with other upper and lower case: backends
// differ in whether it counts.
type SpellingError struct {
	Name string // as configured
}

func (s *SpellingError) Error() string {
	return fmt.Sprintf("a JSON body spells member %q with other upper and lower case", s.Name)
}

// SyntaxError says where and why a body is not JSON as of RFC 8259. It never
// quotes the body.
type SyntaxError struct {
	Offset int    // 0-based, in bytes
	What   string // one of a few constant phrases
}

func (s *SyntaxError) Error() string {
	return fmt.Sprintf("malformed JSON at byte %d: %s", s.Offset, s.What)
}
