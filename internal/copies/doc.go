// Package copies finds copies of a known key in what is forwarded of a request, and cuts
// them out: in headers, cookies, paths, queries, forms, JSON and other text. It goes by
// the key's value and not by the name of the place: as it is, percent-encoded, escaped as in
// JSON, each also in part or once more inside the other, and in base64.
//
// Key.In is for every request: it allocates nothing, and reads most texts at a stride of
// the key's length. All else is only called where In has found a copy.
//
// What has a copy for its whole value goes with its name and one separator; of a longer text
// only the bytes of the copy go. Base64 is decoded, cut and encoded again. Where that
// cannot be done such that all else keeps its meaning, the results are not exact: nothing of
// the key is left in them then either, but the request must be refused.
package copies
