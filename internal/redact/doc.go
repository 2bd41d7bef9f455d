// Package redact removes credentials from text for logs and spans.
//
// It is the opposite of a parser: if any parser might read something as a credential, it is
// one. Names are compared without regard to case, encoding and punctuation, and text that
// cannot be decided is dropped as a whole. So it may remove too much; that is intended.
package redact
