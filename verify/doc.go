// Package verify is what a Go backend imports to believe a gate: it checks the
// assertion, a signed JSON Web Token (RFC 7519) in one header, by which a gate
// says who sent a request.
//
//	v, err := verify.New(verify.Options{
//		JWKS:     "http://gate:8080/.well-known/jwks.json",
//		Audience: "backend",
//	})
//	…
//	http.ListenAndServe(":9000", v.Handler(mux))
//
// Handlers behind it learn the caller from [FromContext].
//
// The module that it is in is not the gate's: it needs Go 1.24 and two modules that
// need no others, so that it does not change the versions of anything else that a
// backend is made of.
//
// # What is checked
//
// There is exactly one value of the header. It is signed with an algorithm that
// Options allow, never with one of its own choice, by a key of the key set that is
// made for that algorithm. Issuer and audience are the expected ones, and it is
// neither expired nor too early, give or take 5 seconds. If it is bound to a
// request, this is that request. Its verdict, if it has one, is "allowed": other
// verdicts come from a gate that only reports.
//
// The signature of an assertion that is not bound is checked once: a gate sends the
// same one with many requests. All else is checked for each of them.
//
// What fails is refused: with 401 if the assertion is missing or wrong, with 413 if
// the body that it is bound to is too long, with 400 if that body cannot be read,
// and with 503 if the keys cannot be had, because then nobody can tell.
//
// # Keys
//
// [New] fetches nothing: the first request does, so that a backend may start before
// its gate. A key set is read again when half of its max-age is over, after 10
// seconds at the least and 5 minutes at the most; the gate publishes a key 10
// minutes before it signs. A key that is not known is looked for at once, but there
// is one fetch at a time, and 5 seconds between two. Requests with known keys do not
// wait for it, unless the set was not looked at for two such periods.
//
// While the key set cannot be had, the keys that were known go on being believed,
// for 24 hours: as long as a gate signs with one key unless told otherwise, so that
// more would be of little use, and a key that the gate has withdrawn is not believed
// for ever. The log says when that begins and when it is over.
//
// A key set in a file is read again a second after the last time that it was.
package verify
