// Package verify is for Go backends behind a gate. It checks the assertion: a signed JSON
// Web Token (RFC 7519) in one header, in which the gate says who sent a request.
//
//	v, err := verify.New(verify.Options{
//		JWKS:     "http://gate:8080/.well-known/jwks.json",
//		Audience: "backend",
//	})
//	…
//	http.ListenAndServe(":9000", v.Handler(mux))
//
// Handlers behind it get the caller from [FromContext].
//
// It is a separate module from the gate. It needs Go 1.24 and two modules, which need no
// others. So it does not change the versions of other modules in a backend.
//
// # What is checked
//
// There is exactly one value of the header. It is signed with an algorithm that Options
// allow (the token cannot choose), by a key of the key set made for that algorithm.
// Issuer and audience are the expected ones. It is valid now, with a tolerance of 5
// seconds. If it is bound to a request, it is bound to this one. Its verdict, if it has
// one, is "allowed": other verdicts come from a gate in report mode.
//
// The signature of an assertion that is not bound is checked only once, because a gate
// sends the same one with many requests. Everything else is checked for every request.
//
// A request that fails is refused: with 401 if the assertion is missing or wrong, with
// 413 if the body that it is bound to is too long, with 400 if that body cannot be read,
// and with 503 if the keys cannot be fetched.
//
// # Keys
//
// [New] fetches nothing: the first request does, so that a backend may start before
// its gate. A key set is read again when half of its max-age is over, after at least 10
// seconds and at most 5 minutes. The gate publishes a key 10 minutes before it signs. For
// an unknown key the set is fetched at once, but only one fetch runs at a time, with 5
// seconds between two. Requests with known keys do not wait for it, unless the set was
// not read for two such periods.
//
// While the key set cannot be fetched, the known keys are trusted for 24 hours. By
// default a gate signs with one key for that long, so a longer time would help little,
// and a key that the gate has withdrawn must not be trusted forever. The log says when
// that begins and when it is over.
//
// A key set in a file is read again after one second.
package verify
