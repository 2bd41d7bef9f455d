package assertion

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewSchedule(t *testing.T) {
	tests := []struct {
		rotate, lead, poll time.Duration
	}{
		{24 * time.Hour, 10 * time.Minute, time.Minute},
		{40 * time.Minute, 10 * time.Minute, time.Minute},
		{20 * time.Minute, 5 * time.Minute, 30 * time.Second},
		{time.Minute, 15 * time.Second, 1500 * time.Millisecond},
	}
	for _, tt := range tests {
		s := newSchedule(Options{Rotate: tt.rotate, TTL: time.Second})
		if s.lead != tt.lead || s.poll != tt.poll {
			t.Errorf("rotate %s: lead %s, poll %s; want %s, %s", tt.rotate, s.lead, s.poll, tt.lead, tt.poll)
		}
	}
}

var day0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at returns minutes after day0.
func at(minutes float64) time.Time { return day0.Add(time.Duration(minutes * float64(time.Minute))) }

// hourly has a lead of 10, a poll of 1, and a ttl of 5 minutes.
var hourly = newSchedule(Options{Rotate: time.Hour, TTL: 5 * time.Minute})

func TestRotationDue(t *testing.T) {
	keys := []*key{{signsFrom: at(-60)}, {signsFrom: at(0)}}
	for minute, want := range map[float64]bool{0: false, 48.9: false, 49: true, 60: true, 600: true} {
		if got := hourly.rotationDue(keys, at(minute)); got != want {
			t.Errorf("minute %v: %v, want %v", minute, got, want)
		}
	}
	if !hourly.rotationDue(nil, at(0)) {
		t.Error("no first key is due")
	}
}

func TestAdd(t *testing.T) {
	first := hourly.add(nil, &key{id: "a"}, at(0))
	if k := first[0]; !k.created.Equal(at(0)) || !k.signsFrom.Equal(at(0)) {
		t.Errorf("the first key signs from %s", k.signsFrom)
	}
	both := hourly.add(first, &key{id: "b"}, at(49))
	if k := both[1]; !k.created.Equal(at(49)) || !k.signsFrom.Equal(at(60)) {
		t.Errorf("the second key signs from %s, want lead and poll later", k.signsFrom)
	}
}

func TestSettle(t *testing.T) {
	tests := []struct {
		name    string
		keys    []*key
		now     time.Time
		want    map[string]time.Time // retirement by ID
		changed bool
	}{
		{"one key", []*key{{id: "a", signsFrom: at(0)}}, at(1000), map[string]time.Time{"a": {}}, false},
		{
			"new successor",
			[]*key{{id: "a", signsFrom: at(0)}, {id: "b", signsFrom: at(60)}},
			at(49),
			map[string]time.Time{"a": at(75), "b": {}},
			true,
		},
		{
			"nothing to do",
			[]*key{{id: "a", signsFrom: at(0), retire: at(75)}, {id: "b", signsFrom: at(60)}},
			at(74.9),
			map[string]time.Time{"a": at(75), "b": {}},
			false,
		},
		{
			"removed",
			[]*key{{id: "a", signsFrom: at(0), retire: at(75)}, {id: "b", signsFrom: at(60)}},
			at(75),
			map[string]time.Time{"b": {}},
			true,
		},
		{
			"another instance has a longer ttl",
			[]*key{{id: "a", signsFrom: at(0), retire: at(99)}, {id: "b", signsFrom: at(60)}},
			at(98),
			map[string]time.Time{"a": at(99), "b": {}},
			false,
		},
		{
			"another instance has a shorter ttl",
			[]*key{{id: "a", signsFrom: at(0), retire: at(71)}, {id: "b", signsFrom: at(60)}},
			at(70),
			map[string]time.Time{"a": at(75), "b": {}},
			true,
		},
		{
			"two at once",
			[]*key{{id: "a", signsFrom: at(0), retire: at(75)}, {id: "b", signsFrom: at(60), retire: at(135)}, {id: "c", signsFrom: at(120)}},
			at(140),
			map[string]time.Time{"c": {}},
			true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			given := times(tt.keys)
			kept, changed := hourly.settle(tt.keys, tt.now)
			if diff := cmp.Diff(given, times(tt.keys)); diff != "" {
				t.Errorf("the given keys were changed (-before +after):\n%s", diff)
			}
			got := map[string]time.Time{}
			for _, k := range kept {
				got[k.id] = k.retire
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || changed != tt.changed {
				t.Errorf("changed %v, want %v; keys (-want +got):\n%s", changed, tt.changed, diff)
			}
		})
	}
}

// times returns the retirements of keys.
func times(keys []*key) []time.Time {
	var out []time.Time
	for _, k := range keys {
		out = append(out, k.retire)
	}
	return out
}

func TestActive(t *testing.T) {
	onTime := []*key{{id: "a", signsFrom: at(0), seen: at(0)}, {id: "b", signsFrom: at(60), seen: at(49)}}
	late := []*key{{id: "a", signsFrom: at(0), seen: at(0)}, {id: "b", signsFrom: at(60), seen: at(55)}}
	tooLate := []*key{{id: "a", signsFrom: at(0), seen: at(0)}, {id: "b", signsFrom: at(60), seen: at(69)}}
	tests := []struct {
		name   string
		keys   []*key
		minute float64
		want   string
	}{
		{"before its time", onTime, 59.9, "a"},
		{"at its time", onTime, 60, "b"},
		{"seen late, at its time", late, 60, "a"},
		{"seen late, published for lead", late, 65, "b"},
		{"seen too late, predecessor still usable", tooLate, 69.9, "a"},
		{"seen too late, predecessor soon removed", tooLate, 70, "b"},
		{"only key of a clock that is ahead", onTime[1:], 10, "b"},
		{"all keys of a clock that is ahead", onTime, -10, "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := hourly.active(tt.keys, at(tt.minute)).id; got != tt.want {
				t.Errorf("active = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestWake(t *testing.T) {
	keys := []*key{{signsFrom: at(0), retire: at(75)}, {signsFrom: at(60)}}
	tests := []struct {
		name         string
		minute, want float64
	}{
		{"next poll", 61, 62},
		{"removal comes first", 74.5, 75},
		{"publication comes first", 108.5, 109},
		{"after a failed publication", 109, 110},
		{"long after a failed publication", 500, 501},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := hourly.wake(keys, at(tt.minute)); !got.Equal(at(tt.want)) {
				t.Errorf("wake at %s, want %s", got, at(tt.want))
			}
		})
	}
}
