// Package assertion tells a backend who called: it signs the identity of a
// request as a JSON Web Token and publishes the keys that verify it.
//
// # Tokens
//
// An assertion is a JWT (RFC 7519) in JWS compact serialization (RFC 7515) with
// the header parameters alg, kid and typ ("JWT"). Claims documents what it says.
//
// # Signing keys
//
// Keys for EdDSA and ES256 are generated, and kept as private JWKs (RFC 7517) in
// one document per algorithm, ingest_auth/signing/<algorithm>.json, in a Storage.
// Instances that share the storage share the keys. Private keys are written
// nowhere else. HS256 uses a configured secret and no storage.
//
// With R for Options.Rotate and T for Options.TTL, the life of a key is
//
//	lead = 10 minutes, or R/4 if that is shorter
//	poll = lead/10: how often the document is read again
//
//	published      lead+poll before its first use, so that every instance that
//	               reads the document on time has had it in its key set for lead
//	signs          for R; longer if no successor could be stored
//	removed        T+lead after its successor began to sign
//
// The very first key signs at once: there is no other. An instance that learns of a new
// key late, after an outage of the storage, keeps signing with the old key until it has
// published the new one for lead. The old key stays published long enough for that.
//
// # When the storage fails
//
// Signing continues with the current keys, however long the failure lasts. The log says
// once that the storage fails, and once that it works again. If one instance is cut off
// while the others rotate, it keeps publishing the key with which it signs, but the
// others stop publishing that key T+lead after the rotation. A document that cannot be
// understood is never overwritten. A missing document is stored again from memory. So to
// remove a stolen key, stop all instances, delete the document, and start them again.
package assertion
