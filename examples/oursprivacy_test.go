package examples_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// Keys of the Ours Privacy example, and those that are as short and as long as a
// token may be.
const (
	oursKey     = "EXAMPLE-ours-live-key"
	oursSecond  = "EXAMPLE-ours-second-source-key"
	oursTest    = "EXAMPLE-ours-test-mode-key"
	oursRetired = "EXAMPLE-ours-retired-key"
	oursShort   = "E"
	oursTrack   = "/api/v1/track"
	oursBatch   = "/api/v1/batch"
)

var oursLong = anyKey + strings.Repeat("x", 250-len(anyKey))

func oursPasses(says, when string, req gatetest.Request, body string, c claims) row {
	return row{
		says: says, when: when, req: req, status: http.StatusOK, body: `{"success":true}`,
		header: pairs{"Content-Type": "application/json"}, seen: &seen{body: body, claims: c},
	}
}

func oursFails(says, when string, req gatetest.Request, status int) row {
	return row{
		says: says, when: when, req: req, status: status, body: `{"success":false}`,
		header: pairs{"Content-Type": "application/json"},
	}
}

// oursEvent is an event with a token, and what is left of it without one.
func oursEvent(token string) (with, without string) {
	return `{"event":"Purchase","userId":"user123","token":"` + token + `"}`, `{"event":"Purchase","userId":"user123"}`
}

func TestOursPrivacy(t *testing.T) {
	more := map[string]gatetest.Record{
		oursShort: {"key_id": "key_ours_short"},
		oursLong:  {"key_id": "key_ours_long"},
	}
	var rows []row
	rows = append(rows, oursAuthentication()...)
	rows = append(rows, oursVisitor()...)
	rows = append(rows, oursErrors()...)
	run(t, "ours-privacy", more, rows)
}

func oursAuthentication() []row {
	with, without := oursEvent(oursKey)
	short, _ := oursEvent(oursShort)
	long, _ := oursEvent(oursLong)
	test, _ := oursEvent(oursTest)
	second, _ := oursEvent(oursSecond)
	source := claims{"sub": "acme", "key_id": "key_ours_source_1", "mode": "live"}
	const (
		inBody   = "the key is sent as a token field in the request body — not in an Authorization header"
		testMode = "Send requests with the Test Mode key in place of your live key"
	)
	testRow := func(when string, req gatetest.Request, body string) row {
		r := oursPasses(testMode, when, req, body, claims{"sub": "acme", "key_id": "key_ours_test", "mode": "test"})
		r.seen.byTest = true
		return r
	}
	const rows = "one top-level token and events[] of rows like /track's"
	batch := func(token, events string) gatetest.Request {
		return post(oursBatch, `{"events":[`+events+`]`+token+`}`)
	}
	top := `,"token":"` + oursKey + `"`
	goes := func(when, value string) row {
		return oursPasses(rows, when, batch(top, `{"userId":"u1","token":`+value+`},{"userId":"u2"}`), `{"events":[{"userId":"u1"},{"userId":"u2"}]}`, source)
	}
	return []row{
		goes("the same token in a row", `"`+oursKey+`"`),
		goes("the token of another source in a row", `"`+oursSecond+`"`),
		goes("a retired one", `"`+oursRetired+`"`),
		goes("a device token", `"fcm-device-token"`),
		goes("no text", `{"type":"device"}`),
		goes("twice", `"a","Token":17`),
		oursPasses(rows, "no rows", batch(top, ""), `{"events":[]}`, source),
		oursFails(rows, "a token in the rows only", batch("", with), http.StatusUnauthorized),
		oursFails(rows, "a token in a row, and a retired one on top", batch(`,"token":"`+oursRetired+`"`, with), http.StatusUnauthorized),
		oursPasses("The Ours Privacy Ingest API authenticates each request with a source API key", "track", post(oursTrack, with), without, source),
		oursPasses("you'll also get example curl commands for the /track and /identify endpoints", "identify", post("/api/v1/identify", with), without, source),
		oursPasses(inBody, "as on the page", post(oursTrack, "{\n  \"event\": \"Purchase\",\n  \"userId\": \"user123\",\n  \"token\": \""+oursKey+"\"\n}"),
			"{\n  \"event\": \"Purchase\",\n  \"userId\": \"user123\"\n  \n}", source),
		oursPasses(inBody, "batch: one top-level token", post(oursBatch, `{"token":"`+oursKey+`","events":[{"event":"a","userId":"u1"},{"event":"b","email":"b@example.com"}]}`),
			`{"events":[{"event":"a","userId":"u1"},{"event":"b","email":"b@example.com"}]}`, source),
		oursPasses(inBody, "token of 1 character", post(oursTrack, short), without, claims{"key_id": "key_ours_short"}),
		oursPasses(inBody, "token of 250 characters", post(oursTrack, long), without, claims{"key_id": "key_ours_long"}),
		oursFails(inBody, "in an Authorization header", post(oursTrack, without, bearer(oursKey)), http.StatusUnauthorized),
		oursFails(inBody, "in the query", post(oursTrack+"?token="+oursKey, without), http.StatusUnauthorized),
		testRow("track", post(oursTrack, test), without),
		testRow("identify", post("/api/v1/identify", test), without),
		testRow("batch", post(oursBatch, `{"events":[{"email":"a@example.com"}],"token":"`+oursTest+`"}`), `{"events":[{"email":"a@example.com"}]}`),
		oursPasses("confirm events arrive under the new source", "the assertion names it", post(oursTrack, second), without,
			claims{"sub": "acme", "key_id": "key_ours_source_2", "mode": "live"}),
	}
}

// oursVisitor are the rows about the fields that must be there.
func oursVisitor() []row {
	const atLeastOne = "Include at least one of these identifiers in every request"
	const account = "Authentication associates a request with your account; you still need to tell the API which visitor an event belongs to"
	token := `"token":"` + oursKey + `"`
	batch := func(rows string) gatetest.Request { return post(oursBatch, `{`+token+`,"events":`+rows+`}`) }
	bad := func(when string, req gatetest.Request) row {
		return oursFails(atLeastOne, when, req, http.StatusBadRequest)
	}
	rows := []row{
		oursFails(account, "no identifier", post(oursTrack, `{"event":"Purchase",`+token+`}`), http.StatusBadRequest),
		oursFails(account, "no identifier for identify", post("/api/v1/identify", `{"userProperties":{"plan":"pro"},`+token+`}`), http.StatusBadRequest),
		bad("null", post(oursTrack, `{"event":"a","userId":null,`+token+`}`)),
		bad("empty", post(oursTrack, `{"event":"a","email":"",`+token+`}`)),
		bad("in another object", post(oursTrack, `{"event":"a","properties":{"userId":"u1"},`+token+`}`)),
		bad("in another case", post(oursTrack, `{"event":"a","userid":"u1",`+token+`}`)),
		bad("batch: a row without", batch(`[{"userId":"u1"},{"event":"b"}]`)),
		bad("batch: only beside the rows", post(oursBatch, `{`+token+`,"userId":"u1","events":[{"event":"a"}]}`)),
		bad("batch: empty in a row", batch(`[{"userId":""}]`)),
		bad("batch: no rows", post(oursBatch, `{`+token+`,"userId":"u1"}`)),
		bad("batch: a row that is no object", batch(`["u1"]`)),
		bad("batch: rows that are no array", batch(`{"userId":"u1"}`)),
	}
	for _, field := range []string{"userId", "externalId", "email"} {
		rest := `{"event":"a","` + field + `":"x"}`
		rows = append(rows,
			oursPasses(atLeastOne, field, post(oursTrack, strings.Replace(rest, "{", "{"+token+",", 1)), rest, nil),
			oursPasses(atLeastOne, "batch: "+field, batch("["+rest+"]"), `{"events":[`+rest+`]}`, nil))
	}
	return append(rows, oursPasses(atLeastOne, "all three", post(oursTrack, `{"userId":"u","externalId":"x","email":"e@example.com",`+token+`}`),
		`{"userId":"u","externalId":"x","email":"e@example.com"}`, nil))
}

func oursErrors() []row {
	const (
		unauthorized = "401 Unauthorized: Missing or invalid API key"
		badRequest   = "400 Bad Request: Missing required fields or malformed JSON"
		every        = `{"success":false} on every error`
	)
	with, without := oursEvent(oursKey)
	retired, _ := oursEvent(oursRetired)
	unknown, _ := oursEvent(anyKey + "nobody-has-this")
	tooLong, _ := oursEvent(oursLong + "x")
	token := `"token":"` + oursKey + `"`
	bad := func(when, body string) row {
		return oursFails(badRequest, when, post(oursTrack, body), http.StatusBadRequest)
	}
	no := func(when, body string) row {
		return oursFails(unauthorized, when, post(oursTrack, body), http.StatusUnauthorized)
	}
	aborted := oursFails(every, "the backend is gone", post(oursTrack, with, testAbort+": yes"), http.StatusBadGateway)
	aborted.seen = &seen{body: without}
	return []row{
		no("missing", without),
		no("missing, and no identifier", `{}`),
		no("no body", ""),
		oursFails(unauthorized, "an image has no token", post(oursTrack, with, "Content-Type: image/png"), http.StatusUnauthorized),
		no("empty", `{"userId":"u","token":""}`),
		no("null", `{"userId":"u","token":null}`),
		no("no string", `{"userId":"u","token":17}`),
		no("unknown", unknown),
		no("longer than 250 characters", tooLong),
		oursFails("Retire the old source … deactivate and delete", "retired", post(oursTrack, retired), http.StatusUnauthorized),
		oursFails(unauthorized, "batch: unknown", post(oursBatch, `{"token":"x","events":[{"userId":"u"}]}`), http.StatusUnauthorized),
		bad("cut off", `{"userId":"u",`+token),
		bad("no JSON", `userId=u&token=`+oursKey),
		bad("more than one value", `{"userId":"u",`+token+`}{}`),
		bad("array", `[{"userId":"u",`+token+`}]`),
		bad("two tokens", `{"userId":"u",`+token+`,"token":"x"}`),
		oursFails(every, "too large", post(oursTrack, `{"userId":"u",`+token+`,"x":"`+strings.Repeat("x", 1<<20)+`"}`), http.StatusRequestEntityTooLarge),
		oursFails(every, "no such endpoint", post("/api/v1/query", with), http.StatusNotFound),
		oursFails(every, "another method", send(http.MethodPut, oursTrack, with), http.StatusNotFound),
		oursFails(every, "another charset", post(oursTrack, with, "Content-Type: application/json; charset=utf-16"), http.StatusUnsupportedMediaType),
		aborted,
	}
}

// TestOursRecentEvents: "Events sent with the Test Mode key are processed and stored
// in Recent Events with a distinct Test tag".
func TestOursRecentEvents(t *testing.T) {
	ex := start(t, "ours-privacy", nil)
	recent := func() (events []map[string]any) {
		resp, err := http.Get("http://" + ex.Admin + "/ingest_auth/recent")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer struct {
			Events []map[string]any `json:"events"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Events == nil {
			t.Fatalf("status %d, %v: want a list of events", resp.StatusCode, err)
		}
		return answer.Events
	}
	if events := recent(); len(events) != 0 {
		t.Errorf("at first: %v", events)
	}
	live, _ := oursEvent(oursKey)
	ex.Do(t, post(oursTrack, live))
	ex.Do(t, post(oursBatch, `{"token":"`+oursTest+`","events":[{"userId":"u1","token":"`+oursSecond+`"}]}`))
	events := recent()
	if len(events) != 1 || events[0]["mode"] != "test" || events[0]["key_id"] != "key_ours_test" || events[0]["path"] != oursBatch ||
		events[0]["verdict"] != "allowed" || events[0]["body"] != `{"events":[{"userId":"u1"}]}` {
		t.Errorf("recent events: %v", events)
	}
}
