package forward_test

import (
	stdcmp "cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exchange is a request and what backends answer.
type exchange struct {
	request
	answers []answer

	// logged is how many entries there must be in the access log, if the client's end of
	// the connection does not tell when they are all written.
	logged int

	// clientOnly says that what backends get is left to chance.
	clientOnly bool

	// follows says whether the request uses the connection of the last one before it.
	follows bool
}

func (x exchange) String() string {
	var names []string
	for _, a := range x.answers {
		names = append(names, a.name)
	}
	name := x.request.name
	if x.h2 {
		name += " over HTTP/2"
	}
	return name + " → " + strings.Join(names, ", ")
}

// compare runs an exchange at both ends of a lane and reports differences.
func (l *lane) compare(t testing.TB, x exchange) {
	t.Helper()
	diff := l.diff(x)
	for again := 0; diff != "" && again < 2; again++ {
		// A client may have the port of one before it, whose entry in the log comes late. What is
		// different for a reason is so each time.
		diff = l.diff(x)
	}
	if diff != "" {
		t.Errorf("%s: %s\nreverse_proxy -, ingest_forward +\n%s", l.name, x, clip(diff))
	}
}

// diff runs an exchange at both ends and returns what differs.
func (l *lane) diff(x exchange) string {
	out := l.outcomes(x)
	if out[oracle] == out[ours] {
		return ""
	}
	return cmp.Diff(lines(out[oracle]), lines(out[ours]))
}

// outcomes runs an exchange at both ends. If there may be no answer, it first sees to it that both have
// an idle connection to each backend: http.Transport sends a request once more if it fails on one
// that was idle. Our side has connections on either of two ways.
func (l *lane) outcomes(x exchange) [2]string {
	x.request = x.withDefaults()
	if x.h2 && l.front != overUnix { // where clients have no port
		x.logged = 1
	}
	if !l.logs {
		x.logged = 0
	}
	warm := x.do == nil && !answered(x) && !strings.Contains(l.site, "{{dead}}")
	var out [2]string
	var both sync.WaitGroup
	for side, e := range l.ends {
		both.Go(func() {
			for range e.backends {
				if warm {
					e.outcome(exchange{request: x.request, answers: []answer{{bytes: "HTTP/1.1 204 No Content\r\n\r\n"}}})
				}
			}
			out[side] = e.outcome(x)
		})
	}
	both.Wait()
	return out
}

// outcome runs an exchange at one end and returns all that is compared, as a text.
func (e *end) outcome(x exchange) string {
	before := e.lastConn()
	c, err := dial(e)
	if err != nil {
		return err.Error()
	}
	e.begin(x.answers, c)
	got, entries := c.exchange(x.request), ""
	if x.do == nil { // else the connection may be open, and is not written of before it is closed
		entries = collected.take(c.port, x.logged)
	}
	_ = c.Close()
	var out strings.Builder
	requests := e.calm()
	if x.clientOnly {
		requests = nil
	}
	for i, q := range requests {
		if q.cut { // how much of it came is left to chance
			continue
		}
		if i > 0 && !answered(x) && requests[i-1].backend == q.backend && requests[i-1].bytes == q.bytes {
			continue // see outcomes
		}
		fmt.Fprintf(&out, "=== backend %s got:\n%s\n", q.backend, q.bytes)
		if i == 0 && x.follows {
			fmt.Fprintf(&out, "on the connection of the request before: %v\n", q.conn == before)
		}
	}
	if leftToChance(x.answers) || strings.Contains(e.site, "flush_interval") || strings.Contains(e.site, "event-stream") {
		got = chance.Replace(got)
	}
	fmt.Fprintf(&out, "=== client got:\n%s\n", got)
	if x.do != nil && e.logs { // else nothing tells when all is written
		entries = collected.take(c.port, x.logged)
	}
	out.WriteString("=== logged:\n" + entries)
	return e.comparable(out.String())
}

func (s *stage) lastConn() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) == 0 {
		return 0
	}
	return s.got[len(s.got)-1].conn
}

var (
	thisHour   = regexp.MustCompile(`^((?:Date|date): \w+, \d\d \w+ 20[2-9]\d) \d\d:\d\d:\d\d GMT`)
	ownPort    = regexp.MustCompile(`127\.0\.0\.1:\d+->`)
	errorID    = regexp.MustCompile(`("err_id": "|\{id=)\w+`)
	portNumber = regexp.MustCompile(`(\b|%3A)\d{5}\b`)
	durations  = regexp.MustCompile(`\b(latency|duration|ms)=[\d.e-]+(ns|µs|ms|s)?`)
)

// comparable replaces in a text what differs from one end, or one run, to the next.
func (e *end) comparable(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.Contains(line, "latency=") || strings.Contains(line, "duration=") { // first: it may look like a port
			line = durations.ReplaceAllString(line, "$1=")
		}
		line = portNumber.ReplaceAllStringFunc(strings.ReplaceAll(line, e.dir, "DIR"), e.portName)
		lines[i] = line
		switch {
		case strings.HasPrefix(line, "Date: "), strings.HasPrefix(line, "date: "):
			lines[i] = thisHour.ReplaceAllString(line, "${1} (now)")
		case strings.HasPrefix(line, "Trailer: "), strings.HasPrefix(line, "trailer: "): // written in any order
			lines[i] = sortList(line)
		case strings.Contains(line, "->"):
			lines[i] = ownPort.ReplaceAllString(line, "127.0.0.1:CLIENT->")
		}
	}
	text = strings.Join(lines, "\n")
	if e.anyOrder {
		text = whichBackend.ReplaceAllString(text, "(one of the backends)")
	}
	return text
}

func (e *end) portName(match string) string {
	port := match[len(match)-5:]
	return match[:len(match)-5] + stdcmp.Or(e.names[port], port)
}

var whichBackend = regexp.MustCompile(`backend \d|BACK\d|lb=[0-9a-f]{64}`)

// leftToChance reports whether reverse_proxy flushes an answer at once, by a goroutine that runs
// beside the one that writes. Then it is left to chance whether net/http has seen the first bytes
// when it sends the header: if so, it may add a type, and a length of 0.
func leftToChance(answers []answer) bool {
	for _, a := range answers {
		text := strings.ToLower(a.bytes)
		if !strings.Contains(text, "\r\ncontent-length: ") || strings.Contains(text, "chunked") || strings.Contains(text, "gzip") || strings.Contains(text, "incremental") ||
			strings.Contains(text, "event-stream") {
			return true
		}
	}
	return false
}

var chance = strings.NewReplacer(
	"Transfer-Encoding: chunked\r\n\r\n(chunks) (trailer) \r\n", "\r\n", "Content-Length: 0\r\n", "", "content-length: 0\n", "",
	"Content-Type: text/plain; charset=utf-8\r\n", "", "Content-Type: text/html; charset=utf-8\r\n", "",
	"Content-Type: application/octet-stream\r\n", "", "Content-Type: application/x-gzip\r\n", "",
	"content-type: text/plain; charset=utf-8\n", "", "content-type: text/html; charset=utf-8\n", "",
	"content-type: application/octet-stream\n", "", "content-type: application/x-gzip\n", "")

// short returns a long text as its digest.
func short(text string) string {
	if len(text) < 4000 {
		return text
	}
	digest := strings.Map(func(r rune) rune { // to letters: numbers may look like ports
		if r >= '0' && r <= '9' {
			return r - '0' + 'g'
		}
		return r
	}, fmt.Sprintf("%x", sha256.Sum256([]byte(text))))
	return fmt.Sprintf("(%d bytes: %s)", len(text), digest)
}

// lines cuts a text into lines for a diff.
func lines(text string) []string {
	out := strings.Split(text, "\n")
	for i, line := range out {
		if before, ok := strings.CutSuffix(line, "\r"); ok {
			out[i] = before + `\r`
		}
	}
	return out
}

func clip(s string) string {
	const most = 6000
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// collected is what Caddy logged of requests.
var collected = &sink{entries: map[string][]string{}, changed: make(chan struct{})}

// sink keeps the lines of a log by the port of the client.
type sink struct {
	mu      sync.Mutex
	entries map[string][]string
	changed chan struct{}
}

var remotePort = regexp.MustCompile(`"remote_port":"(\d+)"`)

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := remotePort.FindSubmatch(p); m != nil {
		s.entries[string(m[1])] = append(s.entries[string(m[1])], string(p))
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return len(p), nil
}

func (*sink) Close() error { return nil }

// comparableEntries returns log entries without what differs from one run to the next. The fields
// of headers come in any order.
func comparableEntries(entries []string) string {
	var out []string
	for _, line := range entries {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			return err.Error()
		}
		if reason, _ := entry["error"].(string); strings.Contains(reason, "context canceled") {
			continue // the client has left: whether that shows depends on who notices first
		}
		for _, name := range []string{"ts", "duration", "err_id"} {
			delete(entry, name)
		}
		if request, ok := entry["request"].(map[string]any); ok {
			delete(request, "remote_port")
		}
		if header, ok := entry["resp_headers"].(map[string]any); ok {
			if values, ok := header["Trailer"].([]any); ok {
				for i := range values {
					values[i] = sortList(fmt.Sprint("Trailer: ", values[i]))
				}
			}
		}
		if entry["status"] == float64(http.StatusBadGateway) {
			delete(entry, "bytes_read")
		}
		if logger, _ := entry["logger"].(string); strings.HasPrefix(logger, "http.handlers.") {
			entry["logger"] = onPurposeLogger
		}
		var text strings.Builder
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		if err := enc.Encode(entry); err != nil {
			return err.Error()
		}
		out = append(out, errorID.ReplaceAllString(text.String(), "$1"))
	}
	sort.Strings(out)
	return strings.Join(out, "")
}

// take returns the entries of a client's connection and forgets them. It waits until there are
// that many of the access log.
func (s *sink) take(port string, access int) string {
	late := time.After(patience)
	for {
		s.mu.Lock()
		entries, changed := s.entries[port], s.changed
		n := 0
		for _, line := range entries {
			if strings.Contains(line, `"logger":"http.log.access`) {
				n++
			}
		}
		if n >= access {
			delete(s.entries, port)
			s.mu.Unlock()
			return comparableEntries(entries)
		}
		s.mu.Unlock()
		select {
		case <-changed:
		case <-late:
			return fmt.Sprintf("%d entries of the access log, not %d", n, access)
		}
	}
}
