package caddymodule

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// The events take 300 KiB at most, all together.
const (
	maxEvents    = 50
	maxEventBody = 4 << 10 // bytes
	maxEventText = 256     // bytes of each of the other texts that clients send
)

// event is a request of a test key, as a person may see it.
type event struct {
	ID          uint64    `json:"id"` // counts up
	Time        time.Time `json:"time"`
	KeyID       string    `json:"key_id"`
	Account     string    `json:"account,omitempty"`
	Mode        string    `json:"mode"`
	Method      string    `json:"method"`
	Path        string    `json:"path"`
	Verdict     string    `json:"verdict"`
	ContentType string    `json:"content_type,omitempty"`
	Body        string    `json:"body,omitempty"`
	// BodyNote says why Body is not all of the body: `truncated`, `streamed`, or
	// `withheld` if it could not be made sure that no key is in it.
	BodyNote string `json:"body_note,omitempty"`
}

// recentEvents holds the last requests of test keys, in memory only.
type recentEvents struct {
	mu     sync.Mutex
	last   uint64  // ID
	events []event // the latest last
}

func (l *recentEvents) add(e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.ID = l.last
	if len(l.events) == maxEvents {
		l.events = slices.Delete(l.events, 0, 1)
	}
	l.events = append(l.events, e)
}

// list returns the events, the latest first.
func (l *recentEvents) list() []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := append([]event{}, l.events...)
	slices.Reverse(list)
	return list
}

// noteRecent keeps the request if its key is for tests.
func (g *Gate) noteRecent(r *http.Request, p *passage, verdict string) {
	if p.record == nil || p.record.Mode != keysync.ModeTest {
		return
	}
	e := event{
		Time: p.now, KeyID: p.record.KeyID, Account: p.record.Account, Mode: p.record.Mode, Verdict: verdict,
		Method: p.showable(r.Method), Path: p.showable(r.URL.Path), ContentType: p.showable(r.Header.Get("Content-Type")),
	}
	e.Body, e.BodyNote = g.showableBody(r, p)
	g.watch.recent.value.add(e)
}

// showable returns the beginning of a text that the client has sent, cleaned as
// logs are.
func (p *passage) showable(text string) string {
	if p.holdsKey([]byte(text)) {
		return redacted
	}
	return beginning(keyNames.Text(text), maxEventText)
}

// holdsKey reports whether a key of the request stands in a text, as it is or
// escaped.
func (p *passage) holdsKey(text []byte) bool {
	plain := unescaped(text)
	defer clear(plain)
	return slices.ContainsFunc(p.set.Found(), func(f credential.Found) bool {
		return len(f.Key) > 0 && (bytes.Contains(text, f.Key) || bytes.Contains(plain, f.Key))
	})
}

// unescaped returns the strings of a JSON text, and the text percent-decoded.
func unescaped(text []byte) (plain []byte) {
	tokens := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := tokens.Token()
		if err != nil {
			break
		}
		if s, ok := token.(string); ok {
			plain = append(append(plain, s...), '\n')
		}
	}
	if decoded, err := url.QueryUnescape(string(text)); err == nil {
		plain = append(plain, decoded...)
	}
	return plain
}

// showableBody returns the beginning of the body without its keys, also if the
// backend gets them, and a note if that is not all of it. Only what can be
// searched for keys is shown.
func (g *Gate) showableBody(r *http.Request, p *passage) (text, note string) {
	if p.body == nil {
		if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
			return "", ""
		}
		return "", "streamed"
	}
	raw := bytes.Clone(p.body.Bytes())
	defer clear(raw)
	clean, ok := g.withoutKeys(r.Header, raw)
	if !ok || p.holdsKey(clean) {
		return "", "withheld"
	}
	// Cleaned is a good deal more than is shown, so that nothing is cut in two.
	text = keyNames.Text(beginning(string(clean), 2*maxEventBody))
	if len(text) <= maxEventBody && len(clean) <= 2*maxEventBody {
		return text, ""
	}
	return beginning(text, maxEventBody), "truncated"
}

// withoutKeys cuts the credentials out of a body, and reports whether it could be
// searched for them.
func (g *Gate) withoutKeys(h http.Header, raw []byte) ([]byte, bool) {
	kind, ref := g.bodyKind(h)
	if ref != nil {
		return nil, false
	}
	set := credential.GetSet()
	defer credential.PutSet(set)
	clean, looked, err := kind.scan(g.remover, raw, set)
	return clean, looked && err == nil
}

// beginning returns at most n bytes of s, and no half of a character.
func beginning(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
