package examples_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// Keys and paths of the Eventicat example.
const (
	eventicatKey         = "EXAMPLE-eventicat-key"
	eventicatOther       = "EXAMPLE-eventicat-other-key"
	eventicatSlow        = "EXAMPLE-eventicat-slow-key"
	eventicatSecondSlow  = "EXAMPLE-eventicat-second-slow-key"
	eventicatRegenerated = "EXAMPLE-eventicat-regenerated-key"

	signups     = "/api/event?_id=agg_signups"
	signupEvent = `{"name":"user_signup"}`
)

// eventicatPasses expects that the backend sees the request with target as its URI.
func eventicatPasses(says, when string, req gatetest.Request, target string) row {
	return row{
		says: says, when: when, req: req, status: http.StatusOK, body: `{"status":"ok"}`,
		header: pairs{"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "*", "X-RateLimit-Reset": "*"},
		seen:   &seen{uri: target, body: req.Body},
	}
}

func eventicatFails(says, when string, req gatetest.Request, status int, body string) row {
	return row{
		says: says, when: when, req: req, status: status, body: body,
		header: pairs{"Content-Type": "application/json"},
	}
}

func TestEventicat(t *testing.T) {
	var rows []row
	rows = append(rows, eventicatMethods()...)
	rows = append(rows, eventicatUnauthorized()...)
	rows = append(rows, eventicatParameters()...)
	rows = append(rows, eventicatLimits()...)
	rows = append(rows, eventicatUncounted()...)
	run(t, "eventicat", nil, rows)
}

func eventicatMethods() []row {
	const (
		first    = "Method 1: URL Parameter — Pass your API key as a URL parameter using _apikey"
		second   = "Method 2: Bearer Token — Pass your API key in the Authorization header as a Bearer token"
		identity = "or doesn't belong to your account: the account and its aggregator"
	)
	inQuery := signups + "&_apikey=" + eventicatKey
	known := eventicatPasses(identity, "the assertion says so", get(inQuery), signups)
	known.seen.claims = claims{"sub": "acme", "key_id": "key_eventicat_acme", "res": map[string]any{"aggregator": "agg_signups"}}
	return []row{
		eventicatPasses(first, "GET as on the page", get(inQuery+"&name=user_signup"), signups+"&name=user_signup"),
		eventicatPasses(first, "first of the query", get("/api/event?_apikey="+eventicatKey+"&_id=agg_signups"), signups),
		eventicatPasses(first, "other parameters as they came", get(inQuery+"&name=a+b&tag=%C3%A9&tag=2"), signups+"&name=a+b&tag=%C3%A9&tag=2"),
		eventicatPasses(first, "POST", post(inQuery, signupEvent), signups),
		eventicatPasses(second, "POST as on the page", post(signups, signupEvent, bearer(eventicatKey)), signups),
		eventicatPasses(second, "POST as Python's requests sends it", post(signups, `{"name": "user_signup"}`, bearer(eventicatKey)), signups),
		eventicatPasses(second, "GET", get(signups+"&name=user_signup", bearer(eventicatKey)), signups+"&name=user_signup"),
		eventicatPasses(second, "the same key by both methods", get(inQuery, bearer(eventicatKey)), signups),
		known,
	}
}

func eventicatUnauthorized() []row {
	const (
		body    = `{"error":"Invalid API key"}`
		all     = "All API requests to Eventicat must be authenticated using your API key"
		says    = "401 Unauthorized: Your API key is invalid or missing"
		renewed = "Verify your API key is correct and hasn't been regenerated"
	)
	no := func(says, when string, req gatetest.Request) row {
		return eventicatFails(says, when, req, http.StatusUnauthorized, body)
	}
	return []row{
		no(all, "GET", get(signups+"&name=user_signup")),
		no(all, "POST", post(signups, signupEvent)),
		no(says, "missing", get(signups)),
		no(says, "empty parameter", get(signups+"&_apikey=")),
		no(says, "empty token", get(signups, "Authorization: Bearer")),
		no(says, "invalid parameter", get(signups+"&_apikey="+anyKey+"nobody")),
		no(says, "invalid token", post(signups, signupEvent, bearer(anyKey+"nobody"))),
		no(says, "in the body", post(signups, `{"name":"user_signup","_apikey":"`+eventicatKey+`"}`)),
		no(renewed, "parameter", get(signups+"&_apikey="+eventicatRegenerated)),
		no(renewed, "token", post(signups, signupEvent, bearer(eventicatRegenerated))),
	}
}

func eventicatParameters() []row {
	const (
		body     = `{"error":"Invalid aggregator"}`
		says     = "404 Not Found: The aggregator ID is invalid or doesn't belong to your account"
		required = "every request must include: _id - Your aggregator ID"
		missing  = `{"error":"Missing parameter: _id","code":"missing_parameter"}`
		shape    = "POST: object"
	)
	key := bearer(eventicatKey)
	absent := func(when string, req gatetest.Request) row {
		return eventicatFails(says, when, req, http.StatusNotFound, body)
	}
	lacks := func(when string, req gatetest.Request) row {
		return eventicatFails(required, when, req, http.StatusBadRequest, missing)
	}
	return []row{
		absent("invalid", get("/api/event?_id=nope", key)),
		absent("of another account", post("/api/event?_id=agg_other", signupEvent, key)),
		absent("mine, with the key of another account", get(signups+"&_apikey="+eventicatOther)),
		eventicatPasses(says, "another one of the account", get("/api/event?_id=agg_orders", key), "/api/event?_id=agg_orders"),
		eventicatPasses(says, "the other account's own", get("/api/event?_id=agg_other", bearer(eventicatOther)), "/api/event?_id=agg_other"),
		lacks("GET", get("/api/event?name=user_signup", key)),
		lacks("POST", post("/api/event", signupEvent, key)),
		lacks("empty", get("/api/event?_id=", key)),
		lacks("in the body", post("/api/event", `{"_id":"agg_signups"}`, key)),
		eventicatFails(shape, "array", post(signups, `[{"name":"a"}]`, key), http.StatusBadRequest, `{"error":"Body should be an object","code":"wrong_shape"}`),
		eventicatFails(shape, "malformed", post(signups, `{"name":`, key), http.StatusBadRequest, `{"error":"Malformed JSON","code":"malformed_body"}`),
		eventicatFails("endpoints", "no such", get("/api/aggregators", key), http.StatusNotFound, `{"error":"Not found"}`),
	}
}

// eventicatLimits are the rows about limits. The keys of the slow account may send
// two requests a day.
func eventicatLimits() []row {
	const (
		says    = "API requests are rate-limited per user account"
		headers = "Monitor rate limits - Check response headers to avoid hitting limits"
		body    = `{"error":"Rate limit exceeded","limit":2,"remaining":0,"resetTime":` + day + `}`
		slow    = "/api/event?_id=agg_slow"
	)
	left := func(r row, remaining string) row {
		r.header = pairs{"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": day}
		return r
	}
	over := func(when string, req gatetest.Request) row {
		r := left(eventicatFails("When you exceed the rate limit, you'll receive a 429 Too Many Requests response with details", when, req, http.StatusTooManyRequests, body), "0")
		r.header["Content-Type"], r.header["Retry-After"] = "application/json", "*"
		return r
	}
	failed := left(eventicatPasses(headers, "an error of the backend", post(slow, signupEvent, bearer(eventicatSecondSlow), testStatus+": 503"), slow), "0")
	failed.status, failed.body = http.StatusServiceUnavailable, ""
	gone := eventicatPasses(headers, "a backend that is gone", post(signups, signupEvent, bearer(eventicatKey), testAbort+": yes"), signups)
	gone.status, gone.body, gone.header["Content-Type"] = http.StatusBadGateway, `{"error":"Bad Gateway"}`, "application/json"
	return []row{
		left(eventicatPasses(says, "one key", get(slow+"&_apikey="+eventicatSlow), slow), "1"),
		failed,
		over("one key", get(slow, bearer(eventicatSlow))),
		over("the other key", post(slow, signupEvent, bearer(eventicatSecondSlow))),
		over("in the query", get(slow+"&_apikey="+eventicatSlow)),
		eventicatPasses(says, "another account", get(signups, bearer(eventicatKey)), signups),
		gone,
		eventicatPasses(headers, "POST", post(signups, strings.Repeat(" ", 10)+signupEvent, bearer(eventicatKey)), signups),
	}
}

// eventicatUncounted are answers to requests that are not counted. Without a good
// key they describe the limit of bad ones.
func eventicatUncounted() []row {
	const says = "X-RateLimit-Limit, -Remaining, -Reset (Unix seconds) on every response"
	key := bearer(eventicatKey)
	rows := []row{
		eventicatFails(says, "400", post(signups, `[]`, key), http.StatusBadRequest, `{"error":"Body should be an object","code":"wrong_shape"}`),
		eventicatFails(says, "401, no key", get(signups), http.StatusUnauthorized, `{"error":"Invalid API key"}`),
		eventicatFails(says, "401, unknown", get(signups+"&_apikey="+anyKey+"nobody"), http.StatusUnauthorized, `{"error":"Invalid API key"}`),
		eventicatFails(says, "401, regenerated", get(signups, bearer(eventicatRegenerated)), http.StatusUnauthorized, `{"error":"Invalid API key"}`),
		eventicatFails(says, "404", get("/api/event?_id=nope", key), http.StatusNotFound, `{"error":"Invalid aggregator"}`),
	}
	for i := range rows {
		rows[i].header = pairs{"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "*", "X-RateLimit-Reset": "*"}
	}
	return rows
}
