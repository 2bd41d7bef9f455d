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
// # Why rueidis
//
// One atomic take of one counter, a script that runs in a redis-server 7.0 on
// the same two cores, medians of five alternating runs with rueidis 1.0.79 and
// go-redis 9.23.0:
//
//	                          1 request at a time           64 at a time
//	                          latency   CPU      allocs     takes/s   CPU
//	rueidis, 1 connection     28 µs     13 µs    6          50,000    8.5 µs
//	go-redis, pool            35 µs     19 µs    25         33,000    15 µs
//	go-redis, autopipeline    62 µs     45 µs    35         41,000    8.5 µs
//
// CPU is that of the client, per take. rueidis writes directly while there is
// one request and pipelines as soon as there are more, so it is best at both.
// One connection beat four, since the server works on one script at a time.
package limit
