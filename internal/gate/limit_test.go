package gate_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// TestLimitsOfKnownCallers is for what a gate remembers of a caller: what a limit counts by and
// what a request costs is remembered only if the record alone decides it, and only as long as the
// record is the same.
func TestLimitsOfKnownCallers(t *testing.T) {
	const left = "X-Ratelimit-Remaining"
	tests := map[string]struct {
		limit config.Limit
		steps []request
		left  []string
	}{
		"account": {
			config.Limit{By: []string{config.ByAccount}},
			[]request{get("/", keyA), get("/", keyA), get("/", keyB), get("/", keyC), get("/", keyA)},
			[]string{"8", "7", "6", "8", "5"},
		},
		"key": {
			config.Limit{By: []string{config.ByKey}},
			[]request{get("/", keyA), get("/", keyA), get("/", keyB), get("/", keyA), get("/", keyB)},
			[]string{"8", "7", "8", "6", "7"},
		},
		"key and route": {
			config.Limit{By: []string{config.ByKey, config.ByRoute}},
			[]request{get("/", keyA), get("/", keyA), postJSON("/", keyA, "[]"), get("/", keyA)},
			[]string{"8", "7", "8", "6"},
		},
		"items": {
			config.Limit{By: []string{config.ByKey}, Cost: config.CostBodyItems},
			[]request{postJSON("/", keyA, "[1]"), postJSON("/", keyA, "[1,2,3]"), postJSON("/", keyA, "[1]")},
			[]string{"8", "5", "4"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.limit.Rate = mustRate(t, "9/1d")
			st := start(t, config.Gate{Limits: []config.Limit{tt.limit}},
				map[string]keysync.Record{keyA: {Account: "one"}, keyB: {Account: "one"}, keyC: {Account: "two"}})
			var got []string
			for _, q := range tt.steps {
				got = append(got, st.do(t, q).header.Get(left))
			}
			if !slices.Equal(got, tt.left) {
				t.Errorf("left after each request: %v, want %v", got, tt.left)
			}
		})
	}
}

// TestLimitsOfAChangedRecord: a new rate in the record holds at once, also for a known caller.
func TestLimitsOfAChangedRecord(t *testing.T) {
	digest, source := keysync.DigestOf([]byte(keyA)), make(memory)
	source[digest] = &keysync.Record{KeyID: "key_a", Mode: keysync.ModeLive, Limits: map[string]string{"key": "4/1d"}}
	st := startWith(t, config.Gate{Limits: []config.Limit{{By: []string{config.ByKey}, Rate: mustRate(t, "9/1d")}}}, nil,
		func(o *gate.Options) { o.Source = source })
	for _, want := range []string{"3", "2", "1"} {
		if got := st.do(t, get("/", keyA)).header.Get("X-Ratelimit-Remaining"); got != want {
			t.Errorf("%s left, want %s", got, want)
		}
	}
	changed := *source[digest]
	changed.Limits = maps.Clone(changed.Limits)
	changed.Limits["key"] = "3/1d"
	source[digest] = &changed
	if got := st.do(t, get("/", keyA)); got.status != http.StatusTooManyRequests {
		t.Errorf("answer %d after the rate became smaller than what is used, want 429", got.status)
	}
}

func mustRate(t *testing.T, text string) config.Rate {
	t.Helper()
	rate, err := config.ParseRate(text)
	if err != nil {
		t.Fatal(err)
	}
	return rate
}
