// Package body reads a request body into pooled memory, decodes it under limits, and
// passes it to the next handler. A retry gets either the whole body or an error.
//
// A body that has been read goes Read, (change the bytes), Replace, Release:
//
//	buf, err := body.Read(r, limits)
//	…
//	replay := body.Replace(r, buf, changed)
//	err = next.ServeHTTP(w, r)
//	if err == nil {
//		replay.Release()
//	}
//
// A body that is only passed on goes through Once, Limit and Trailers instead. If only
// the beginning of a body can tell which way it goes, use Peek.
package body
