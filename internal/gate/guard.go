package gate

import (
	"net/http"
	"slices"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/fieldname"
)

// methodOverrides are headers in which some backends look for another method, folded with
// fieldname.Fold.
var methodOverrides = []string{"x-http-method-override", "x-http-method", "x-method-override"}

// pathOverrides are headers from which some backends take the path, or a part of it. A
// header that only names a prefix removed by a proxy (X-Forwarded-Prefix) does not change
// where a request goes.
var pathOverrides = []string{
	"X-Original-URL", "X-Rewrite-URL", // Symfony, Laravel, Drupal, Zend, Yii, CakePHP; rewriting in IIS
	"X-Original-URI", "X-Forwarded-URI", "X-Forwarded-Path", "X-Override-URL", // used with several proxies and platforms
	"Script-Name", "Path-Info", "X-Script-Name", // Gunicorn, and Flask behind ReverseProxied: they cut it off
	"X-Vhm-Root", // Pyramid and Zope put it before the path
}

// bodyHeaders tell what a body is, where it ends and what its digest is. The gate relies on
// them, or deletes them when it changes the body, so a backend must not get another spelling.
var bodyHeaders = []string{
	"Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding",
	"Content-MD5", "Digest", "Content-Digest", "Repr-Digest",
}

// guardHeaders adds to o the headers that no client may send. In report mode that is only
// the identity header.
func (g *Gate) guardHeaders(o *credential.Options) {
	o.Drop = []string{g.header}
	if !g.enforces {
		return
	}
	o.Plain = bodyHeaders
	if slices.ContainsFunc(g.settings.Scopes, func(s config.Scope) bool { return s.Method != "" }) {
		o.Drop = append(o.Drop, methodOverrides...)
	}
	if g.readsPath() {
		o.Drop = append(o.Drop, pathOverrides...)
	}
}

// readsPath reports whether the gate looks at the segments of the path.
func (g *Gate) readsPath() bool {
	return slices.ContainsFunc(g.settings.Resources, func(r config.Resource) bool { return r.In == "path" }) ||
		slices.ContainsFunc(slices.Concat(g.settings.Credentials, g.settings.Remove), func(l config.Location) bool { return l.Place() == config.PlacePath })
}

// dropMethodOverrides deletes them in every spelling.
func dropMethodOverrides(h http.Header) {
	for name := range h {
		if slices.ContainsFunc(methodOverrides, func(o string) bool { return fieldname.Equal(name, o) }) {
			delete(h, name)
		}
	}
}
