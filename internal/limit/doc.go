// Package limit counts requests, or units of any kind, against limits in fixed
// windows, in the memory of one process or in a Redis that several gates share.
//
// A window begins at a multiple of its length since the Unix epoch, so all gates agree on
// when it ends, and can tell clients. All counters of a request count it, or none does: a
// request that one limit refuses does not count in the others. See Counters.
//
//   - Memory holds a bounded number of counters.
//   - Redis counts in all counters of a request in one round trip.
//   - Resilient uses Redis while it works and Memory, or a fixed answer, while
//     it does not.
//   - InFlight counts requests that are being served.
//
// To count only some requests, such as failed authentications, do OpPeek before
// and OpAdd after the event.
//
// Package redis has the connection to Redis. This package has the script that counts, and
// what happens without Redis.
package limit
