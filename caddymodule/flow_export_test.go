package caddymodule

import (
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// NoteFlow puts requests of the past into what the admin routes of the running
// configuration show.
func NoteFlow(n int, at time.Time, record *keysync.Record, verdict string) {
	app, err := runningApp()
	if err != nil {
		panic(err) // only tests call this, with a gate that runs
	}
	for range n {
		app.watch.flow.value.Note(at, record, verdict, flow.Limit{})
	}
}
