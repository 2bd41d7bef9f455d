// Package redis is a client with one connection to Redis that many requests share. The
// connection is to one server, to the master that sentinels name, or to the node of a
// cluster that has the slot with all keys.
//
// A Client takes commands as bytes and returns answers as numbers and texts. It has
// functions only for the commands at the start of a connection. It finds the right
// server, connects, follows when the server moves, and says at once when there is none.
//
// # Why we have our own client
//
// Clients that have a function for every command are large, because the linker
// keeps them all. The small ones lack what we need. What each adds to the binary, and why
// we do not use it:
//
//	redigo     +0.04 MB   no Sentinel, no Cluster, no connection that requests share
//	radix v4   +0.48 MB   has all three; last release in 2023; two to three times
//	                      our CPU; a huge length from a server that is not Redis
//	                      panics in a goroutine of its own, which ends the process
//	go-redis   +8.2 MB    a function for every command
//	rueidis    +10.2 MB   a function for every command
//
// One atomic take of one counter of package limit, that is one script, in a redis-server
// 7.0 on the same two cores; medians of five alternating runs on a busy machine:
//
//	                 1 request at a time           64 at a time
//	                 latency   CPU      allocs     takes/s   CPU       allocs
//	this client      42 µs     19 µs    5          51,000    5.0 µs    5
//	rueidis 1.0.79   37 µs     19 µs    11         41,000    10.5 µs   12
//
// CPU is that of the client, per take. A single request writes its own command; several
// are gathered into one write, see pipe. Answers always come through one goroutine, which
// is needed to notice that an idle connection closes. That costs these few microseconds
// for a single request.
//
// It is worth keeping only while it stays this small. If you need many slots, publish and
// subscribe, or transactions, use one of the above instead.
package redis
