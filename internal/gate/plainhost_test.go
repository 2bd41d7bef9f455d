package gate_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/copies"
	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// plainHost is the least that a gate runs in: an http.Handler around another.
type plainHost struct {
	held *atomic.Int64 // requests that hold what the gate uses
	ever *atomic.Int64
}

func newPlainHost() plainHost { return plainHost{new(atomic.Int64), new(atomic.Int64)} }

// notes is what the host keeps of a request, in its context.
type notes struct {
	values []func(string) (any, bool) // the latest last
}

type notesKey struct{}

func notesOf(r *http.Request) *notes { return r.Context().Value(notesKey{}).(*notes) }

func (plainHost) ClientIP(r *http.Request) string {
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	return ip
}

func (plainHost) OriginalURL(*http.Request) *url.URL     { return nil }
func (plainHost) SetOriginalURL(*http.Request, *url.URL) {}

func (plainHost) Introduce(r *http.Request, values func(string) (any, bool), _ zapcore.ObjectMarshaler) {
	n := notesOf(r)
	n.values = append(n.values, values)
}

func (plainHost) LacksKey(*http.Request) {}

func (plainHost) Value(r *http.Request, name string) any {
	n := notesOf(r)
	for _, answer := range slices.Backward(n.values) {
		if v, ok := answer(name); ok {
			return v
		}
	}
	return nil
}

func (h plainHost) Expand(r *http.Request, text string) string {
	message, _ := h.Value(r, "http.ingest_auth.error").(string)
	return strings.ReplaceAll(text, "{http.ingest_auth.error}", message)
}

func (plainHost) IsCopy(*http.Request) bool { return false }

func (h plainHost) Hold()    { h.held.Add(1); h.ever.Add(1) }
func (h plainHost) Release() { h.held.Add(-1) }

type plainError struct {
	status  int
	message string
}

func (e plainError) Error() string { return e.message }

func (plainHost) Error(status int, message string) error { return plainError{status, message} }

// middleware puts gates in front of a handler.
func middleware(next http.Handler, gates ...*gate.Gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), notesKey{}, new(notes)))
		var refused plainError
		if err := (chain{gates, next}).ServeHTTP(w, r); errors.As(err, &refused) {
			http.Error(w, "the host says: "+refused.message, refused.status)
		}
	})
}

type chain struct {
	gates []*gate.Gate
	last  http.Handler
}

func (c chain) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	if len(c.gates) == 0 {
		c.last.ServeHTTP(w, r)
		return nil
	}
	return c.gates[0].ServeHTTP(w, r, chain{c.gates[1:], c.last})
}

// memory is a source of records.
type memory map[keysync.Digest]*keysync.Record

func (m memory) Lookup(_ context.Context, d keysync.Digest) (*keysync.Record, error) {
	if rec, ok := m[d]; ok {
		return rec, nil
	}
	return nil, keysync.ErrUnknown
}

func (m memory) Get(ctx context.Context, d keysync.Digest) (*keysync.Record, keysync.Outcome, error) {
	rec, err := m.Lookup(ctx, d)
	if err != nil {
		return nil, keysync.OutcomeUnknown, err
	}
	return rec, keysync.OutcomeHit, nil
}

// tallied counts verdicts.
type tallied struct {
	mu       sync.Mutex
	verdicts map[string]int
	copies   map[string]int // requests by place
}

func newTallied() *tallied {
	return &tallied{verdicts: make(map[string]int), copies: make(map[string]int)}
}

func (m *tallied) Request(j gate.Judged) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.verdicts[j.Verdict.String()]++
}

func (m *tallied) Copies(places copies.Places) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, place := range places.Names() {
		m.copies[place]++
	}
}
func (*tallied) Passed(time.Duration, bool) {}
func (*tallied) Lookup(keysync.Outcome)     {}
func (*tallied) LimitTake(string)           {}
func (*tallied) LimitRefusal(string)        {}

// site is a gate in front of a backend that records what it gets.
type site struct {
	*httptest.Server
	meter *tallied
	host  plainHost

	mu   sync.Mutex
	seen []seen
}

type seen struct {
	uri, body string
	header    http.Header
	readErr   error // of the body
}

const (
	keyA = "legacy-gatewithoutcaddy-a"
	keyB = "legacy-gatewithoutcaddy-b"
	keyC = "legacy-gatewithoutcaddy-c"
)

const identityHeader = "X-Ingest-Identity"

// newGate returns a gate with these settings, and what set sets.
func newGate(t testing.TB, s config.Gate, records map[string]keysync.Record, set func(*gate.Options)) *gate.Gate {
	t.Helper()
	guesses := len(s.Credentials) == 0
	s.SetDefaults()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	signer, err := assertion.Open(t.Context(), nil, assertion.Options{
		Algorithm: assertion.HS256, Issuer: "gate", Audience: "backend", TTL: time.Minute, Secret: []byte(strings.Repeat("s", 32)),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(signer.Close)
	source := make(memory)
	for key, rec := range records {
		if rec.KeyID == "" {
			rec.KeyID = "key_" + key[len(key)-1:]
		}
		rec.Mode = keysync.ModeLive
		source[keysync.DigestOf([]byte(key))] = &rec
	}
	o := gate.Options{
		Settings: s, Guesses: guesses, Header: identityHeader, Source: source, Signer: signer, HalfLife: time.Minute / 2,
		Budget: body.NewBudget(64 << 20), Names: redact.NewNames(), Flow: flow.NewRecorder(), Log: zap.NewNop(),
		Meter: newTallied(), Host: newPlainHost(),
		Counters: gate.Counters{Requests: limit.NewMemory(0), Failures: limit.NewMemory(0), InFlight: limit.NewInFlight()},
	}
	set(&o)
	g, err := gate.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// start starts a site with one gate.
func start(t *testing.T, s config.Gate, records map[string]keysync.Record) *site {
	t.Helper()
	return startWith(t, s, records, func(*gate.Options) {})
}

// startWith is start with what set sets.
func startWith(t *testing.T, s config.Gate, records map[string]keysync.Record, set func(*gate.Options)) *site {
	t.Helper()
	st := &site{meter: newTallied(), host: newPlainHost()}
	backend := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		st.mu.Lock()
		st.seen = append(st.seen, seen{r.RequestURI, string(b), r.Header.Clone(), err})
		st.mu.Unlock()
		_, _ = io.WriteString(w, "ok")
	})
	st.Server = httptest.NewServer(middleware(backend, newGate(t, s, records, func(o *gate.Options) {
		o.Meter, o.Host = st.meter, st.host
		set(o)
	})))
	t.Cleanup(st.Close)
	return st
}

// request is what a client sends: a GET without a body, else a POST.
type request struct {
	method, target, body string
	header               http.Header
}

func get(target, key string) request {
	return request{target: target, header: http.Header{"X-Api-Key": {key}}}
}

func postJSON(target, key, body string) request {
	r := request{target: target, body: body, header: http.Header{"Content-Type": {"application/json"}}}
	if key != "" {
		r.header["X-Api-Key"] = []string{key}
	}
	return r
}

type reply struct {
	status int
	header http.Header
	body   string
	seen   []seen // by the backend
}

// do sends a request.
func (s *site) do(t *testing.T, q request) reply {
	t.Helper()
	method := q.method
	if method == "" {
		method = http.MethodGet
		if q.body != "" {
			method = http.MethodPost
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+q.target, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, q.header)
	return s.send(t, r)
}

func (s *site) send(t *testing.T, r *http.Request) reply {
	t.Helper()
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := reply{resp.StatusCode, resp.Header, string(b), s.seen}
	s.seen = nil
	return out
}

// answer is what a client should get. An empty text is the backend's answer.
type answer struct {
	status int
	text   string
}

// check sends requests, named by what they are, and checks what comes of them and
// whether the backend saw them.
func (s *site) check(t *testing.T, requests map[string]request, want map[string]answer) {
	t.Helper()
	for name, q := range requests {
		got, w := s.do(t, q), want[name]
		if got.status != w.status || !strings.Contains(got.body, w.text) {
			t.Errorf("%s: %d %s, want %d %s", name, got.status, got.body, w.status, w.text)
		}
		if n := len(got.seen); n != 1 && w.status == http.StatusOK || n != 0 && w.status != http.StatusOK {
			t.Errorf("%s: the backend saw %d requests", name, n)
		}
	}
}
