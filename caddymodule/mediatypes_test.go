package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// typedBody is a body with a second key in it, sent with a Content-Type.
type typedBody struct{ Type, Body string }

// formTypes are ways to say, or not to say, that a body is a form.
var formTypes = []string{
	"application/x-www-form-urlencoded", "APPLICATION/X-WWW-Form-UrlEncoded", "application/x-www-form-urlencoded;", "application/x-www-form-urlencoded; charset=utf-8",
	"application/x-www-form-urlencoded, x", "application/x-www-form-urlencoded,x", "application/x-www-form-urlencoded x", "application/x-www-form-urlencoded,charset=utf-8",
	"application/x-www-form-urlencoded , application/json", "application/x-www-form-urlencoded;application/json", "application/x-www-form-urlencoded; x=application/x-ndjson",
	"application/x-www-form-urlencoded\tx", "text/plain, application/x-www-form-urlencoded", "image/png; x=application/x-www-form-urlencoded", "image/png;application/x-www-form-urlencoded",
	"application/json, application/x-www-form-urlencoded", "application/x-ndjson; application/x-www-form-urlencoded", `"application/x-www-form-urlencoded"`, "application/x-url-encoded",
	"text/plain", "image/png", "application/octet-stream", "", ",", ";", "x",
}

// formReaders read typedBodies from standard input and answer, for each, whether
// they take it for a form with a field "key".
var formReaders = map[string][]string{
	"Python": {"/usr/bin/python3", "-W", "ignore", "-c", `
import cgi, io, json, sys
out = []
for b in json.load(sys.stdin):
    body = b['Body'].encode()
    env = {'REQUEST_METHOD': 'POST', 'CONTENT_LENGTH': str(len(body))}
    if b['Type']: env['CONTENT_TYPE'] = b['Type']
    try: out.append(cgi.FieldStorage(io.BytesIO(body), environ=env, headers=None).getvalue('key') is not None)
    except Exception: out.append(False)
print(json.dumps(out))`},
	"Rack": {"ruby", "-rrack", "-rjson", "-rstringio", "-e", `
puts(JSON.parse(STDIN.read).map { |b|
	env = {'REQUEST_METHOD' => 'POST', 'rack.input' => StringIO.new(b['Body'])}
	env['CONTENT_TYPE'] = b['Type'] unless b['Type'].empty?
	begin Rack::Request.new(env).POST.key?('key') rescue false end
}.to_json)`},
}

// readsForm asks a reader.
func readsForm(t *testing.T, reader string, bodies []typedBody) (read []bool) {
	t.Helper()
	if reader == "PHP" {
		php := gatetest.Gate{Addr: phpServer(t)}
		for _, b := range bodies {
			read = append(read, php.Do(t, gatetest.Request{Target: "/", Body: b.Body, Header: header(b.Type)}).Body == "form")
		}
		return read
	}
	in, _ := json.Marshal(bodies)
	command := formReaders[reader]
	cmd := exec.Command(command[0], command[1:]...)
	var said strings.Builder
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &said
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound), strings.Contains(said.String(), "cannot load such file"), strings.Contains(said.String(), "No module named"):
		t.Skipf("%s is not there", reader)
	case err != nil:
		t.Fatal(err, said.String())
	}
	if err := json.Unmarshal(out, &read); err != nil || len(read) != len(bodies) {
		t.Fatalf("%s says %s", reader, out)
	}
	return read
}

// phpServer runs PHP's own server with a page that says "form" if there is one.
func phpServer(t *testing.T) (addr string) {
	t.Helper()
	if _, err := exec.LookPath("php"); err != nil {
		t.Skip("needs php")
	}
	addr = freeport.Addr(t)
	page := filepath.Join(t.TempDir(), "page.php")
	if err := os.WriteFile(page, []byte(`<?php echo isset($_POST["key"]) ? "form" : "none";`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("php", "-S", addr, page)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	await.That(t, "PHP to listen", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return addr
}

// TestFormsAsBackendsReadThem: whatever a real reader takes for a form, by its type,
// is one to the gate, or is refused. A second key in it is found.
func TestFormsAsBackendsReadThem(t *testing.T) {
	g, up := start(t, "credential header X-API-Key\ncredential body token\ncredential form key", map[string]gatetest.Record{keyA: {}, keyB: {}})
	var bodies []typedBody
	for _, contentType := range formTypes {
		bodies = append(bodies,
			typedBody{contentType, "a=1&key=" + keyB},
			typedBody{contentType, `{"a":"&key=` + keyB + `&"}`}, // JSON to others
			typedBody{contentType, `["&key=` + keyB + `"]`})
	}
	for _, reader := range []string{"PHP", "Python", "Rack"} {
		t.Run(reader, func(t *testing.T) {
			forms := 0
			for i, read := range readsForm(t, reader, bodies) {
				if !read {
					continue
				}
				forms++
				b := bodies[i]
				resp := g.Do(t, gatetest.Request{Target: "/", Body: b.Body, Header: typed(b.Type)})
				if seen := up.Take(); resp.Status != http.StatusBadRequest || len(seen) > 0 {
					t.Errorf("%q with %s: status %d, %d requests got through", b.Type, b.Body, resp.Status, len(seen))
				}
			}
			if forms < 5 {
				t.Errorf("%d forms: the reader is not what it was", forms)
			}
		})
	}
}

// typed is a header with a key and a Content-Type, if there is one.
func typed(contentType string) http.Header {
	h := header(contentType)
	h.Set("X-Api-Key", keyA)
	return h
}

// TestTypesInWhichBackendsSearch: many a backend takes for JSON what has the word
// anywhere in its type, and does not end the type where the standard does.
func TestTypesInWhichBackendsSearch(t *testing.T) {
	g, up := start(t, "credential header X-API-Key\ncredential body token", map[string]gatetest.Record{keyA: {}, keyB: {}})
	for _, contentType := range []string{
		"image/png; x=application/json", "image/png;application/json", "image/png, application/json", "image/png application/json", "image/png\tjson", "application/JSON, x",
		"application/json x", "application/json,charset=utf-8", "x-json", "multipart/form-data; boundary=json", "application/vnd.json-x", "application/octet-stream, x", "image/png, x", "text/plain,x",
		"application/x-www-form-urlencoded, x", "application/vnd.api+json, x",
	} {
		resp := g.Do(t, gatetest.Request{Target: "/", Body: `{"token":"` + keyB + `"}`, Header: typed(contentType)})
		if seen := up.Take(); resp.Status != http.StatusBadRequest || !strings.Contains(resp.Body, "conflicting") || len(seen) > 0 {
			t.Errorf("%q: status %d %s, %d requests got through", contentType, resp.Status, resp.Body, len(seen))
		}
		good := gatetest.Request{Target: "/", Body: `{"token":"` + keyA + `","a":1}`, Header: typed(contentType)}
		if wantStatus(t, g, good, 200); up.One(t).Body != `{"a":1}` {
			t.Errorf("%q: the key is left in the body", contentType)
		}
	}
}

// TestTypesOfTwoKinds: where one backend would read one thing and another another,
// the answer is 400, or 415 for a charset.
func TestTypesOfTwoKinds(t *testing.T) {
	g, up := start(t, allStyles, map[string]gatetest.Record{keyA: {}})
	for contentType, want := range map[string]int{
		"application/json, application/x-www-form-urlencoded":    400,
		"application/x-www-form-urlencoded, application/json":    200, // what is not JSON is a form to all
		"application/vnd.api+json; x=urlencoded":                 400,
		"application/x-ndjson; x=urlencoded":                     400,
		"application/json, application/x-ndjson":                 400,
		"application/json; profile=\"x/json-seq\"":               400,
		"application/json; charset=utf-16":                       415,
		"application/json,charset=utf-16":                        415,
		"text/plain;charset=utf-7, x":                            415,
		"application/json; charset=utf-8; charset=utf-16":        415,
		"application/json; charset=\"UTF-8\"":                    200,
		"application/json; profile=\"https://json-schema.org/\"": 200,
		"application/json, application/json":                     200,
		"application/x-ndjson, application/json":                 200,
	} {
		body := `{"a":1}`
		if strings.HasPrefix(contentType, "application/x-www") {
			body = "a=1"
		}
		wantStatus(t, g, gatetest.Request{Target: "/", Body: body, Header: typed(contentType)}, want)
		up.Take()
	}
}

// lineTypes are types of bodies of many JSON texts.
var lineTypes = []string{
	"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/vnd.elasticsearch+x-ndjson; compatible-with=8",
	"application/vnd.elasticsearch+x-ndjson", "application/stream+json", "text/x-ndjson", "text/ndjson", "application/x-json-stream", "application/json-lines", "application/jsonlines",
	"application/json-seq", "application/geo+json-seq", "Application/X-NDJSON; charset=utf-8", "application/x-ndjson, x", "application/x-ndjson x", "application/x-ldjson", "application/vnd.a.ndjson",
}

// TestLineTypes takes every type for NDJSON that is one, and an array on a line for
// the rows it is to a backend that does not care for the type.
func TestLineTypes(t *testing.T) {
	g, up := start(t, "max_items 400\ncredential header X-API-Key\ncredential body token", map[string]gatetest.Record{keyA: {}, keyB: {}})
	rows := func(n int, key string) string {
		return "[" + strings.Repeat(`{"a":1},`, n-1) + `{"token":"` + key + `","a":2}]`
	}
	for _, contentType := range lineTypes {
		for _, tc := range []struct {
			name, body string
			status     int
			seen       string // by the backend
		}{
			{"lines", `{"token":"` + keyA + `","a":1}` + "\n" + `{"a":2}`, 200, `{"a":1}` + "\n" + `{"a":2}`},
			{"another key in a later line", `{"a":1}` + "\n" + `{"token":"` + keyB + `"}`, 400, ""},
			{"an array on a line", rows(400, keyA), 200, strings.Replace(rows(400, ""), `"token":"",`, "", 1)},
			{"another key in an array on a line", rows(2, keyB), 400, ""},
			{"an array on a line with too many rows", rows(401, keyA), 400, ""},
			{"rows of several lines, too many together", rows(200, keyA) + "\n" + rows(201, keyA), 400, ""},
			{"a sequence", "\x1e{\"token\":\"" + keyA + "\",\n\"a\":1}\n\x1e[{\"a\":2}]\n", 200, "\x1e{\n\"a\":1}\n\x1e[{\"a\":2}]\n"},
			{"a sequence with another key", "\x1e{}\n\x1e[{\"token\":\"" + keyB + "\"}]\n", 400, ""},
			{"texts over several lines", "{\"a\":1,\n\"token\":\"" + keyB + "\"}\n", 400, ""},
			{"texts on one line", `{"a":1}{"token":"` + keyB + `"}`, 400, ""},
		} {
			resp := g.Do(t, gatetest.Request{Target: "/", Body: tc.body, Header: typed(contentType)})
			seen := up.Take()
			if resp.Status != tc.status || len(seen) > 0 != (tc.status == 200) || len(seen) > 0 && seen[0].Body != tc.seen {
				t.Errorf("%s, %s: status %d %s, backend saw %.300v", contentType, tc.name, resp.Status, resp.Body, seen)
			}
		}
	}
}

// TestRowsOfLines: what rows must have and may name is asked of every row of an
// array on a line, and each counts.
func TestRowsOfLines(t *testing.T) {
	records := map[string]gatetest.Record{keyA: {"resources": map[string]any{"project": []string{"mine"}}}}
	g, up := start(t, "credential header X-API-Key\nrequire all id\nresource project body project\nlimit 5/"+year+" by key cost body_items", records)
	row := `{"id":1,"project":"mine"}`
	for _, tc := range []struct {
		name, body string
		status     int
	}{
		{"a field is missing", "[" + row + `,{"project":"mine"}]`, 400},
		{"another project", "[" + row + `,{"id":1,"project":"other"}]`, 404},
		{"no project", "[" + row + `,{"id":1}]`, 400},
		{"three rows", "[" + row + "," + row + "]\n" + row, 200},
		{"three more", "[" + row + "," + row + "," + row + "]", 429},
		{"two more", "[" + row + "," + row + "]", 200},
	} {
		wantStatus(t, g, gatetest.Request{Target: "/", Body: tc.body, Header: typed("application/x-ndjson")}, tc.status)
		if seen := up.Take(); len(seen) > 0 != (tc.status == 200) {
			t.Errorf("%s: %d requests got through", tc.name, len(seen))
		}
	}
}

// jsonThatIsNot are bodies that some reader takes for JSON, although they are not
// UTF-8 or have before them what JSON does not.
func jsonThatIsNot(text string) (bodies []string) {
	for _, order := range [][]int{{0, 1}, {1, 0}, {0, 1, 2, 3}, {3, 2, 1, 0}} {
		for _, leadIn := range []string{"", "\ufeff", "\n", "\u00a0", "\ufeff\u2003", "/**/"} {
			var b []byte
			for _, r := range leadIn + text {
				for _, i := range order {
					b = append(b, byte(r>>(8*i)))
				}
			}
			bodies = append(bodies, string(b))
		}
	}
	for _, leadIn := range []string{"\x00", "\x0b", "\x0c", "\u00a0", "\xa0", "\ufeff\ufeff", "\u2028", "/**/", "// x\n", "# x\n", " /* { */ ", "\x01", "\x1e", ")]}'\n", strings.Repeat("\x00", 600), "/*" + strings.Repeat("x", 600) + "*/"} {
		bodies = append(bodies, leadIn+text)
	}
	return bodies
}

// TestJSONThatIsNotUTF8: one meaning or 400, for every type under which such a body
// is looked at.
func TestJSONThatIsNotUTF8(t *testing.T) {
	for _, gate := range []string{"", "bind body", "require any id"} {
		g, up := start(t, gate+"\ncredential header X-API-Key\ncredential body token", map[string]gatetest.Record{keyA: {}, keyB: {}})
		for _, contentType := range []string{"text/plain", "", "application/octet-stream", "application/json", "application/x-www-form-urlencoded", "x/y; json"} {
			for _, body := range slices.Concat(jsonThatIsNot(`{"token":"`+keyB+`","id":1}`), jsonThatIsNot(`[{"token":"`+keyB+`","id":1}]`)) {
				resp := g.Do(t, gatetest.Request{Target: "/", Body: body, Header: typed(contentType)})
				if seen := up.Take(); resp.Status != http.StatusBadRequest || len(seen) > 0 {
					t.Errorf("%q as %q: status %d, %d requests got through", body, contentType, resp.Status, len(seen))
				}
			}
		}
	}
}

// TestFramesOfGRPC: no JSON reader reads JSON in a frame, but what is not a frame
// may be, whatever its type says.
func TestFramesOfGRPC(t *testing.T) {
	for _, gate := range []string{"", "bind body"} {
		g, up := start(t, gate+"\ncredential header X-API-Key\ncredential body token", map[string]gatetest.Record{keyA: {}, keyB: {}})
		frame := "\x00\x00\x00\x00\x0d" + `{"token":"K"}`
		for _, f := range gatetest.Framings {
			wantStatus(t, g, gatetest.Request{Framing: f, Target: "/a.B/C", Body: frame, Header: typed("application/grpc+json")}, 200)
			if seen := up.One(t); seen.Body != frame {
				t.Errorf("%q, %s: backend saw %q", gate, f, seen.Body)
			}
			for _, body := range []string{`{"token":"` + keyB + `"}`, "\x00" + `{"token":"` + keyB + `"}`, "\x0b" + `{"token":"` + keyB + `"}`} {
				resp := g.Do(t, gatetest.Request{Framing: f, Target: "/a.B/C", Body: body, Header: typed("application/grpc+json")})
				if seen := up.Take(); len(seen) > 0 || resp.Header.Get("Grpc-Status") != "3" {
					t.Errorf("%q, %s, %q: status %d %v, %d requests got through", gate, f, body, resp.Status, resp.Header, len(seen))
				}
			}
		}
	}
}
