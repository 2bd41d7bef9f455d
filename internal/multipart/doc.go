// Package multipart finds the parts of a form in a multipart body (RFC 7578), so that some
// can be cut out of it, also if the body streams.
//
// It accepts only bodies that all readers understand alike: readers of multipart bodies
// differ in line ends, in what ends a part, in quotes, and in what follows the last
// boundary. In an accepted body each boundary is alone on a line that ends in CRLF, and
// the header of each part names it in only one way.
package multipart

// Error says why a body is refused. It never quotes the body.
type Error struct {
	What string // one of a few constant phrases
}

func (e *Error) Error() string { return "malformed multipart body: " + e.What }

var (
	errBoundary  = &Error{"Content-Type must name one boundary, in letters, digits and any of '+_-./:=?"}
	errLine      = &Error{"a boundary must stand alone on a line that ends in CRLF"}
	errAfterEnd  = &Error{"a boundary follows the last one"}
	errTruncated = &Error{"the last boundary is missing"}
	errTooLong   = &Error{"the header of a part is too long"}
	errHeader    = &Error{"the header of a part cannot be read with certainty"}
	errName      = &Error{"a part needs one Content-Disposition: form-data; name=\"…\""}
	errNested    = &Error{"a part must not be multipart itself"}
)
