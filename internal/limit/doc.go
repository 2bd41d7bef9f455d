// Package limit counts requests, or units of any kind, against limits in fixed
// windows, in the memory of one process or in a Redis that several gates share.
//
// A window begins at a multiple of its length since the Unix epoch, so all
// gates agree on when it ends, and clients can be promised that time. All
// counters of a request are taken or none is: a request that one limit refuses
// costs the others nothing. See Counters.
//
//   - Memory holds a bounded number of counters.
//   - Redis takes all counters of a request in one round trip.
//   - Resilient uses Redis while it works and Memory, or a fixed answer, while
//     it does not.
//   - InFlight counts requests that are being served.
//
// To count only some requests, such as failed authentications, do OpPeek before
// and OpAdd after the event.
//
// # Why a Redis client of our own
//
// All counters are on one node and one script counts them, so of a client we
// need one connection that many requests share, and to find the node. What is
// there has a function for every command, which the linker keeps (rueidis:
// 10 MB, go-redis: 8 MB), or is small but has no shared connection, no Cluster
// and no Sentinel, and ends the process when a server that is none of Redis
// answers with a huge length (redigo 1.9.3).
//
// One atomic take of one counter, a script that runs in a redis-server 7.0 on
// the same two cores, medians of five alternating runs on a busy machine:
//
//	                 1 request at a time           64 at a time
//	                 latency   CPU      allocs     takes/s   CPU       allocs
//	this client      42 µs     19 µs    6          51,000    5.0 µs    6
//	rueidis 1.0.79   37 µs     19 µs    11         41,000    10.5 µs   12
//
// CPU is that of the client, per take. A request that is alone writes itself;
// several are gathered into one write, see pipe. Answers come through one
// goroutine, also for a request that is alone: that is what it takes to see an
// idle connection close, and costs those few microseconds.
package limit
