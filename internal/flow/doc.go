// Package flow remembers the verdicts of requests, by key and by minute, for an hour:
// enough to see a key being rotated, and which limits are almost reached. It is for
// people; package metrics is for machines.
package flow
