package examples_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// Tokens and paths of the Instasent example.
const (
	instasentToken    = "EXAMPLE-instasent-datasource-token"
	instasentProduct  = "EXAMPLE-instasent-product-token"
	instasentReadOnly = "EXAMPLE-instasent-read-only-token"
	instasentNoIngest = "EXAMPLE-instasent-no-ingest-token"
	instasentSlow     = "EXAMPLE-instasent-slow-token"
	instasentOther    = "EXAMPLE-instasent-other-slow-token" // of another project
	instasentNew      = "EXAMPLE-instasent-replacement-token"
	instasentRevoked  = "EXAMPLE-instasent-revoked-token"

	crmStream    = "/v1/project/shop/datasource/crm/stream"
	crmContacts  = crmStream + "/contacts"
	crmEvents    = crmStream + "/events"
	blogContacts = "/v1/project/blog/datasource/crm/stream/contacts"
	webContacts  = "/v1/project/shop/datasource/web/stream/contacts"
)

var instasentLimited = pairs{"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "*", "X-RateLimit-Reset": "*"}

func instasentReads(says, when string, req gatetest.Request, c claims) row {
	return row{
		says: says, when: when, req: req, status: http.StatusOK, body: `{"project":"shop","type":"API"}`,
		header: instasentLimited, seen: &seen{claims: c},
	}
}

func instasentWrites(says, when string, req gatetest.Request, c claims) row {
	return row{
		says: says, when: when, req: req, status: http.StatusAccepted, body: `{"items":[{"index":0,"status":"accepted"}]}`,
		header: instasentLimited, seen: &seen{body: req.Body, claims: c},
	}
}

func instasentFails(says, when string, req gatetest.Request, status int, message string) row {
	return row{
		says: says, when: when, req: req, status: status, body: `{"message":"` + message + `"}`,
		header: pairs{"Content-Type": "application/json"},
	}
}

func TestInstasent(t *testing.T) {
	var rows []row
	rows = append(rows, instasentTokens()...)
	rows = append(rows, instasentRefusals()...)
	rows = append(rows, instasentBodies()...)
	rows = append(rows, instasentLimits()...)
	rows = append(rows, instasentUncounted()...)
	run(t, "instasent", nil, rows)
}

func bound(project, datasource string) claims {
	return claims{"res": map[string]any{"project": project, "datasource": datasource}}
}

func instasentTokens() []row {
	const (
		each       = "Every request to the Ingest API carries a bearer token in the Authorization header"
		datasource = "Datasource token — … Can only read and write that datasource"
		product    = "Product API token — a broader token that also works here as long as it carries the Ingest scopes"
		widen      = "Scope defaults to the datasource that minted the token; there is no way to widen it at request time"
		items      = `[{"email":"a@example.com"}]`
	)
	crm := claims{"sub": "acme", "key_id": "key_instasent_crm", "res": map[string]any{"project": "shop", "datasource": "crm"}}
	mismatch := func(says, when string, req gatetest.Request) row {
		return instasentFails(says, when, req, http.StatusNotFound, "Invalid datasource")
	}
	noScope := func(when string, req gatetest.Request) row {
		return instasentFails(product, when, req, http.StatusForbidden, "API key lacks the required scope")
	}
	return []row{
		instasentReads(each, "the curl command of the page", get(crmStream, bearer(instasentToken)), crm),
		instasentReads(datasource, "reads", get(crmStream, bearer(instasentToken)), crm),
		instasentWrites(datasource, "writes contacts", post(crmContacts, items, bearer(instasentToken)), crm),
		instasentWrites(datasource, "writes events", post(crmEvents, items, bearer(instasentToken)), crm),
		mismatch(datasource, "reads another", get("/v1/project/shop/datasource/web/stream", bearer(instasentToken))),
		mismatch(datasource, "writes another", post(webContacts, items, bearer(instasentToken))),
		instasentReads(product, "reads one", get(crmStream, bearer(instasentProduct)), bound("shop", "crm")),
		instasentWrites(product, "writes another", post(webContacts, items, bearer(instasentProduct)), bound("shop", "web")),
		instasentReads(product, "reads with the scope to read", get(crmStream, bearer(instasentReadOnly)), bound("shop", "crm")),
		noScope("writes with the scope to read", post(crmContacts, items, bearer(instasentReadOnly))),
		noScope("reads without a scope", get(crmStream, bearer(instasentNoIngest))),
		noScope("writes without a scope", post(crmEvents, items, bearer(instasentNoIngest))),
		mismatch(widen, "in the path", post(webContacts, items, bearer(instasentToken))),
		instasentReads(widen, "in the query", get(crmStream+"?datasource=web&project=other", bearer(instasentToken)), crm),
		instasentWrites(widen, "in the body", post(crmContacts, `[{"datasource":"web"}]`, bearer(instasentToken)), crm),
		instasentReads(widen, "in a header", get(crmStream, bearer(instasentToken), "X-Original-URL: /v1/project/shop/datasource/web/stream"), crm),
		instasentReads("Issue the replacement … before revoking the old one", "the new one", get(crmStream, bearer(instasentNew)), bound("shop", "crm")),
		instasentReads("Tokens do not expire", "issued in 2020", get(crmStream, bearer(instasentToken)), crm),
	}
}

func instasentRefusals() []row {
	const (
		unauthorized = "A missing, malformed or revoked token returns 401 Unauthorized"
		notFound     = "Mismatched project/datasource ids return 404 Not Found"
		once         = "Any request still using it will fail with 401"
		items        = `[{"email":"a@example.com"}]`
	)
	no := func(when, message string, headers ...string) row {
		return instasentFails(unauthorized, when, get(crmStream, headers...), http.StatusUnauthorized, message)
	}
	absent := func(when, message string, req gatetest.Request) row {
		return instasentFails(notFound, when, req, http.StatusNotFound, message)
	}
	return []row{
		no("missing", "Missing API key"),
		no("malformed: no token", "Invalid API key", "Authorization: Bearer"),
		no("malformed: another scheme", "Missing API key", "Authorization: Token "+instasentToken),
		no("malformed: no scheme", "Missing API key", "Authorization: "+instasentToken),
		no("malformed: two words", "Invalid API key", bearer(instasentToken+" more")),
		no("unknown", "Invalid API key", bearer(anyKey+"nobody-has-this")),
		no("revoked", "Invalid API key", bearer(instasentRevoked)),
		no("in another header", "Missing API key", "X-API-Key: "+instasentToken),
		instasentFails(unauthorized, "in the query", get(crmStream+"?token="+instasentToken), http.StatusUnauthorized, "Missing API key"),
		instasentFails(once, "contacts", post(crmContacts, items, bearer(instasentRevoked)), http.StatusUnauthorized, "Invalid API key"),
		instasentFails(once, "events", post(crmEvents, items, bearer(instasentRevoked)), http.StatusUnauthorized, "Invalid API key"),
		absent("datasource", "Invalid datasource", get("/v1/project/shop/datasource/nope/stream", bearer(instasentToken))),
		absent("project of another account", "Invalid project", get(crmStream, bearer(instasentOther))),
		absent("project", "Invalid project", get("/v1/project/other/datasource/crm/stream", bearer(instasentToken))),
		absent("both", "Invalid project", get("/v1/project/other/datasource/nope/stream", bearer(instasentToken))),
		absent("project of a product token", "Invalid project", post("/v1/project/other/datasource/crm/stream/events", items, bearer(instasentProduct))),
		absent("no such endpoint", "Not found", get("/v1/project/shop/datasource/crm", bearer(instasentToken))),
		absent("another method", "Not found", send(http.MethodDelete, crmStream, "", bearer(instasentToken))),
	}
}

func instasentBodies() []row {
	const (
		arrays  = "array of 1–100 items, always"
		outcome = "202 with per-item outcomes, from the backend, passed through untouched"
		refused = "Body should be an array"
	)
	count := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`{"n":1},`, n), ",") + "]" }
	bad := func(when, body, message string) row {
		return instasentFails(arrays, when, post(crmContacts, body, bearer(instasentToken)), http.StatusBadRequest, message)
	}
	return []row{
		bad("object", `{"email":"a@example.com"}`, refused),
		bad("string", `"a"`, refused),
		bad("nothing", "", refused),
		bad("malformed", `[{"email":`, "Malformed JSON"),
		bad("101 items", count(101), "Request body has too many items"),
		bad("no items", `[]`, "Request body has too few items"),
		instasentWrites(arrays, "1 item", post(crmContacts, count(1), bearer(instasentToken)), nil),
		instasentWrites(arrays, "100 items", post(crmEvents, count(100), bearer(instasentToken)), nil),
		instasentWrites(outcome, "contacts", post(crmContacts, "[ {\"n\" : 1.50} ]\n", bearer(instasentToken)), nil),
	}
}

// instasentLimits are the rows about limits. The slow token may send two requests
// a day to an endpoint of a datasource.
func instasentLimits() []row {
	const (
		every   = "X-RateLimit-Limit, -Remaining, -Reset (Unix seconds) on every response"
		per     = "limits are per datasource and endpoint; a batch counts once"
		limited = "429: empty body"
	)
	slow := bearer(instasentSlow)
	batch := "[" + strings.TrimSuffix(strings.Repeat(`{"n":1},`, 100), ",") + "]"
	left := func(remaining string) pairs {
		return pairs{"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": day}
	}
	with := func(r row, remaining string) row { r.header = left(remaining); return r }
	over := row{says: limited, when: "contacts", req: post(crmContacts, `[{}]`, slow), status: http.StatusTooManyRequests, header: left("0")}
	over.header["Content-Type"], over.header["Retry-After"] = "", "*"
	failed := row{
		says: every, when: "an error of the backend", req: post(crmEvents, `[{}]`, slow, testStatus+": 500"),
		status: http.StatusInternalServerError, header: left("0"), seen: &seen{body: `[{}]`},
	}
	gone := row{
		says: every, when: "a backend that is gone", req: post(webContacts, `[{}]`, slow, testAbort+": yes"), status: http.StatusBadGateway,
		body: `{"message":"Bad Gateway"}`, header: left("0"), seen: &seen{body: `[{}]`},
	}
	gone.header["Content-Type"] = "application/json"
	return []row{
		with(instasentWrites(per, "a batch counts once", post(crmContacts, batch, slow), nil), "1"),
		with(instasentWrites(per, "the second", post(crmContacts, batch, slow), nil), "0"),
		over,
		with(instasentWrites(per, "another endpoint", post(crmEvents, batch, slow), nil), "1"),
		with(instasentWrites(per, "another datasource", post(webContacts, batch, slow), nil), "1"),
		with(instasentReads(per, "reading", get(crmStream, slow), nil), "1"),
		with(instasentWrites(per, "a datasource of that name in another project", post(blogContacts, batch, bearer(instasentOther)), bound("blog", "crm")), "1"),
		with(instasentReads(every, "reading", get(crmStream, slow), nil), "0"),
		failed,
		gone,
	}
}

// instasentUncounted are answers to requests that are not counted. Without a good
// token they describe the limit of bad ones. Here the gate does not keep to the
// page: a request for somebody else's datasource does not show the state of its limits.
func instasentUncounted() []row {
	const says = "X-RateLimit-Limit, -Remaining, -Reset (Unix seconds) on every response"
	token := bearer(instasentToken)
	rows := []row{
		instasentFails(says, "400", post(crmContacts, `{}`, token), http.StatusBadRequest, "Body should be an array"),
		instasentFails(says, "401, no token", get(crmStream), http.StatusUnauthorized, "Missing API key"),
		instasentFails(says, "401, unknown", get(crmStream, bearer(anyKey+"nobody")), http.StatusUnauthorized, "Invalid API key"),
		instasentFails(says, "401, revoked", get(crmStream, bearer(instasentRevoked)), http.StatusUnauthorized, "Invalid API key"),
		instasentFails(says, "403", get(crmStream, bearer(instasentNoIngest)), http.StatusForbidden, "API key lacks the required scope"),
		instasentFails(says, "404", post(webContacts, `[{}]`, token), http.StatusNotFound, "Invalid datasource"),
		instasentFails(says, "404, somebody else's", post(crmContacts, `[{}]`, bearer(instasentOther)), http.StatusNotFound, "Invalid project"),
	}
	for i := range rows {
		rows[i].header = instasentLimited
		if rows[i].status == http.StatusNotFound {
			rows[i].header = pairs{"X-RateLimit-Limit": "", "X-RateLimit-Remaining": "", "X-RateLimit-Reset": ""}
		}
	}
	return rows
}

// TestInstasentTellsNothingOfOthers: whatever the owner of a datasource has used up,
// somebody else's 404 for it is the same to the byte.
func TestInstasentTellsNothingOfOthers(t *testing.T) {
	ex := start(t, "instasent", nil)
	ask := func() string {
		var all strings.Builder
		for _, req := range []gatetest.Request{
			post(crmContacts, `[{}]`, bearer(instasentOther)), post(webContacts, `[{}]`, bearer(instasentToken)), get(crmStream, bearer(instasentOther)),
		} {
			resp := ex.Do(t, req)
			resp.Header.Del("Date")
			fmt.Fprintf(&all, "%d\n%v\n%s\n", resp.Status, resp.Header, resp.Body)
		}
		return all.String()
	}
	before := ask()
	for i := range 3 {
		for _, target := range []string{crmContacts, webContacts} {
			ex.Do(t, post(target, `[{}]`, bearer(instasentSlow)))
		}
		if now := ask(); now != before {
			t.Errorf("after %d requests of the owner:\n%sbefore:\n%s", i+1, now, before)
		}
	}
}
