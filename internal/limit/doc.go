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
// The connection to Redis is that of package redis; the script that counts and what
// is done without Redis are here.
package limit
