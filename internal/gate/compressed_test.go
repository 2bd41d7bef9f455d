package gate_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func compressed(t *testing.T, text string, into func(w io.Writer) io.WriteCloser) string {
	t.Helper()
	var b bytes.Buffer
	w := into(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gz(t *testing.T, text string) string {
	t.Helper()
	return compressed(t, text, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

func zl(t *testing.T, text string) string {
	t.Helper()
	return compressed(t, text, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
}

func typed(contentType, body string) request {
	q := request{target: "/e/?compression=gzip-js&ip=1", body: body, header: http.Header{"Content-Type": {contentType}}}
	if contentType == "" {
		q.header["Content-Type"] = nil
	}
	return q
}

var bodyToken = config.Gate{Credentials: []config.Location{{In: config.InBody, Names: []string{"token"}}, {In: config.InHeader, Names: []string{"X-API-Key"}}}}

// TestCompressedAndNotSaidToBe: a body that a backend may decode by its first bytes is
// decoded, searched, and passed on decoded, with nothing left that says that it is not.
func TestCompressedAndNotSaidToBe(t *testing.T) {
	t.Parallel()
	records := map[string]keysync.Record{keyA: {}}
	event := `{"token":"` + keyA + `","event":"` + strings.Repeat("e", 2000) + `"}`
	const withoutKey = `{"event":"`
	lines := event + "\n" + event
	form := "token=" + keyA + "&a=1"
	s := bodyToken
	s.Credentials = append(s.Credentials, config.Location{In: config.InForm, Names: []string{"token"}})
	for name, s := range map[string]config.Gate{"plain": bodyToken, "with forms": s} {
		g := start(t, s, records)
		for what, q := range map[string]request{
			"posthog-js":    typed("text/plain", gz(t, event)),
			"no type":       typed("", gz(t, event)),
			"JSON":          typed("application/json", gz(t, event)),
			"form's type":   typed("application/x-www-form-urlencoded", gz(t, event)),
			"bytes":         typed("application/octet-stream", zl(t, event)),
			"JSON, zlib":    typed("application/json", zl(t, event)),
			"two members":   typed("text/plain", gz(t, event[:20])+gz(t, event[20:])),
			"white space":   typed("text/plain", gz(t, strings.Repeat(" ", 1500)+event)),
			"awaits":        {target: "/e/?compression=gzip-js&ip=1", body: gz(t, event), header: http.Header{"Content-Type": {"text/plain"}, "Expect": {"100-continue"}}},
			"says identity": {target: "/e/?compression=gzip-js&ip=1", body: gz(t, event), header: http.Header{"Content-Type": {"text/plain"}, "Content-Encoding": {"identity"}}},
			"says gzip":     {target: "/e/?compression=gzip-js&ip=1", body: gz(t, event), header: http.Header{"Content-Type": {"text/plain"}, "Content-Encoding": {"gzip"}}},
			"digest":        {target: "/e/?ip=1&compression=gzip", body: gz(t, event), header: http.Header{"Content-Type": {"text/plain"}, "Content-Digest": {"sha-256=:AA==:"}}},
			"lines":         typed("application/x-ndjson", gz(t, lines)),
		} {
			got := g.do(t, q)
			if got.status != http.StatusOK || len(got.seen) != 1 {
				t.Errorf("%s, %s: %d %s", name, what, got.status, got.body)
				continue
			}
			h, b := got.seen[0].header, got.seen[0].body
			if !strings.HasPrefix(strings.TrimSpace(b), withoutKey) || strings.Contains(b, keyA) || h.Get("Content-Length") != strconv.Itoa(len(b)) {
				t.Errorf("%s, %s: the backend got %.60s, %v", name, what, b, h)
			}
			if h.Get("Content-Encoding") != "" || h.Get("Content-Digest") != "" || h.Get("Expect") != "" || got.seen[0].uri != "/e/?ip=1" {
				t.Errorf("%s, %s: the backend is told %s, %v", name, what, got.seen[0].uri, h)
			}
		}
	}
	g := start(t, s, records)
	if got := g.do(t, typed("application/x-www-form-urlencoded", gz(t, form))); len(got.seen) != 1 || got.seen[0].body != "a=1" {
		t.Errorf("form: %d %s, the backend saw %+v", got.status, got.body, got.seen)
	}
}

// TestOnlyBeginsAsIfCompressed: what is no JSON for anybody streams as it came, whatever it
// begins with.
func TestOnlyBeginsAsIfCompressed(t *testing.T) {
	t.Parallel()
	event := `{"token":"` + keyA + `"}`
	for what, q := range map[string]request{
		"picture":        typed("image/png", gz(t, event)),
		"gzip":           typed("application/gzip", gz(t, event)),
		"protobuf":       typed("application/x-protobuf", gz(t, event)),
		"file":           typed("application/octet-stream", gz(t, strings.Repeat("a file of words\n", 500))),
		"file, no type":  typed("", zl(t, "words")),
		"damaged file":   typed("application/octet-stream", gz(t, strings.Repeat("a file of words\n", 500))[:60]),
		"empty":          typed("text/plain", gz(t, "")),
		"a formula":      typed("text/plain", "x^2 + 1 = 0"),
		"long formula":   typed("text/plain", strings.Repeat("x^2 + 1 = 0 ", 200)),
		"one character":  typed("text/plain", "x"),
		"number":         typed("application/json", "80"),
		"longer number":  typed("application/json", strings.Repeat("80", 500)),
		"number in text": typed("text/plain", "8000"),
	} {
		for _, bind := range []string{"", "body"} {
			s := bodyToken
			s.Bind = bind
			g := start(t, s, map[string]keysync.Record{keyA: {}})
			q.header["X-Api-Key"] = []string{keyA}
			got := g.do(t, q)
			if got.status != http.StatusOK || len(got.seen) != 1 || got.seen[0].body != q.body || got.seen[0].uri != q.target {
				t.Errorf("%s, bind %q: %d %s, the backend saw %+.80v", what, bind, got.status, got.body, got.seen)
			}
		}
	}
}

// TestCompressedBadly: one that cannot be decoded to its end, or only to too much, is
// refused where some backend may decode it.
func TestCompressedBadly(t *testing.T) {
	t.Parallel()
	event := `{"token":"` + keyA + `","event":"` + strings.Repeat("0123456789", 20) + `"}`
	whole, bomb := gz(t, event), gz(t, `{"token":"`+keyA+`","event":"`+strings.Repeat("0", 1<<20)+`"}`)
	crc := []byte(whole)
	crc[len(crc)-5] ^= 1
	adler := []byte(zl(t, event))
	adler[len(adler)-1] ^= 1
	malformed, large := answer{400, `{"error":"Malformed compressed body","code":"malformed_body"}`}, answer{413, "body_too_large"}
	for _, contentType := range []string{"text/plain", "application/json", "", "application/x-www-form-urlencoded", "application/x-ndjson"} {
		twice := answer{415, "unsupported_encoding"}
		if !strings.Contains(contentType, "json") {
			twice = answer{401, "missing_key"} // decoded once it is no JSON: a file
		}
		g := start(t, bodyToken, map[string]keysync.Record{keyA: {}})
		g.check(t, map[string]request{
			"cut short": typed(contentType, whole[:len(whole)-10]), "only the magic": typed(contentType, whole[:3]), "garbage": typed(contentType, whole[:10]+"\xff\xff\xff\xff\xff"),
			"checksum": typed(contentType, string(crc)), "checksum, zlib": typed(contentType, string(adler)), "more behind": typed(contentType, whole+"x"),
			"bomb": typed(contentType, bomb), "twice": typed(contentType, gz(t, whole)),
			"twice, said once": {target: "/", body: gz(t, whole), header: http.Header{"Content-Type": {contentType}, "Content-Encoding": {"gzip"}}},
			"broken JSON":      typed(contentType, gz(t, `{"token":"`+keyA+`",`)),
		}, map[string]answer{
			"cut short": malformed, "only the magic": malformed, "garbage": malformed, "checksum": malformed, "checksum, zlib": malformed, "more behind": malformed,
			"bomb": large, "twice": twice, "twice, said once": {415, "unsupported_encoding"}, "broken JSON": {400, "Malformed JSON"},
		})
	}
	s := bodyToken
	s.MaxDecoded = 100
	start(t, s, map[string]keysync.Record{keyA: {}}).check(t, map[string]request{"decoded": typed("text/plain", whole)}, map[string]answer{"decoded": large})
	s.MaxBody = 50
	start(t, s, map[string]keysync.Record{keyA: {}}).check(t, map[string]request{"sent": typed("text/plain", whole)}, map[string]answer{"sent": large})
}

// TestCompressedPassesUndecided: a gate that reports passes on what came; one that leaves
// keys where they are still passes on what it has read.
func TestCompressedPassesUndecided(t *testing.T) {
	t.Parallel()
	event := `{"token":"` + keyA + `","event":1}`
	for _, c := range []struct {
		enforce, strip, body, seen, uri, verdict string
	}{
		{"off", "", gz(t, event), gz(t, event), "/e/?compression=gzip-js&ip=1", "allowed"},
		{"off", "", gz(t, event)[:30], gz(t, event)[:30], "/e/?compression=gzip-js&ip=1", "malformed_body"},
		{"off", "on", gz(t, event), `{"event":1}`, "/e/?ip=1", "allowed"},
		{"off", "on", gz(t, event)[:30], gz(t, event)[:30], "/e/?compression=gzip-js&ip=1", "malformed_body"},
		{"on", "off", gz(t, event), event, "/e/?ip=1", "allowed"},
	} {
		s := bodyToken
		s.Enforce, s.Strip = c.enforce, c.strip
		g := start(t, s, map[string]keysync.Record{keyA: {}})
		got := g.do(t, typed("text/plain", c.body))
		if len(got.seen) != 1 || got.seen[0].body != c.seen || got.seen[0].uri != c.uri || g.meter.verdicts[c.verdict] != 1 {
			t.Errorf("enforce %s, strip %s: %d %s, the backend saw %+v, verdicts %v", c.enforce, c.strip, got.status, got.body, got.seen, g.meter.verdicts)
		}
	}
}

// TestCompressedInPieces: however little of a body arrives at a time, it is looked at.
func TestCompressedInPieces(t *testing.T) {
	t.Parallel()
	g := start(t, bodyToken, map[string]keysync.Record{keyA: {}})
	for _, body := range []string{gz(t, `{"token":"`+keyA+`"}`), zl(t, `{"token":"`+keyA+`"}`), gz(t, strings.Repeat(" ", 1000)+`{"token":"`+keyA+`"}`)} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", iotest.OneByteReader(strings.NewReader(body)))
		r.Header.Set("Content-Type", "text/plain")
		w := httptest.NewRecorder()
		g.Config.Handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || len(g.seen) != 1 || strings.TrimSpace(g.seen[0].body) != "{}" {
			t.Errorf("%d %s, the backend saw %+v", w.Code, w.Body, g.seen)
		}
		g.seen = nil
	}
	file := make([]byte, 3<<20)
	for i, r := 0, rand.New(rand.NewPCG(7, 8)); i < len(file); i++ {
		file[i] = 'a' + byte(r.IntN(26))
	}
	body := gz(t, string(file))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", iotest.OneByteReader(strings.NewReader(body)))
	r.Header = http.Header{"Content-Type": {"text/plain"}, "X-Api-Key": {keyA}}
	w := httptest.NewRecorder()
	g.Config.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK || len(g.seen) != 1 || g.seen[0].body != body {
		t.Errorf("a file that is larger than what may be read: %d %s", w.Code, w.Body)
	}
}
