// Package forward is the directive ingest_forward: Caddy's reverse_proxy, with a short way for
// plain requests to plain backends.
//
// A Handler holds a reverse_proxy of the same settings. What the short way does not know goes
// there: settings (settings.go), requests (request.go) and answers (answer.go). So does
// whatever fails: reverse_proxy is handed the failure as the outcome of its own first attempt
// (handover.go), so that health checks, retries, statuses and logs are Caddy's.
package forward
