package gate

import (
	"net/http"
	"slices"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/fieldname"
)

// methodOverrides are headers that some backends take another method from, as
// fieldname.Fold has them.
var methodOverrides = []string{"x-http-method-override", "x-http-method", "x-method-override"}

// pathOverrides are headers that some backends take the path from that they act on, or a
// part of it. What only tells of a prefix that a proxy took off (X-Forwarded-Prefix) does
// not change where a request goes.
var pathOverrides = []string{
	"X-Original-URL", "X-Rewrite-URL", // Symfony, Laravel, Drupal, Zend, Yii, CakePHP; rewriting in IIS
	"X-Original-URI", "X-Forwarded-URI", "X-Forwarded-Path", "X-Override-URL", // whoever asks proxies and platforms for it
	"Script-Name", "Path-Info", "X-Script-Name", // Gunicorn, and Flask behind ReverseProxied: they cut it off
	"X-Vhm-Root", // Pyramid and Zope put it before the path
}

// bodyHeaders tell what a body is, where it ends and what its digest is. The gate goes by them,
// or deletes them when it changes the body, so a backend must not be given another spelling.
var bodyHeaders = []string{
	"Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding",
	"Content-MD5", "Digest", "Content-Digest", "Repr-Digest",
}

// guardHeaders adds to o what no client may send. A gate that only reports lets all but the
// identity header through.
func (g *Gate) guardHeaders(o *credential.Options) {
	o.Drop = []string{g.header}
	if !g.enforces {
		return
	}
	o.Plain = bodyHeaders
	if slices.ContainsFunc(g.settings.Scopes, func(s config.Scope) bool { return s.Method != "" }) {
		o.Drop = append(o.Drop, methodOverrides...)
	}
	if slices.ContainsFunc(g.settings.Resources, func(r config.Resource) bool { return r.In == "path" }) {
		o.Drop = append(o.Drop, pathOverrides...)
	}
}

// dropMethodOverrides deletes them in every spelling.
func dropMethodOverrides(h http.Header) {
	for name := range h {
		if slices.ContainsFunc(methodOverrides, func(o string) bool { return fieldname.Equal(name, o) }) {
			delete(h, name)
		}
	}
}
