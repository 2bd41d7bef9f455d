// Package redis is a client for who needs one connection to Redis that many
// requests share: to one server, to the master that sentinels name, or to the node
// of a cluster that has the one slot in which all keys are.
//
// A Client has commands as bytes, answers as numbers and texts, and no function for
// any command but those that introduce it. It finds the right server, connects,
// follows when that moves, and says at once when there is none.
//
// # Why a client of our own
//
// Clients that have a function for every command are large, because the linker
// keeps them all. The small ones lack what we need. What each adds to the binary,
// and what is in the way:
//
//	redigo     +0.04 MB   no Sentinel, no Cluster, no connection that requests share
//	radix v4   +0.48 MB   has all three; last release in 2023; two to three times
//	                      our CPU; a huge length from a server that is not Redis
//	                      panics in a goroutine of its own, which ends the process
//	go-redis   +8.2 MB    a function for every command
//	rueidis    +10.2 MB   a function for every command
//
// One atomic take of one counter of package limit, a script that runs in a
// redis-server 7.0 on the same two cores, medians of five alternating runs on a busy
// machine:
//
//	                 1 request at a time           64 at a time
//	                 latency   CPU      allocs     takes/s   CPU       allocs
//	this client      42 µs     19 µs    5          51,000    5.0 µs    5
//	rueidis 1.0.79   37 µs     19 µs    11         41,000    10.5 µs   12
//
// CPU is that of the client, per take. A request that is alone writes itself;
// several are gathered into one write, see pipe. Answers come through one
// goroutine, also for a request that is alone: that is what it takes to see an
// idle connection close, and costs those few microseconds.
//
// It is worth having as long as it stays this small. Who needs many slots,
// publish and subscribe, or transactions should take one of the above instead.
package redis
