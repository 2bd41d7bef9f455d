package examples_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// Keys and bodies of the Altertable example.
const (
	altertableKey     = "EXAMPLE-altertable-key"
	altertableDev     = "EXAMPLE-altertable-development-key"
	altertableOther   = "EXAMPLE-altertable-other-key"
	altertableRevoked = "EXAMPLE-altertable-revoked-key"

	altertableOK    = `{"ok":true,"task_id":"00000000-0000-0000-0000-000000000000","error_code":null}`
	altertableNoKey = `{"error":{"message":"Invalid API key","code":"AUTHENTICATION_ERROR"}}`

	click   = `{"environment":"production","event":"Button Clicked","properties":{"page":"pricing"}}`
	clicks  = `[` + click + `,` + click + `]`
	appSite = "https://app.example.com"
)

func altertablePasses(says, when string, req gatetest.Request, uri string, c claims) row {
	return row{
		says: says, when: when, req: req, status: http.StatusOK, body: altertableOK,
		header: pairs{"Content-Type": "application/json"}, seen: &seen{uri: uri, body: req.Body, claims: c},
	}
}

func altertableFails(says, when string, req gatetest.Request, status int, body string) row {
	return row{
		says: says, when: when, req: req, status: status, body: body,
		header: pairs{"Content-Type": "application/json"},
	}
}

// altertableError is an error in the shape of the page.
func altertableError(message, code string) string {
	return `{"error":{"message":"` + message + `","code":"` + code + `"}}`
}

func apiKey(key string) string { return "X-API-Key: " + key }

func TestAltertable(t *testing.T) {
	var rows []row
	rows = append(rows, altertableStyles()...)
	rows = append(rows, altertableUnauthorized()...)
	rows = append(rows, altertableEnvironments()...)
	rows = append(rows, altertableWriteOnly()...)
	rows = append(rows, altertableBrowser()...)
	run(t, "altertable", nil, rows)
}

func altertableStyles() []row {
	const (
		scoped = "Every request is scoped to the organization that owns the key"
		direct = "For direct HTTP requests to POST /track, POST /identify, and POST /alias, use the same Product Analytics API key as your SDKs"
		header = "X-API-Key header: Recommended for server-to-server requests"
		equal  = "Authorization: Bearer YOUR_API_KEY: Equivalent to X-API-Key"
		query  = "?apiKey=YOUR_API_KEY: Supported, but less preferred than headers"
		both   = "object, or an array of objects"
	)
	acme := claims{"sub": "acme", "key_id": "key_altertable_acme", "res": map[string]any{"environment": "production"}}
	rows := []row{
		altertablePasses(scoped, "one organization", post("/track", click, apiKey(altertableKey)), "", acme),
		altertablePasses(scoped, "another", post("/track", click, apiKey(altertableOther)), "", claims{"sub": "other", "key_id": "key_altertable_other"}),
		altertablePasses(header, "as on the page", post("/track?sync=true", click, apiKey(altertableKey)), "", acme),
		altertablePasses(equal, "as on the page", post("/track", click, bearer(altertableKey)), "", acme),
		altertablePasses(query, "alone", post("/track?apiKey="+altertableKey, click), "/track", acme),
		altertablePasses(query, "before sync", post("/track?apiKey="+altertableKey+"&sync=true", click), "/track?sync=true", acme),
		altertablePasses(query, "after sync", post("/track?sync=true&apiKey="+altertableKey, click), "/track?sync=true", acme),
		altertablePasses(both, "array", post("/track", clicks, apiKey(altertableKey)), "", acme),
	}
	for _, path := range []string{"/track", "/identify", "/alias"} {
		rows = append(rows,
			altertablePasses(direct, path+" X-API-Key", post(path, click, apiKey(altertableKey)), "", acme),
			altertablePasses(direct, path+" bearer", post(path+"?sync=true", click, bearer(altertableKey)), "", acme),
			altertablePasses(direct, path+" query", post(path+"?apiKey="+altertableKey, clicks), path, acme))
	}
	return rows
}

func altertableUnauthorized() []row {
	const says = `401: {"error":{"message":"Invalid API key","code":"AUTHENTICATION_ERROR"}}`
	no := func(when string, req gatetest.Request) row {
		return altertableFails(says, when, req, http.StatusUnauthorized, altertableNoKey)
	}
	return []row{
		no("missing", post("/track", click)),
		no("missing, array", post("/track", clicks)),
		no("unknown X-API-Key", post("/track", click, apiKey(anyKey+"nobody"))),
		no("unknown bearer", post("/identify", click, bearer(anyKey+"nobody"))),
		no("unknown in the query", post("/alias?apiKey="+anyKey+"nobody", click)),
		no("revoked", post("/track", click, apiKey(altertableRevoked))),
		no("in the body", post("/track", `{"environment":"production","apiKey":"`+altertableKey+`"}`)),
		no("reading without a key", get("/track")),
	}
}

func altertableEnvironments() []row {
	const (
		decides  = "the environment field in the payload determines which environment the event or identity should be written to"
		separate = "Use separate keys for development, staging, and production"
		every    = "environment in every object"
	)
	env := func(names ...any) claims {
		if len(names) == 1 {
			return claims{"res": map[string]any{"environment": names[0]}}
		}
		return claims{"res": map[string]any{"environment": names}}
	}
	dev := `{"environment":"development","event":"a"}`
	lacks := func(when, body string) row {
		return altertableFails(every, when, post("/track", body, apiKey(altertableKey)), http.StatusBadRequest,
			altertableError("Missing environment", "INVALID_REQUEST"))
	}
	foreign := func(when string, req gatetest.Request) row {
		return altertableFails(separate, when, req, http.StatusForbidden, altertableError("Invalid environment", "FORBIDDEN"))
	}
	ofDev := env("development")
	ofDev["env"], ofDev["key_id"] = "development", "key_altertable_acme_dev"
	return []row{
		altertablePasses(decides, "production", post("/track", click, apiKey(altertableKey)), "", env("production")),
		altertablePasses(decides, "development", post("/identify", dev, apiKey(altertableKey)), "", env("development")),
		altertablePasses(decides, "two in an array", post("/track", "["+click+","+dev+"]", apiKey(altertableKey)), "", env("production", "development")),
		altertablePasses(separate, "its own", post("/track", dev, apiKey(altertableDev)), "", ofDev),
		foreign("production", post("/track", click, apiKey(altertableDev))),
		foreign("production in the query style", post("/alias?apiKey="+altertableDev, click)),
		foreign("production in an array", post("/track", "["+dev+","+click+"]", bearer(altertableDev))),
		lacks("object", `{"event":"a"}`),
		lacks("first of an array", `[{"event":"a"},`+click+`]`),
		lacks("last of an array", `[`+click+`,{"event":"a"}]`),
		lacks("in another object", `{"event":"a","properties":{"environment":"production"}}`),
		lacks("null", `{"environment":null}`),
		lacks("element that is no object", `[`+click+`,"production"]`),
		lacks("no body", ""),
		lacks("empty array", "[]"),
		altertableFails(every, "malformed", post("/track", `[{"environment":`, apiKey(altertableKey)), http.StatusBadRequest,
			altertableError("Malformed JSON", "INVALID_REQUEST")),
	}
}

func altertableWriteOnly() []row {
	const (
		read    = "They cannot read historical analytics data"
		modify  = "or modify existing records"
		lacks   = "API key lacks the required scope"
		outside = "or administer your workspace"
	)
	forbidden := func(says, when string, req gatetest.Request) row {
		return altertableFails(says, when, req, http.StatusForbidden, altertableError(lacks, "FORBIDDEN"))
	}
	absent := func(says, when string, req gatetest.Request) row {
		return altertableFails(says, when, req, http.StatusNotFound, altertableError("Not found", "NOT_FOUND"))
	}
	return []row{
		forbidden(read, "X-API-Key", get("/track", apiKey(altertableKey))),
		forbidden(read, "bearer", get("/identify", bearer(altertableKey))),
		forbidden(read, "query", get("/alias?apiKey="+altertableKey)),
		forbidden(modify, "PUT", send(http.MethodPut, "/track", click, apiKey(altertableKey))),
		forbidden(modify, "PATCH", send(http.MethodPatch, "/identify", click, apiKey(altertableKey))),
		forbidden(modify, "DELETE", send(http.MethodDelete, "/track", "", apiKey(altertableKey))),
		forbidden(read, "another path", get("/query", apiKey(altertableKey))),
		absent(outside, "another path", post("/keys", click, apiKey(altertableKey))),
		altertableFails(outside, "another path, without a key", post("/keys", click), http.StatusUnauthorized, altertableNoKey),
	}
}

func altertableBrowser() []row {
	const (
		client  = "client-side SDK initialization"
		arrays  = "its browser SDK always sends arrays, with the key in the query"
		fetches = "by fetch with keepalive"
		beacons = "by sendBeacon on unload, so with beacon content types"
		flight  = "so with CORS preflights"
		target  = "/track?apiKey=" + altertableKey
	)
	origin := "Origin: " + appSite
	allowed := pairs{"Access-Control-Allow-Origin": appSite, "Access-Control-Allow-Credentials": "true", "Vary": "*"}
	sends := func(says, when, contentType string) row {
		r := altertablePasses(says, when, post(target, clicks, origin, "Content-Type: "+contentType), "/track", claims{"sub": "acme"})
		r.header = allowed
		return r
	}
	preflight := func(when, from string, h pairs) row {
		return row{
			says: flight, when: when, status: http.StatusNoContent, header: h,
			req: send(http.MethodOptions, target, "", "Origin: "+from, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"),
		}
	}
	asked := pairs{
		"Access-Control-Allow-Origin": appSite, "Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods": "*", "Access-Control-Allow-Headers": "*", "Vary": "*",
	}
	foreign := pairs{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": ""}
	// readable expects an error that pages may read, from the gate or from Caddy.
	readable := func(req gatetest.Request, status int, body string, s *seen) row {
		r := altertableFails(client, "a page may read the error", req, status, body)
		r.header = maps.Clone(allowed)
		r.header["Content-Type"], r.seen = "application/json", s
		return r
	}
	large := `{"environment":"production","x":"` + strings.Repeat("x", 1<<20) + `"}`
	subdomain := sends(client, "on a subdomain", "application/json")
	subdomain.req.Header.Set("Origin", "https://eu.shop.example")
	subdomain.header = pairs{"Access-Control-Allow-Origin": "https://eu.shop.example"}
	failed := sends(client, "an error of the backend", "application/json")
	failed.req.Header.Set(testStatus, "500")
	failed.status, failed.body = http.StatusInternalServerError, ""
	elsewhere := preflight("a path that does not exist", appSite, asked)
	elsewhere.req.Target = "/keys"
	other := preflight("a site that is not listed", "https://evil.example", foreign)
	return []row{
		sends(client, "on a listed site", "application/json"),
		subdomain,
		readable(post("/track", clicks, origin), http.StatusUnauthorized, altertableNoKey, nil),
		readable(post(target, `[{`, origin), http.StatusBadRequest, altertableError("Malformed JSON", "INVALID_REQUEST"), nil),
		readable(get(target, origin), http.StatusForbidden, altertableError("API key lacks the required scope", "FORBIDDEN"), nil),
		readable(post("/keys?apiKey="+altertableKey, clicks, origin), http.StatusNotFound, altertableError("Not found", "NOT_FOUND"), nil),
		readable(post("/keys", clicks, origin), http.StatusUnauthorized, altertableNoKey, nil),
		readable(post(target, large, origin), http.StatusRequestEntityTooLarge, altertableError("Request body too large", "INVALID_REQUEST"), nil),
		readable(post(target, clicks, origin, "Content-Type: image/png"), http.StatusUnsupportedMediaType, altertableError("Unsupported Content-Type; use application/json", "INVALID_REQUEST"), nil),
		readable(post(target, clicks, origin, testAbort+": yes"), http.StatusBadGateway, altertableError("Bad Gateway", "UNAVAILABLE"), &seen{uri: "/track", body: clicks}),
		failed,
		sends(arrays, "application/json", "application/json"),
		sends(fetches, "application/json", "application/json"),
		sends(beacons, "JSON blob", "application/json"),
		sends(beacons, "string", "text/plain;charset=UTF-8"),
		sends(beacons, "blob without a type", ""),
		sends(beacons, "bytes", "application/octet-stream"),
		preflight("a listed site", appSite, asked),
		elsewhere,
		other,
	}
}
