// Package keysync has everything that a source of keys needs: digest and record, how a
// record is read and written, and the interfaces between a source and the gate. Keys are
// known only by their digest: nothing in this package stores, logs or returns a key.
//
// # Sources
//
// A [Source] maps digests to records. It need not do more. If it can do more, it says so
// with small interfaces, which the gate looks for after opening the source:
//
//   - [Getter]: it answers from memory, and needs no cache in front of it;
//   - [Watcher]: it reports changes, so that a revoked key stops working at once;
//   - [Reporter]: it knows its state, for readiness, metrics and the admin endpoint;
//   - [Located]: it knows where its records are, so that a cache of them can be kept;
//   - [Timed]: it says how long a look-up may take;
//   - [Lister] and [Reloader]: it can list its records and read them again;
//   - [io.Closer]: it has something to close.
//
// A cache is in front of every source except a Getter. So Lookup is called for keys that
// the cache does not know, and again for keys that it has known for some minutes. The
// cache asks for a digest only once at a time, limits how often it asks at all, remembers
// unknown keys, and uses the records it has while the source cannot answer.
//
// A source must distinguish three cases: the record exists, the key does not exist
// ([ErrUnknown], the gate answers 401), and the source cannot say ([ErrUnavailable], the
// gate answers 503). A source that reports an outage as an unknown key tells clients to
// throw away good keys.
//
// # Openers
//
// An [Opener] has the settings of a source and opens it. Caddy's guest modules in the
// namespace ingest_auth.sources are Openers, and need no other interface of ours: see
// examples/custom-source. If an Opener is also a [StoreOpener], the command ingest-keys
// can write to its source. A [Store] is a source that can be changed.
//
// The gate's own sources are made the same way: packages keysync/file and
// keysync/vault. The cache is package keysync/cache.
package keysync
