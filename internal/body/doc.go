// Package body reads a request body into pooled memory, decodes it under limits, and
// hands it to the next handler in a form that a retry sees whole or not at all.
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
// A body that is only passed on goes through Once, Limit and Trailers instead. Peek tells
// which of the two it is, where only its beginning can.
package body
