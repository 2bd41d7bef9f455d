package gate

import (
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/internal/copies"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Host is what a gate runs in: Caddy's handler, or any net/http server. Its methods are
// called concurrently.
type Host interface {
	// ClientIP returns the address of the client, "" if it is not known.
	ClientIP(r *http.Request) string

	// OriginalURL returns the URL as the client sent it, if the host keeps it apart from
	// the request, else nil. It is not to be changed.
	OriginalURL(r *http.Request) *url.URL

	// SetOriginalURL gives that URL, which is not nil, the path and the query of another.
	// It may give the request another context.
	SetOriginalURL(r *http.Request, u *url.URL)

	// Introduce tells the host the result for the request: values answers placeholders,
	// by their names without braces, and fields are for the access log.
	Introduce(r *http.Request, values func(name string) (any, bool), fields zapcore.ObjectMarshaler)

	// LacksKey tells the host that no good key was found in the request: everything in it
	// may be a key, and must not be logged.
	LacksKey(r *http.Request)

	// Value returns the value for the name from the last Introduce that knows it, also
	// from another gate on the request's way. It is nil if there is none.
	Value(r *http.Request, name string) any

	// Expand replaces the placeholders in a text.
	Expand(r *http.Request, text string) string

	// IsCopy reports whether r is a copy of the request that the server holds.
	IsCopy(r *http.Request) bool

	// Error returns an error that makes the host answer in its own way.
	Error(status int, message string) error

	// Hold keeps everything open that the gate uses, until Release, even if the host has
	// replaced the gate.
	Hold()
	Release()
}

// Handler handles a request. It returns an error for the host to answer.
type Handler interface {
	ServeHTTP(w http.ResponseWriter, r *http.Request) error
}

// Meter counts what gates do. Its methods are called concurrently. They should not take a
// lock that all requests share.
type Meter interface {
	// Request counts a request. A streaming body that turns out to be too large is
	// counted twice: as allowed, and as refused.
	Request(j Judged)

	// Passed measures the time that the gate itself spends on a request.
	Passed(took time.Duration, readBody bool)

	// Copies counts that the key of a request stood in more places than one.
	Copies(places copies.Places)

	// Lookup counts the outcome of a look-up.
	Lookup(outcome keysync.Outcome)

	// LimitTake counts that the limit counted a request, LimitRefusal that it refused
	// one.
	LimitTake(limit string)
	LimitRefusal(limit string)
}

// Judged is a request for counting.
type Judged struct {
	Verdict  Verdict
	Location string          // where the key was, as "header X-API-Key"; "" if no key counts
	Record   *keysync.Record // of the key, nil if it is unknown
	Enforced bool
}

// Mode is the mode of a key, as an index.
type Mode uint8

// The modes.
const (
	NoMode Mode = iota // there is no key, or it is unknown
	ModeLive
	ModeTest

	// Modes is how many there are.
	Modes = int(iota)
)

var modes = [Modes]string{NoMode: "", ModeLive: keysync.ModeLive, ModeTest: keysync.ModeTest}

// String returns the mode as records have it.
func (m Mode) String() string { return modes[m] }

// ModeOf returns the mode of a record, which may be nil.
func ModeOf(rec *keysync.Record) Mode {
	switch {
	case rec == nil:
		return NoMode
	case rec.Mode == keysync.ModeLive:
		return ModeLive
	case rec.Mode == keysync.ModeTest:
		return ModeTest
	}
	return NoMode
}

// modeSet is the set of modes that a gate accepts.
type modeSet uint8

// modesOf returns the modes with these names, all modes without names.
func modesOf(names []string) modeSet {
	if len(names) == 0 {
		return ^modeSet(0)
	}
	var set modeSet
	for _, name := range names {
		set |= 1 << ModeOf(&keysync.Record{Mode: name})
	}
	return set
}

func (s modeSet) has(m Mode) bool { return s>>m&1 == 1 }
