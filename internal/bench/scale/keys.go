package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
)

// known returns the digest of a key that sources have, unknown of one that they have not: the
// last byte tells.
func known(i int) keysync.Digest   { return digest(i, 0) }
func unknown(i int) keysync.Digest { return digest(i, 1) }

func digest(i int, last byte) keysync.Digest {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(i))
	d := keysync.DigestOf(b[:])
	d[len(d)-1] = last
	return d
}

// source makes up the record of every known digest.
type source func(d keysync.Digest) (*keysync.Record, error)

// Lookup implements keysync.Source.
func (s source) Lookup(_ context.Context, d keysync.Digest) (*keysync.Record, error) {
	if d[len(d)-1] != 0 {
		return nil, keysync.ErrUnknown
	}
	return s(d)
}

var one = &keysync.Record{KeyID: "key_one"}

// shared returns one record for all keys, so that only the cache itself takes memory.
func shared(keysync.Digest) (*keysync.Record, error) { return one, nil }

// parser reads records as that of the Vault source does.
var parser keysync.RecordParser

// small returns a record of key ID, account and a scope.
func small(d keysync.Digest) (*keysync.Record, error) {
	return parser.Parse(fmt.Appendf(nil, `{"key_id":"key_%x","account":"acct_%x","scopes":["events:write"]}`, d[:8], d[8:11]))
}

// large returns a record with most of its fields.
func large(d keysync.Digest) (*keysync.Record, error) {
	return parser.Parse(fmt.Appendf(nil, `{%s}`, largeFields(d)))
}

// largeFields returns those of one of 20,000 accounts.
func largeFields(d keysync.Digest) string {
	account := binary.BigEndian.Uint64(d[8:]) % 20_000
	return fmt.Sprintf(`"key_id":"key_%x","account":"acct_%05d","env":"production","scopes":["events:write","events:read"],`+
		`"resources":{"project":["proj_%05d"]},"limits":{"key":"1000/1m"},`+
		`"created_at":"2026-01-02T03:04:05Z","expires_at":"2027-01-02T03:04:05Z"`, d[:8], account, account)
}

// ages is longer than the benchmark runs.
const ages = 24 * time.Hour

// noCap is more reads per second than there will be.
const noCap = 1 << 30

// newCache returns a cache in which nothing grows old, and whose reads have no deadline worth
// speaking of.
func newCache(s source, size, reads int) (*cache.Cache, error) {
	return cache.New(s, cache.Options{Size: size, Reads: reads, Fresh: ages, Outage: ages, Timeout: ages})
}
