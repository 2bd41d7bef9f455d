package flow

import (
	"slices"
	"sync"
	"time"
)

// All events together need at most 300 KiB.
const (
	maxEvents = 50

	// MaxEventBody is the maximal length in bytes of Event.Body, MaxEventText that of
	// each other text from clients.
	MaxEventBody = 4 << 10
	MaxEventText = 256
)

// Event is a request of a test key, as a person may see it.
type Event struct {
	ID          uint64    `json:"id"` // counts up
	Time        time.Time `json:"time"`
	KeyID       string    `json:"key_id"`
	Account     string    `json:"account,omitempty"`
	Mode        string    `json:"mode"`
	Method      string    `json:"method"`
	Path        string    `json:"path"`
	Verdict     string    `json:"verdict"`
	Copies      []string  `json:"copies,omitempty"` // places in which the key stood once more
	ContentType string    `json:"content_type,omitempty"`
	Body        string    `json:"body,omitempty"`
	// BodyNote says why Body is not the whole body: `truncated`, `streamed`, or
	// `withheld` if it may contain a key.
	BodyNote string `json:"body_note,omitempty"`
}

// Events holds the last requests of test keys, in memory only.
type Events struct {
	mu     sync.Mutex
	last   uint64  // ID
	events []Event // the latest last
}

// Add keeps an event, in place of the oldest if there are too many.
func (l *Events) Add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.ID = l.last
	if len(l.events) == maxEvents {
		l.events = slices.Delete(l.events, 0, 1)
	}
	l.events = append(l.events, e)
}

// List returns the events, the latest first.
func (l *Events) List() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := append([]Event{}, l.events...)
	slices.Reverse(list)
	return list
}
