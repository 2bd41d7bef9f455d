package caddymodule_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// answer is what a client gets. An empty text is the backend's answer.
type answer struct {
	status int
	text   string
}

// checkAnswers sends requests, named by what they are, and checks what comes of
// them and whether the backend saw them.
func checkAnswers(t *testing.T, g *gatetest.Gate, up *gatetest.Upstream, requests map[string]gatetest.Request, want map[string]answer) {
	t.Helper()
	for name, req := range requests {
		resp := g.Do(t, req)
		w := want[name]
		if resp.Status != w.status || !strings.Contains(resp.Body, w.text) {
			t.Errorf("%s: %d %s, want %d %s", name, resp.Status, resp.Body, w.status, w.text)
		}
		if seen := len(up.Take()); seen != 1 && w.status == http.StatusOK || seen != 0 && w.status != http.StatusOK {
			t.Errorf("%s: the backend saw %d requests", name, seen)
		}
	}
}

func TestScopesByMethod(t *testing.T) {
	records := map[string]gatetest.Record{
		keyA: {"scopes": []string{"stream:read"}},
		keyB: {"scopes": []string{"stream:write"}},
		keyC: {"scopes": []string{"stream:read", "stream:write", "admin"}},
	}
	g, up := start(t, "scope GET stream:read\nscope POST stream:write {\nmessage \"No such stream\"\nstatus 404\n}", records)
	request := func(method, key string, header ...string) gatetest.Request {
		req := gatetest.Request{Method: method, Target: "/", Header: http.Header{"X-Api-Key": {key}}}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		return req
	}
	checkAnswers(t, g, up, map[string]gatetest.Request{
		"read with read":     request("GET", keyA),
		"head with read":     request("HEAD", keyA),
		"write with read":    request("POST", keyA),
		"read with write":    request("GET", keyB),
		"write with write":   request("POST", keyB),
		"method without one": request("DELETE", keyC),
		"other method":       request("QUERY", keyC),
		"both":               request("POST", keyC),
	}, map[string]answer{
		"read with read":     {200, ""},
		"head with read":     {200, ""},
		"write with read":    {404, `{"error":"No such stream","code":"insufficient_scope"}`},
		"read with write":    {403, `"insufficient_scope"`},
		"write with write":   {200, ""},
		"method without one": {403, `"insufficient_scope"`},
		"other method":       {403, `"insufficient_scope"`},
		"both":               {200, ""},
	})

	// A backend must not be talked into another method than the one that was checked.
	for _, name := range []string{"X-HTTP-Method-Override", "x-http-method", "X-Method-Override"} {
		wantStatus(t, g, request("POST", keyB, name, "GET"), 200)
		if seen := up.One(t); seen.Header.Get(name) != "" {
			t.Errorf("the backend saw %s", name)
		}
	}
}

// TestPathOverrides: where a resource is in the path, no header may name another path.
func TestPathOverrides(t *testing.T) {
	headers := http.Header{"X-Api-Key": {keyA}}
	for _, name := range []string{"X-Original-URL", "X-Rewrite-URL", "X-Vhm-Root", "X-Script-Name", "X-Forwarded-Prefix"} {
		headers.Set(name, "/v1/q/t")
	}
	for resource, want := range map[string]int{"path /v1/{project}/*": 1, "query project": 5} { // a prefix changes nothing
		g, up := start(t, "resource project "+resource, map[string]gatetest.Record{keyA: {"resources": map[string][]string{"project": {"p"}}}})
		wantStatus(t, g, gatetest.Request{Target: "/v1/p/t?project=p", Header: headers}, 200)
		if got := strings.Count(up.One(t).String(), "/v1/q/t"); got != want {
			t.Errorf("%s: the backend saw %d of the headers, want %d", resource, got, want)
		}
	}
}

func TestResourceDenials(t *testing.T) {
	records := map[string]gatetest.Record{keyA: {"resources": map[string][]string{"project": {"p"}, "aggregator": {"a", "b"}, "environment": {"x", "y"}}}}
	g, up := start(t, `
		resource project path /v1/{project}/* {
			status 403
			message "Not your project"
		}
		resource aggregator query _id {
			optional
			message "Invalid aggregator"
		}
		resource environment body environment {
			optional
			status 400
		}`, records)
	requests := map[string]gatetest.Request{
		"all":                               postJSON("/v1/p/t?_id=a", keyA, `{"environment":"x"}`),
		"none that may lack":                postJSON("/v1/p/t", keyA, `{}`),
		"no body":                           get("/v1/p/t", keyA),
		"one row without":                   postJSON("/v1/p/t", keyA, `[{"environment":"x"},{"environment":null},{"environment":"y"}]`),
		"other project":                     postJSON("/v1/q/t?_id=a", keyA, `{}`),
		"no project":                        postJSON("/", keyA, `{}`),
		"other aggregator":                  postJSON("/v1/p/t?_id=z", keyA, `{}`),
		"two aggregators":                   postJSON("/v1/p/t?_id=a&_id=b", keyA, `{}`),
		"other environment":                 postJSON("/v1/p/t", keyA, `{"environment":"z"}`),
		"row with other":                    postJSON("/v1/p/t", keyA, `[{"environment":"x"},{"environment":"z"}]`),
		"environment in array":              postJSON("/v1/p/t", keyA, `{"environment":["z"]}`),
		"environment is true":               postJSON("/v1/p/t", keyA, `{"environment":true}`),
		"environment twice":                 postJSON("/v1/p/t", keyA, `{"environment":"x","environment":"z"}`),
		"environment in another case":       postJSON("/v1/p/t", keyA, `[{"environment":"x"},{"a":1,"Environment":"z"}]`),
		"environment in a row is an object": postJSON("/v1/p/t", keyA, `[{"environment":"x"},{"environment":{}}]`),
	}
	checkAnswers(t, g, up, requests, map[string]answer{
		"all":                               {200, ""},
		"none that may lack":                {200, ""},
		"no body":                           {200, ""},
		"one row without":                   {200, ""},
		"other project":                     {403, `{"error":"Not your project","code":"resource_mismatch"}`},
		"no project":                        {403, "Not your project"},
		"other aggregator":                  {404, `"Invalid aggregator"`},
		"two aggregators":                   {400, "malformed_query"},
		"other environment":                 {400, `{"error":"Invalid environment","code":"resource_mismatch"}`},
		"row with other":                    {400, "Invalid environment"},
		"environment in array":              {400, "Missing environment"},
		"environment is true":               {400, "Missing environment"},
		"environment twice":                 {400, "duplicate_field"},
		"environment in another case":       {400, `{"error":"Field must be spelled exactly: environment","code":"malformed_body"}`},
		"environment in a row is an object": {400, "Missing environment"},
	})
}

// TestChecksCannotBeEvadedByType: a backend may read a body that the gate does not,
// and take another resource or more items from it.
func TestChecksCannotBeEvadedByType(t *testing.T) {
	records := map[string]gatetest.Record{keyA: {"resources": map[string][]string{"project": {"p1"}}}}
	typed := func(contentType, body string) gatetest.Request {
		return gatetest.Request{Target: "/", Body: body, Header: http.Header{"X-Api-Key": {keyA}, "Content-Type": {contentType}}}
	}
	for _, settings := range []string{"resource project body project {\noptional\n}", "max_items 3", "limit 10/1m by key cost body_items"} {
		g, up := start(t, settings, records)
		wantStatus(t, g, postJSON("/", keyA, `{"project":"p1"}`), 200)
		wantStatus(t, g, typed("application/x-www-form-urlencoded", " \r\n"), 200)
		up.Take()
		for contentType, body := range map[string]string{
			"image/gif": `{"project":"p2"}`, "multipart/form-data": `{"project":"p2"}`, "application/x-www-form-urlencoded": `data=[1,2,3,4]&project=p2`,
			"text/plain": "\f[1,2,3,4]", "application/octet-stream": "\x00[1,2,3,4]", "application/xml": "<project>p2</project>",
		} {
			want := http.StatusUnsupportedMediaType
			if strings.ContainsAny(body, "\f\x00") { // some readers skip it
				want = http.StatusBadRequest
			}
			if resp := g.Do(t, typed(contentType, body)); resp.Status != want || len(up.Take()) > 0 {
				t.Errorf("%s: %s: %d %s", settings, contentType, resp.Status, resp.Body)
			}
		}
	}
	g, up := start(t, "resource project body project {\noptional\n}", records)
	wantStatus(t, g, typed("application/json", `[[{"project":"p2"}]]`), 400)
	wantStatus(t, g, typed("application/x-ndjson", `[{"project":"p2"}]`), 404) // a line that is an array is rows
	if n := len(up.Take()); n > 0 {
		t.Errorf("backend saw %d requests", n)
	}
}

// TestScopeWhateverTheCaseOfTheMethod: some frameworks do not mind it.
func TestScopeWhateverTheCaseOfTheMethod(t *testing.T) {
	g, up := start(t, "scope events:write\nscope DELETE events:delete", map[string]gatetest.Record{keyA: {"scopes": []string{"events:write"}}})
	for _, method := range []string{"DELETE", "delete", "Delete"} {
		resp := g.Raw(t, method, raw(method+" /", withKey))
		if resp.StatusCode != http.StatusForbidden || len(up.Take()) > 0 {
			t.Errorf("%s: %d", method, resp.StatusCode)
		}
	}
}

func TestQueryWithASpace(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {}})
	if status, err := g.HTTP2Path(t, "/x?a=1 HTTP/1.1", keyA); err == nil && status != http.StatusBadRequest || len(up.Take()) > 0 {
		t.Errorf("status %d, %v", status, err)
	}
}

func TestRequireQuery(t *testing.T) {
	g, up := start(t, "credential query k\nrequire_query name _id", map[string]gatetest.Record{keyA: {}})
	request := func(query string) gatetest.Request {
		return gatetest.Request{Target: "/e?" + query + "&k=" + keyA}
	}
	missing, ambiguous := answer{400, `{"error":"Missing parameter: name","code":"missing_parameter"}`}, answer{400, "malformed_query"}
	checkAnswers(t, g, up, map[string]gatetest.Request{
		"both": request("_id=1&name=user+signed%0aup"), "several": request("_id=1&name=a&name=b"), "zero": request("_id=0&name=0"),
		"empty": request("_id=1&name="), "white space": request("_id=1&name=+%09"), "missing": request("name=n"), "one of them empty": request("_id=1&name=n&name="),
		"other case": request("Name=n&_id=1"), "leading ?": request("?name=n&_id=1"), "behind a ;": request("_id=1;name=n"), "array": request("_id=1&name[]=n"),
	}, map[string]answer{
		"both": {200, ""}, "several": {200, ""}, "zero": {200, ""},
		"empty": missing, "white space": missing, "missing": {400, "Missing parameter: _id"}, "one of them empty": missing,
		"other case": ambiguous, "leading ?": ambiguous, "behind a ;": ambiguous, "array": ambiguous,
	})
}
