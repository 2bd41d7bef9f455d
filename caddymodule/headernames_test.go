package caddymodule_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// punctuation are the characters of a header name (RFC 9110, section 5.6.2) that are neither
// letters nor digits. Every one is an underscore to some backend.
const punctuation = "!#$%&'*+-.^_`|~"

// guarded are headers of which a gate that enforces, with scopes by method and a resource in
// the path, lets no spelling through but its own. Of the last ones, bodyNames, it lets the
// plain spelling through.
var guarded = append([]string{
	"X-Ingest-Identity", "X-Api-Key", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override",
	"X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-URI", "X-Forwarded-Path", "X-Override-URL",
	"Script-Name", "Path-Info", "X-Script-Name", "X-Vhm-Root",
}, bodyNames...)

var bodyNames = []string{"Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding"}

const guardedSite = `
	credential bearer
	credential header X-API-Key
	scope POST write
	scope GET write
	resource project path /v1/{project}/*
`

func guardedRecords() map[string]gatetest.Record {
	return map[string]gatetest.Record{keyA: {"key_id": "key_a", "scopes": []string{"write"}, "resources": map[string]any{"project": []string{"p"}}}}
}

// variable is the CGI variable into which the most forgiving backend, lighttpd, turns a
// header (RFC 3875, section 4.1.18), without the HTTP_.
func variable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case (r < 'A' || r > 'Z') && (r < '0' || r > '9'):
			return '_'
		}
		return r
	}, name)
}

// spelling returns a header name with c for '-'.
func spelling(name string, c rune) string { return strings.ReplaceAll(name, "-", string(c)) }

// spelled returns the guarded headers in a spelling with c, with a forged value or a key.
func spelled(c rune) http.Header {
	h := http.Header{}
	for _, name := range guarded {
		h[spelling(name, c)] = []string{forged}
	}
	h[spelling("X-Api-Key", c)] = []string{keyA}
	if c == '-' { // the plain spelling has a meaning
		for _, name := range bodyNames {
			delete(h, name)
		}
	}
	return h
}

// TestAttackNamesThatBackendsFold: a header or trailer in whatever spelling is deleted if some
// backend reads it as one that the gate sets, has read, or relied on.
func TestAttackNamesThatBackendsFold(t *testing.T) {
	for mode, tc := range map[string]struct {
		subdirectives string
		names         []string
	}{
		"enforces":                  {"", guarded},
		"enforces, with preflights": {"pass_preflights", guarded},
		"reports":                   {"enforce off", guarded[:1]},
		"reports, with preflights":  {"enforce off\npass_preflights", guarded[:1]},
		"reports and strips":        {"enforce off\nstrip on", guarded[:2]},
	} {
		for separator, servers := range map[rune]string{
			'-': "",
			// Caddy drops names with these unless they are listed, and then drops those with '-'.
			'_': "expected_underscore_headers X_* Content_* Transfer_* Script_* Path_*",
			'.': "expected_dot_headers X.* Content.* Transfer.* Script.* Path.*",
		} {
			t.Run(fmt.Sprintf("%s %c", mode, separator), func(t *testing.T) {
				up := gatetest.NewUpstream(t, nil)
				g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
				g.Write(t, "keys.json", gatetest.Keys(guardedRecords()))
				g.Run(t, strings.Replace(options, "protocols h1 h2c", "protocols h1 h2c\n"+servers, 1)+
					":{{gate}} {\nlog\ningest_auth {\n"+guardedSite+tc.subdirectives+"\n}\nreverse_proxy {{upstream}}\n}\n")
				for _, c := range punctuation {
					if dropped := c == '_' || c == '.'; separator == '-' && dropped || separator != '-' && c != separator {
						continue
					}
					for _, framing := range []gatetest.Framing{gatetest.Length, gatetest.HTTP2} {
						s := spellings{g, up, framing, c, tc.names}
						s.sendHeaders(t, strings.Contains(mode, "reports"))
						s.sendTrailers(t)
						if strings.Contains(mode, "preflights") {
							s.sendPreflight(t)
						}
					}
					checkLogHides(t, g, http.CanonicalHeaderKey(spelling("X-Api-Key", c)))
				}
			})
		}
	}
}

// spellings are the guarded names in spellings with a character, and of which of them the
// backend must not see what the client sent.
type spellings struct {
	g       *gatetest.Gate
	up      *gatetest.Upstream
	framing gatetest.Framing
	c       rune
	names   []string
}

func (s spellings) sendHeaders(t *testing.T, reports bool) {
	t.Helper()
	h := spelled(s.c)
	h["Authorization"] = []string{"Bearer " + keyA}
	wantStatus(t, s.g, gatetest.Request{Framing: s.framing, Method: "POST", Target: "/v1/p/x", Header: h}, 200)
	seen := s.up.One(t)
	s.check(t, "header", seen.Header)
	if id := gatetest.Claims(t, strings.Join(seen.Header["X-Ingest-Identity"], ","))["key_id"]; id != "key_a" {
		t.Errorf("%c over %s: key_id %v", s.c, s.framing, id)
	}
	for _, name := range guarded[2:] {
		if sent := h[spelling(name, s.c)] != nil; reports && sent && seen.Header.Get(spelling(name, s.c)) != forged {
			t.Errorf("%c over %s: a gate that reports took away %s", s.c, s.framing, name)
		}
	}
}

func (s spellings) sendTrailers(t *testing.T) {
	t.Helper()
	h := http.Header{"Authorization": {"Bearer " + keyA}, "Content-Type": {"image/png"}}
	wantStatus(t, s.g, gatetest.Request{Framing: s.framing, Target: "/v1/p/x", Body: "x", Header: h, Trailer: spelled(s.c)}, 200)
	seen := s.up.One(t)
	s.check(t, "header", seen.Header)
	s.check(t, "trailer", seen.Trailer)
}

func (s spellings) sendPreflight(t *testing.T) {
	t.Helper()
	h := spelled(s.c)
	h["Origin"], h["Access-Control-Request-Method"] = []string{app}, []string{"POST"}
	wantStatus(t, s.g, gatetest.Request{Framing: s.framing, Method: "OPTIONS", Target: "/v1/q/x", Header: h}, 200)
	s.check(t, "header of a preflight", s.up.One(t).Header)
}

func (s spellings) check(t *testing.T, what string, h http.Header) {
	t.Helper()
	for name, values := range h {
		text := strings.Join(values, ",")
		if !strings.Contains(text, forged) && !strings.Contains(text, "canary") {
			continue
		}
		for _, guarded := range s.names {
			if variable(name) == variable(guarded) {
				t.Errorf("%c over %s: the backend saw %s as a %s: %s", s.c, s.framing, name, what, text)
			}
		}
	}
}

// checkLogHides fails if the log has a key in it, or nothing of the header at all.
func checkLogHides(t *testing.T, g *gatetest.Gate, name string) {
	t.Helper()
	var log string
	await.That(t, name+" in the log", func() bool {
		b, err := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
		log = string(b)
		return err == nil && strings.Contains(log, `"`+name+`":"REDACTED"`)
	})
	if i := strings.Index(log, "canary"); i >= 0 {
		t.Errorf("a key in the log: …%s…", log[max(0, i-100):min(len(log), i+50)])
	}
}

// TestAttackKeysInEverySpelling: a spelling of a credential header is that header.
func TestAttackKeysInEverySpelling(t *testing.T) {
	g, up := start(t, "credential bearer\ncredential header X-API-Key", map[string]gatetest.Record{keyA: {}, keyB: {}})
	for _, c := range punctuation {
		if c == '_' || c == '.' {
			continue // Caddy drops them
		}
		name := spelling("X-Api-Key", c)
		for _, tc := range []struct {
			lines  []string
			status int
		}{
			{[]string{name + ": " + keyA}, 200},
			{[]string{name + ": " + keyA, withKey}, 200},
			{[]string{name + ": " + keyB, withKey}, 400},
			{[]string{name + ": nobody"}, 401},
		} {
			resp := g.Raw(t, "GET", raw("GET /", tc.lines...))
			if resp.StatusCode != tc.status {
				t.Errorf("%v: %d, want %d", tc.lines, resp.StatusCode, tc.status)
			}
			for _, seen := range up.Take() {
				if strings.Contains(seen.String(), "canary") {
					t.Errorf("%v: the backend saw a key:\n%s", tc.lines, seen)
				}
			}
		}
	}
}

// TestAttackConnectionNamesWhatTheGateGoesBy: what a client lists in Connection is removed by
// the proxy, and must not be what the gate relied on.
func TestAttackConnectionNamesWhatTheGateGoesBy(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {}})
	for _, name := range []string{"Content-Type", "content-TYPE", "Content-Language", "X-Ingest-Identity"} {
		g.Raw(t, "POST", fmt.Sprintf("POST / HTTP/1.1\r\nHost: gate\r\nConnection: close, %s\r\n%s\r\nContent-Type: image/png\r\nContent-Language: de\r\nContent-Length: 2\r\n\r\n{}", name, withKey))
		seen := up.One(t)
		if seen.Header.Get("Content-Type") != "image/png" || seen.Header.Get("X-Ingest-Identity") == "" || (seen.Header.Get("Content-Language") == "") != (name == "Content-Language") {
			t.Errorf("Connection: %s:\n%s", name, seen)
		}
	}
}

// variableServers start backends that answer with the variables they make of a request. The
// most forgiving one makes the same of every punctuation.
var variableServers = map[string]func(t *testing.T, addr string) *exec.Cmd{
	"lighttpd": func(t *testing.T, addr string) *exec.Cmd {
		script, err := filepath.Abs("testdata/variables/env.cgi")
		if err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(addr)
		conf := filepath.Join(t.TempDir(), "lighttpd.conf")
		content := fmt.Sprintf("server.document-root = %q\nserver.bind = %q\nserver.port = %s\nserver.modules = (\"mod_rewrite\", \"mod_cgi\")\n"+
			"url.rewrite-once = (\".*\" => \"/env.cgi\")\ncgi.assign = (\".cgi\" => \"/bin/sh\")\n", filepath.Dir(script), host, port)
		if err := os.WriteFile(conf, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command("lighttpd", "-D", "-f", conf)
	},
	"PHP": func(_ *testing.T, addr string) *exec.Cmd {
		return exec.Command("php", "-S", addr, "testdata/variables/server.php")
	},
	"WSGI": func(_ *testing.T, addr string) *exec.Cmd {
		return exec.Command("python3", "testdata/variables/server.py", addr)
	},
	"Rack": func(_ *testing.T, addr string) *exec.Cmd {
		return exec.Command("ruby", "testdata/variables/server.rb", addr)
	},
}

// variableServer is such a backend, which takes a moment to start.
type variableServer struct {
	addr string
	cmd  *exec.Cmd
}

func startVariableServer(t *testing.T, command func(t *testing.T, addr string) *exec.Cmd) *variableServer {
	t.Helper()
	addr := freeport.Addr(t)
	s := &variableServer{addr, command(t, addr)}
	if s.cmd.Err == nil && s.cmd.Start() == nil {
		t.Cleanup(func() {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		})
	}
	return s
}

// await waits until the backend listens, and returns its address.
func (s *variableServer) await(t *testing.T) string {
	t.Helper()
	if s.cmd.Process == nil {
		t.Skipf("needs %s: install its Debian package", s.cmd.Args[0])
	}
	if s.cmd.Args[0] == "ruby" && exec.Command("ruby", "-e", "require 'rack/handler/webrick'").Run() != nil {
		t.Skip("needs Rack: install the Debian packages ruby-rack and ruby-webrick")
	}
	await.That(t, "the backend", func() bool {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return s.addr
}

// TestAttackVariablesOfBackends uses real backends as oracles: whatever they turn a header
// into or trailer is the gate's, or is not there.
func TestAttackVariablesOfBackends(t *testing.T) {
	servers := make(map[string]*variableServer)
	for name, command := range variableServers {
		servers[name] = startVariableServer(t, command)
	}
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			addr := server.await(t)
			direct := gatetest.Gate{Addr: addr}
			forgeable := 0
			for _, c := range punctuation {
				answer := direct.Do(t, gatetest.Request{Target: "/", Header: spelled(c)}).Body
				if strings.Contains(answer, "HTTP_X_INGEST_IDENTITY="+forged) && strings.Contains(answer, "HTTP_X_API_KEY="+keyA) {
					forgeable++
				}
			}
			if want := map[string]int{"lighttpd": len(punctuation)}[name]; forgeable < max(1, want) {
				t.Errorf("past the gate %d spellings make the variable: the test tests too little", forgeable)
			}

			for _, subdirectives := range []string{"", "pass_preflights"} {
				g := startSite(t, "ingest_auth {\n"+guardedSite+subdirectives+"\n}\nreverse_proxy "+addr, guardedRecords(), nil)
				for _, c := range punctuation {
					for _, framing := range []gatetest.Framing{gatetest.Length, gatetest.HTTP2} {
						checkVariables(t, g, framing, c, subdirectives != "")
					}
				}
				if err := caddy.Stop(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func checkVariables(t *testing.T, g *gatetest.Gate, framing gatetest.Framing, c rune, preflight bool) {
	t.Helper()
	req := gatetest.Request{Framing: framing, Method: "POST", Target: "/v1/p/x", Header: spelled(c)}
	if preflight {
		req.Method = "OPTIONS"
		req.Header["Origin"], req.Header["Access-Control-Request-Method"] = []string{app}, []string{"POST"}
	} else {
		req.Header["Authorization"] = []string{"Bearer " + keyA}
		req.Body, req.Trailer = "x", spelled(c)
		if c != '-' {
			req.Header["Content-Type"] = []string{"image/png"}
		}
	}
	resp := g.Do(t, req)
	if resp.Status != http.StatusOK || !strings.Contains(resp.Body, "HTTP_HOST=") {
		t.Fatalf("%c over %s: %d %s", c, framing, resp.Status, resp.Body)
	}
	if !preflight && !strings.Contains(resp.Body, "HTTP_X_INGEST_IDENTITY=ey") {
		t.Errorf("%c over %s: no identity", c, framing)
	}
	for line := range strings.Lines(resp.Body) {
		if strings.Contains(line, forged) || strings.Contains(line, "canary") {
			t.Errorf("%c over %s: the backend has %s", c, framing, line)
		}
	}
}
