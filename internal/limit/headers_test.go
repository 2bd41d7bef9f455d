package limit

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/google/go-cmp/cmp"
)

func TestSetHeaders(t *testing.T) {
	reset := time.Unix(1_700_000_040, 0)
	for _, tc := range []struct {
		name  string
		state State
		want  http.Header
	}{
		{"not counted", State{}, http.Header{}},
		{
			"taken",
			State{Limit: 1000, Remaining: 999, Reset: reset, Wait: 40 * time.Second},
			http.Header{"X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Remaining": {"999"}, "X-Ratelimit-Reset": {"1700000040"}},
		},
		{
			"refused",
			State{Limit: 1000, Reset: reset, Wait: 39*time.Second + 1, Refused: true},
			http.Header{
				"X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1700000040"},
				"Retry-After": {"40"},
			},
		},
		{
			"reset within a second",
			State{Limit: 5, Remaining: 1, Reset: reset.Add(time.Millisecond), Wait: time.Millisecond, Refused: true},
			http.Header{
				"X-Ratelimit-Limit": {"5"}, "X-Ratelimit-Remaining": {"1"}, "X-Ratelimit-Reset": {"1700000041"},
				"Retry-After": {"1"},
			},
		},
		{
			"reset now",
			State{Limit: 5, Reset: reset, Wait: 0, Refused: true},
			http.Header{
				"X-Ratelimit-Limit": {"5"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1700000040"},
				"Retry-After": {"1"},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := http.Header{}
			SetHeaders(h, Unix, tc.state, new(Values))
			if diff := cmp.Diff(tc.want, h); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSetHeadersStyles: a client that takes X-RateLimit-Reset for seconds must not
// read a time in it, nor 0, which it would take for "at once".
func TestSetHeadersStyles(t *testing.T) {
	reset := time.Unix(1_700_000_040, 0)
	taken := State{Limit: 9, Remaining: 3, Reset: reset, Wait: 39*time.Second + 1}
	refused := State{Limit: 9, Reset: reset, Wait: time.Millisecond, Refused: true}
	now := State{Limit: 9, Remaining: 3, Reset: reset}
	limits := func(remaining, reset string) http.Header {
		return http.Header{"X-Ratelimit-Limit": {"9"}, "X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Reset": {reset}}
	}
	again := func(h http.Header) http.Header {
		h.Set("Retry-After", "1")
		return h
	}
	for _, tc := range []struct {
		name  string
		style Style
		state State
		want  http.Header
	}{
		{"unix", Unix, taken, limits("3", "1700000040")},
		{"unix, refused", Unix, refused, again(limits("0", "1700000040"))},
		{"ietf", IETF, taken, limits("3", "1700000040")},
		{"seconds", Seconds, taken, limits("3", "40")},
		{"seconds, refused", Seconds, refused, again(limits("0", "1"))},
		{"seconds, at the end", Seconds, now, limits("3", "1")},
		{"seconds, not counted", Seconds, State{}, http.Header{}},
		{"off", Off, taken, http.Header{}},
		{"off, refused", Off, refused, again(http.Header{})},
		{"off, not counted", Off, State{}, http.Header{}},
	} {
		h := http.Header{}
		SetHeaders(h, tc.style, tc.state, new(Values))
		if diff := cmp.Diff(tc.want, h); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestSetHeadersReplaces: headers of the upstream do not survive, and later
// additions do not run into each other's memory.
func TestSetHeadersReplaces(t *testing.T) {
	h := http.Header{}
	for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After", "RateLimit", "RateLimit-Policy"} {
		h.Add(name, "upstream")
		h.Add(name, "again")
	}
	s := State{Limit: 7, Remaining: 3, Reset: time.Unix(60, 0), Wait: time.Minute, Refused: true}
	SetHeaders(h, Unix, s, new(Values))
	SetIETFHeaders(h, []Take{{Limit: "x", Rate: Rate{7, time.Minute}}}, []State{s})
	h.Add("X-RateLimit-Limit", "added")
	h.Add("RateLimit-Policy", "added")
	want := http.Header{
		"X-Ratelimit-Limit": {"7", "added"}, "X-Ratelimit-Remaining": {"3"}, "X-Ratelimit-Reset": {"60"}, "Retry-After": {"60"},
		"Ratelimit-Policy": {`"x";q=7;w=60`, "added"}, "Ratelimit": {`"x";r=3;t=60`},
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSetIETFHeadersDraft renders the examples of the draft, in which white
// space after the comma varies.
func TestSetIETFHeadersDraft(t *testing.T) {
	type item struct {
		name         string
		n, remaining int64
		window, wait time.Duration
	}
	for _, tc := range []struct {
		section       string
		items         []item
		policy, limit string
	}{
		{"3", []item{{"burst", 100, 0, 60 * time.Second, 0}, {"daily", 1000, 0, 86400 * time.Second, 0}}, `"burst";q=100;w=60,"daily";q=1000;w=86400`, ""},
		{"3.2 window", []item{{"default", 100, 0, 10 * time.Second, 0}}, `"default";q=100;w=10`, ""},
		{"3.2 multiple", []item{{"permin", 50, 0, 60 * time.Second, 0}, {"perhr", 1000, 0, 3600 * time.Second, 0}}, `"permin";q=50;w=60,"perhr";q=1000;w=3600`, ""},
		{"4.2", []item{{"default", 100, 50, time.Minute, 30 * time.Second}}, "", `"default";r=50;t=30`},
		{"8.5", []item{{"somepolicy", 10000, 10000, 1000 * time.Second, 10 * time.Second}}, `"somepolicy";q=10000;w=1000`, `"somepolicy";r=10000;t=10`},
		{"B.1.1", []item{{"default", 100, 0, time.Minute, 50 * time.Second}}, "", `"default";r=0;t=50`},
		{"B.1.2", []item{{"dayLimit", 5000, 100, 24 * time.Hour, 10 * time.Hour}}, "", `"dayLimit";r=100;t=36000`},
		{"B.1.3", []item{{"basic", 100, 60, 60 * time.Second, 58 * time.Second}}, `"basic";q=100;w=60`, `"basic";r=60;t=58`},
		{"B.1.4", []item{{"default", 100, 0, time.Minute, 5 * time.Second}}, "", `"default";r=0;t=5`},
		{"B.2.1", []item{{"fixedwindow", 100, 99, time.Minute, 50 * time.Second}}, `"fixedwindow";q=100;w=60`, `"fixedwindow";r=99;t=50`},
		{"B.2.2", []item{{"dynamic", 100, 9, time.Minute, 50 * time.Second}}, `"dynamic";q=100;w=60`, `"dynamic";r=9;t=50`},
		{"B.2.3", []item{{"dynamic", 15, 0, 20 * time.Second, 20 * time.Second}}, `"dynamic";q=15;w=20`, `"dynamic";r=0;t=20`},
		{"B.3", []item{{"dynamic", 100, 15, time.Minute, 40 * time.Second}}, `"dynamic";q=100;w=60`, `"dynamic";r=15;t=40`},
		{"B.3.2", []item{{"hour", 1000, 0, time.Hour, 0}, {"day", 5000, 100, 24 * time.Hour, 10 * time.Hour}}, `"hour";q=1000;w=3600, "day";q=5000;w=86400`, ""},
	} {
		t.Run(tc.section, func(t *testing.T) {
			var takes []Take
			var states []State
			for _, i := range tc.items {
				takes = append(takes, Take{Limit: i.name, Rate: Rate{i.n, i.window}})
				states = append(states, State{Limit: i.n, Remaining: i.remaining, Wait: i.wait})
			}
			h := http.Header{}
			SetIETFHeaders(h, takes, states)
			for name, want := range map[string]string{"RateLimit-Policy": tc.policy, "RateLimit": tc.limit} {
				got := strings.ReplaceAll(h.Get(name), ", ", ",")
				if want = strings.ReplaceAll(want, ", ", ","); want != "" && got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		})
	}
}

// TestSetIETFHeadersParse reads the fields back with a parser of RFC 9651.
func TestSetIETFHeadersParse(t *testing.T) {
	takes := []Take{
		{Limit: `6 "quoted" \ back`, Rate: Rate{1 << 40, 1500 * time.Millisecond}},
		{Limit: "uncounted", Rate: Rate{5, time.Second}},
		{Limit: "line\r\nX-Injected: 1, é", Rate: Rate{5, 24 * time.Hour}},
	}
	states := []State{
		{Limit: 1 << 40, Remaining: 1 << 39, Wait: time.Millisecond},
		{},
		{Limit: 5, Remaining: 0, Wait: 86399*time.Second + 1},
	}
	h := http.Header{}
	SetIETFHeaders(h, takes, states)
	type item struct {
		Name string
		A, B int64
	}
	for _, tc := range []struct {
		field, a, b string
		want        []item
	}{
		{"RateLimit-Policy", "q", "w", []item{{takes[0].Limit, 1 << 40, 2}, {"line??X-Injected: 1, ??", 5, 86400}}},
		{"RateLimit", "r", "t", []item{{takes[0].Limit, 1 << 39, 1}, {"line??X-Injected: 1, ??", 0, 86400}}},
	} {
		list, err := httpsfv.UnmarshalList(h[http.CanonicalHeaderKey(tc.field)])
		if err != nil {
			t.Fatalf("%s: %s: %v", tc.field, h.Get(tc.field), err)
		}
		var got []item
		for _, member := range list {
			i := member.(httpsfv.Item)
			a, _ := i.Params.Get(tc.a)
			b, _ := i.Params.Get(tc.b)
			got = append(got, item{i.Value.(string), a.(int64), b.(int64)})
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.field, diff)
		}
	}
	// The largest Integer has 15 digits.
	SetIETFHeaders(h, []Take{{Limit: "huge", Rate: Rate{1 << 60, time.Second}}}, []State{{Limit: 1 << 60, Remaining: 1 << 60}})
	if got := h.Get("RateLimit-Policy") + " " + h.Get("RateLimit"); got != `"huge";q=999999999999999;w=1 "huge";r=999999999999999;t=0` {
		t.Error(got)
	}
	SetIETFHeaders(h, takes[1:2], states[1:2])
	if h.Get("RateLimit") == "" {
		t.Error("a request that was not counted removed headers")
	}
}

func TestHeaderAllocations(t *testing.T) {
	h := http.Header{}
	s := State{Limit: 1000, Remaining: 999, Reset: time.Unix(1_700_000_040, 0), Wait: 40 * time.Second, Refused: true}
	if n := testing.AllocsPerRun(100, func() { SetHeaders(h, Unix, s, new(Values)) }); n > 2 {
		t.Errorf("SetHeaders: %v allocations", n)
	}
	takes, states := []Take{{Limit: "minute", Rate: Rate{1000, time.Minute}}}, []State{s}
	if n := testing.AllocsPerRun(100, func() { SetIETFHeaders(h, takes, states) }); n > 3 {
		t.Errorf("SetIETFHeaders: %v allocations", n)
	}
}

func BenchmarkSetHeaders(b *testing.B) {
	h := http.Header{}
	s := State{Limit: 1000, Remaining: 999, Reset: time.Unix(1_700_000_040, 0), Wait: 40 * time.Second}
	b.ReportAllocs()
	for b.Loop() {
		SetHeaders(h, Unix, s, new(Values))
	}
}

// TestWaitsAreNeverTooShort: clients that must wait are never told to come back at once, or at a time
// that is no number of seconds, whatever the clocks said.
func TestWaitsAreNeverTooShort(t *testing.T) {
	for wait, want := range map[time.Duration][2]string{
		-time.Hour: {"1", "0"}, -1: {"1", "0"}, 0: {"1", "0"}, 1: {"1", "1"}, 999 * time.Millisecond: {"1", "1"},
		time.Second: {"1", "1"}, time.Second + 1: {"2", "2"}, 366 * 24 * time.Hour: {"31622400", "31622400"},
	} {
		s := State{Limit: 5, Reset: time.Now(), Wait: wait, Refused: true}
		for _, style := range []Style{Unix, Seconds, IETF, Off} {
			h := http.Header{}
			SetHeaders(h, style, s, new(Values))
			if got := h.Get("Retry-After"); got != want[0] {
				t.Errorf("style %v, %v: Retry-After %s, want %s", style, wait, got, want[0])
			}
		}
		h := http.Header{}
		SetIETFHeaders(h, []Take{{Limit: "key", Rate: Rate{5, time.Minute}}}, []State{s})
		if got := h.Get("RateLimit"); got != `"key";r=0;t=`+want[1] {
			t.Errorf("%v: RateLimit %s, want t=%s", wait, got, want[1])
		}
	}
}
