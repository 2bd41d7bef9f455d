// Package gatetest runs a gate in tests the way a user runs it: a real Caddy
// with a real Caddyfile, a recording backend behind it, and HTTP in front.
package gatetest
