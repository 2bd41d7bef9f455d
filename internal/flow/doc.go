// Package flow remembers what became of requests, by key and by minute, for an
// hour: enough to see a key being rotated, and which limits are about to be
// reached. It is for people to look at; metrics are elsewhere.
package flow
