// Package redact takes keys out of text that is logged or traced: URLs, queries,
// header values, JSON, error messages. It fails closed: where it cannot tell what
// a backend would read as a key, it redacts more than that.
package redact
