// Package copies finds copies of a known key in everything that is forwarded of a request,
// and cuts them out: in headers, cookies, paths, queries, forms, JSON and other text. It
// searches for the key's value, whatever the place is called: plain, percent-encoded,
// escaped as in JSON, each also only in part or one inside the other, and in base64.
//
// Key.In is for every request: it allocates nothing, and reads most texts at a stride of
// the key's length. Everything else is called only if In has found a copy.
//
// If a copy is the whole value, it is cut with its name and one separator. In a longer text
// only the bytes of the copy are cut. Base64 is decoded, cut and encoded again. If a cut
// would change the meaning of the rest, the result is not exact: it has no copy of the key
// either, but the request must be refused.
package copies
