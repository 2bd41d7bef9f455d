// Package redact takes credentials out of text that goes into logs and spans.
//
// It is the opposite of a parser: what some parser anywhere might take for a credential is
// one. Names are compared without regard to case, encoding and punctuation, and what cannot
// be decided is dropped as a whole. So it may remove too much, and that is what it is for.
package redact
