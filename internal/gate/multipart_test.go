package gate_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const multipartType = "multipart/form-data; boundary=xx"

// upload are settings for clients that send their key in a field before files.
func upload(set func(*config.Gate)) config.Gate {
	s := config.Gate{
		Credentials: []config.Location{{In: config.InMultipart, Names: []string{"api_key"}}, {In: config.InHeader, Names: []string{"X-Api-Key"}}},
		Remove:      []config.Location{{In: config.InMultipart, Names: []string{"secret"}}},
	}
	set(&s)
	return s
}

func part(disposition, value string) string {
	return "--xx\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + value + "\r\n"
}

const end = "--xx--\r\n"

func multipartForm(parts ...string) request {
	return request{target: "/", body: strings.Join(parts, "") + end, header: http.Header{"Content-Type": {multipartType}}}
}

// chunked has a body sent without its length.
func (s *site) chunked(t *testing.T, q request) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+q.target, struct{ io.Reader }{strings.NewReader(q.body)})
	if err != nil {
		t.Fatal(err)
	}
	r.Header = q.header
	return s.send(t, r)
}

// TestMultipartField takes the key in a field of a form, with files of all sizes behind it:
// what is not the key arrives to the byte, with its length or without.
func TestMultipartField(t *testing.T) {
	t.Parallel()
	key, secret, title := part(`name="api_key"`, keyA), part(`name="secret"`, "s"), part(`name="title"`, "crash")
	records := map[string]keysync.Record{keyA: {}}
	for mode, tc := range map[string]struct {
		s    *site
		cuts bool
	}{
		"strip on":              {start(t, upload(func(*config.Gate) {}), records), true},
		"max_body":              {start(t, upload(func(s *config.Gate) { s.MaxBody = 4 << 20 }), records), true},
		"bind body":             {start(t, upload(func(s *config.Gate) { s.Bind, s.MaxBody = "body", 4<<20 }), records), true},
		"enforce off, strip on": {start(t, upload(func(s *config.Gate) { s.Enforce, s.Strip = "off", "on" }), records), true},
		"strip off":             {start(t, upload(func(s *config.Gate) { s.Strip = "off" }), records), false},
		"enforce off":           {start(t, upload(func(s *config.Gate) { s.Enforce = "off" }), records), false},
	} {
		for _, size := range []int{0, 60 << 10, 64<<10 - 300, 64 << 10, 300 << 10} {
			file := part(`name="dump"; filename="a.dmp"`, strings.Repeat("\r\n--x\x00", size/6))
			sent, clean := multipartForm(title, key, secret, file), multipartForm(title, file)
			want := sent.body
			if tc.cuts {
				want = clean.body
			}
			sent.header.Set("Content-Digest", "sha-256=:x:")
			for framing, got := range map[string]reply{"length": tc.s.do(t, sent), "chunked": tc.s.chunked(t, sent)} {
				if got.status != http.StatusOK || len(got.seen) != 1 {
					t.Fatalf("%s, %s, file of %d: %d %s", mode, framing, size, got.status, got.body)
				}
				saw := got.seen[0]
				if saw.body != want {
					t.Errorf("%s, %s, file of %d: the backend saw %d bytes, want %d", mode, framing, size, len(saw.body), len(want))
				}
				if length := saw.header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(want)) {
					t.Errorf("%s, %s, file of %d: Content-Length %s, want %d", mode, framing, size, length, len(want))
				}
				if tc.cuts == (saw.header.Get("Content-Digest") != "") {
					t.Errorf("%s, %s, file of %d: %v", mode, framing, size, saw.header)
				}
				if hbd := claimsOf(t, saw.header)["hbd"]; mode == "bind body" && hbd != sha(saw.body) {
					t.Errorf("%s, file of %d: bound to another body", framing, size)
				}
			}
		}
		if n := tc.s.meter.verdicts["allowed"]; n != 10 {
			t.Errorf("%s: counted %v", mode, tc.s.meter.verdicts)
		}
	}
}

// TestMultipartRefusals: as in any other place of keys, and what readers differ in.
func TestMultipartRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, upload(func(s *config.Gate) { s.MaxBody = 1 << 20 }), map[string]keysync.Record{keyA: {}, keyB: {}})
	key := part(`name="api_key"`, keyA)
	big := part(`name="dump"; filename="a"`, strings.Repeat("x", 100<<10))
	typed := func(q request, contentType string) request { return with(q, "Content-Type", contentType) }
	s.check(t, map[string]request{
		"good":                  multipartForm(key, big),
		"same key twice":        with(multipartForm(key, key, big), "X-Api-Key", keyA),
		"no key":                multipartForm(big),
		"unknown key":           multipartForm(part(`name="api_key"`, keyC), big),
		"two keys":              multipartForm(key, part(`name="API_KEY"`, keyB), big),
		"another key in a head": with(multipartForm(key, big), "X-Api-Key", keyB),
		"a file is no key":      multipartForm(part(`name="api_key"; filename="k"`, keyA)),
		"key in a nested form":  multipartForm("--xx\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n" + keyA + "\r\n"),
		"key ends too late":     multipartForm(part(`name="title"`, strings.Repeat("x", 64<<10-150)), key, big),
		"no boundary":           typed(multipartForm(key), "multipart/form-data"),
		"boundary of two":       typed(multipartForm(key), multipartType+"; boundary=yy"),
		"two types":             typed(multipartForm(key), "application/x-www-form-urlencoded, multipart/form-data; boundary=xx"),
		"another charset":       typed(multipartForm(key), multipartType+"; charset=utf-16"),
		"mixed":                 typed(multipartForm(key), "multipart/mixed; boundary=xx"),
		"JSON before it":        {target: "/", body: `{"a":1}` + "\r\n" + key + end, header: http.Header{"Content-Type": {multipartType}}},
		"too large":             multipartForm(key, part(`name="dump"; filename="a"`, strings.Repeat("x", 1<<20))),
	}, map[string]answer{
		"good":                  {200, ""},
		"same key twice":        {200, ""},
		"no key":                {401, "Missing API key"},
		"unknown key":           {401, "Invalid API key"},
		"two keys":              {400, "more than one API key"},
		"another key in a head": {400, "more than one API key"},
		"a file is no key":      {401, "Missing API key"},
		"key in a nested form":  {400, "a part must not be multipart itself"},
		"key ends too late":     {400, "must be in the first 64 KiB of the body, before files"},
		"no boundary":           {400, "Content-Type must name one boundary"},
		"boundary of two":       {400, "Content-Type must name one boundary"},
		"two types":             {400, "More than one Content-Type"},
		"another charset":       {415, "Unsupported charset"},
		"mixed":                 {200, ""}, // Rack and Commons FileUpload read it
		"JSON before it":        {400, "Malformed request body"},
		"too large":             {413, ""},
	})
}

// TestMultipartLateField: a key behind the files does not get through. The backend has the
// beginning of the body by then, and its end never comes. A gate that only reports cuts
// what it can.
func TestMultipartLateField(t *testing.T) {
	t.Parallel()
	big := part(`name="dump"; filename="a"`, strings.Repeat("x", 200<<10))
	for name, late := range map[string]string{
		"a key":                        part(`name="api_key"`, keyB),
		"what is only removed":         part(`name="secret"`, keyB),
		"PHP's array":                  part(`name="api_key[]"`, keyB),
		"a key behind the last line":   end + part(`name="api_key"`, keyB),
		"a key where lines end in LF":  strings.ReplaceAll(part(`name="api_key"`, keyB), "\r\n", "\n"),
		"a key in a part of two names": part(`name="a"; name="api_key"`, keyB),
	} {
		for mode, strip := range map[string]string{"on": "on", "off": "off"} {
			s := start(t, upload(func(s *config.Gate) { s.Strip = strip }), map[string]keysync.Record{keyA: {}, keyB: {}})
			q := with(multipartForm(part(`name="api_key"`, keyA), big, late), "X-Api-Key", keyA)
			got := s.do(t, q)
			if len(got.seen) != 1 || got.seen[0].readErr == nil || strings.Contains(got.seen[0].body, keyB) || strings.Contains(got.seen[0].body, end) {
				t.Errorf("%s, strip %s: %d, the backend saw %d requests", name, mode, got.status, len(got.seen))
			}
		}
		s := start(t, upload(func(s *config.Gate) { s.Enforce, s.Strip = "off", "on" }), map[string]keysync.Record{keyA: {}, keyB: {}})
		q := multipartForm(part(`name="api_key"`, keyA), big, late)
		if saw := s.one(t, name, q); saw.body != strings.Replace(q.body, part(`name="api_key"`, keyA), "", 1) {
			t.Errorf("%s, enforce off: the backend saw %d bytes", name, len(saw.body))
		}
	}
}

// TestMultipartEncoded: a compressed form is read whole, and passed on decoded.
func TestMultipartEncoded(t *testing.T) {
	t.Parallel()
	s := start(t, upload(func(*config.Gate) {}), map[string]keysync.Record{keyA: {}})
	q, clean := multipartForm(part(`name="api_key"`, keyA), part(`name="a"`, "1")), multipartForm(part(`name="a"`, "1"))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.WriteString(w, q.body)
	_ = w.Close()
	q.body = packed.String()
	if saw := s.one(t, "gzip", with(q, "Content-Encoding", "gzip")); saw.body != clean.body || saw.header.Get("Content-Encoding") != "" {
		t.Errorf("the backend saw %+v", saw)
	}
}

// TestMultipartElsewhere: a gate that looks for no keys in such bodies lets them stream,
// whatever they are; one that wants JSON takes none.
func TestMultipartElsewhere(t *testing.T) {
	t.Parallel()
	q := with(multipartForm(part(`name="api_key"`, keyA)), "X-Api-Key", keyA)
	for _, set := range []func(*config.Gate){func(*config.Gate) {}, func(s *config.Gate) { s.Credentials = upload(func(*config.Gate) {}).Credentials[1:] }} {
		var settings config.Gate
		set(&settings)
		s := start(t, settings, map[string]keysync.Record{keyA: {}})
		for _, contentType := range []string{multipartType, "multipart/form-data", "multipart/mixed; x=application/json"} {
			if saw := s.one(t, contentType, with(q, "Content-Type", contentType)); saw.body != q.body {
				t.Errorf("%s: the backend saw %q", contentType, saw.body)
			}
		}
	}
	s := start(t, upload(func(s *config.Gate) { s.MaxItems = 3 }), map[string]keysync.Record{keyA: {}})
	s.check(t, map[string]request{"items": q}, map[string]answer{"items": {415, "Unsupported Content-Type"}})
}
