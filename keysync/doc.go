// Package keysync has the vocabulary of keys and all that a source of keys needs: digest
// and record, how a record is read and written, and the interfaces between a source and
// the gate. Keys are known only by their digest: nothing in this package stores, logs or
// returns one.
//
// # Sources
//
// A [Source] maps digests to records. It need do no more. What else it can, it says with
// small interfaces, each of which is asked for once the source is open:
//
//   - [Getter]: it answers from memory, and needs no cache in front of it;
//   - [Watcher]: it tells what has changed, so that a revoked key stops working at once;
//   - [Reporter]: it knows its state, for readiness, metrics and the admin endpoint;
//   - [Located]: it knows where its records are, so that a cache of them can be kept;
//   - [Timed]: it says how long a look-up may take;
//   - [Lister] and [Reloader]: it can list its records and read them anew;
//   - [io.Closer]: it has something to close.
//
// A cache stands in front of every source but a Getter. So Lookup is called for keys that
// the cache does not know, and again for those that it knows for some minutes. The cache
// asks for a digest once at a time, bounds how often it asks at all, remembers what does
// not exist, and goes on with what it has while the source cannot say.
//
// A source tells three things apart, and the gate answers accordingly: a record is there,
// no such key exists ([ErrUnknown], 401), and it cannot say ([ErrUnavailable], 503). Whoever
// takes an outage for an unknown key tells clients to throw good keys away.
//
// # Openers
//
// An [Opener] has the settings of a source and opens it. Caddy's guest modules in the
// namespace ingest_auth.sources are Openers, and need no other interface of ours: see
// examples/custom-source. One that is a [StoreOpener], too, can be written to by the
// command ingest-keys; a [Store] is a source that can be changed.
//
// The sources that come with the gate are made the same way: packages keysync/file and
// keysync/vault. The cache is package keysync/cache.
package keysync
