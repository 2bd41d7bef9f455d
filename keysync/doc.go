// Package keysync finds out what an API key stands for. Keys are known only by
// their digest: a Source maps digests to records, and nothing in this package
// stores, logs or returns a key.
package keysync
