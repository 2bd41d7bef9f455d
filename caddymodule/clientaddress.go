package caddymodule

import (
	"reflect"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// countsAddresses reports whether the gate counts anything by the client's address.
func countsAddresses(s *config.Gate) bool {
	return s.LimitFailures != (config.Rate{}) ||
		slices.ContainsFunc(s.Limits, func(l config.Limit) bool { return slices.Contains(l.By, config.ByIP) })
}

// checkAddresses warns, once for each server, if a gate counts by the client's address
// and clients can choose it: without strict mode Caddy takes the leftmost entry of
// X-Forwarded-For, and proxies append to what the client sent.
func (a *App) checkAddresses(ctx caddy.Context, s *config.Gate) {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || !countsAddresses(s) || !trustsProxies(srv) || srv.TrustedProxiesStrict > 0 || a.warnedOf[srv] {
		return
	}
	if a.warnedOf == nil {
		a.warnedOf = make(map[*caddyhttp.Server]bool)
	}
	a.warnedOf[srv] = true
	a.log.Warn("clients may choose the address that `by ip` counts: the server takes the first address in X-Forwarded-For, and a client writes that one itself if the proxy appends to the header; write `trusted_proxies_strict` next to `trusted_proxies` in the global option `servers`",
		zap.Strings("listen", srv.Listen))
}

// trustsProxies reports whether the server takes the client's address from a header.
// When handlers are provisioned, Caddy has already emptied TrustedProxiesRaw, and it does
// not export the result.
func trustsProxies(srv *caddyhttp.Server) bool {
	source := reflect.ValueOf(srv).Elem().FieldByName("trustedProxies")
	return srv.TrustedProxiesUnix || source.IsValid() && !source.IsNil()
}
