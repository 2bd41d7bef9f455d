// Package forward is the directive ingest_forward: Caddy's reverse_proxy, with a short way for
// plain requests to plain backends.
package forward
