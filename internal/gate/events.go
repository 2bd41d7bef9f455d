package gate

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
)

// noteEvent keeps the request if its key is for tests.
func (g *Gate) noteEvent(r *http.Request, p *passage, verdict Verdict) {
	if ModeOf(p.record) != ModeTest {
		return
	}
	e := flow.Event{
		Time: p.now, KeyID: p.record.KeyID, Account: p.record.Account, Mode: p.record.Mode, Verdict: verdict.String(), Copies: p.copies.Names(),
		Method: g.showable(p, r.Method), Path: g.showable(p, r.URL.Path), ContentType: g.showable(p, r.Header.Get("Content-Type")),
	}
	e.Body, e.BodyNote = g.showableBody(r, p)
	g.events.Add(e)
}

// showable returns the beginning of a text from the client, cleaned as logs are.
func (g *Gate) showable(p *passage, text string) string {
	if p.holdsKey([]byte(text)) {
		return redact.Redacted
	}
	return beginning(g.names.Text(text), flow.MaxEventText)
}

// holdsKey reports whether a text contains a key of the request, plain or escaped.
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

// showableBody returns the beginning of the body without its keys, even if the backend
// gets them, and a note if that is not the whole body. It shows only what can be searched
// for keys.
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
	// Much more is cleaned than is shown, so that no key is cut in two.
	text = g.names.Text(beginning(string(clean), 2*flow.MaxEventBody))
	if len(text) <= flow.MaxEventBody && len(clean) <= 2*flow.MaxEventBody {
		return text, ""
	}
	return beginning(text, flow.MaxEventBody), "truncated"
}

// withoutKeys cuts the credentials out of a body, and reports whether it could be
// searched for them.
func (g *Gate) withoutKeys(h http.Header, raw []byte) ([]byte, bool) {
	m, ref := g.bodyMedia(h)
	if ref != nil {
		return nil, false
	}
	set := credential.GetSet()
	defer credential.PutSet(set)
	clean, looked, err := scan(g.remover, m, raw, set)
	return clean, looked && err == nil
}

// beginning returns at most n bytes of s, without splitting a character.
func beginning(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
