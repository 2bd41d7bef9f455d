package keysync

import (
	"encoding/json"
	"testing"
	"time"
)

func TestMomentText(t *testing.T) {
	for text, want := range map[string]string{
		"2026-01-31T12:00:00Z":           "2026-01-31T12:00:00Z",
		"2026-01-31T12:00:00.123456789Z": "2026-01-31T12:00:00.123456Z",
		"2026-01-31T12:00:00+02:00":      "2026-01-31T10:00:00Z",
		"2026-01-31t12:00:00z":           "2026-01-31T12:00:00Z", // RFC 3339, section 5.6
		"2026-01-31t12:00:00.5+02:00":    "2026-01-31T10:00:00.5Z",
		"2026-01-31T12:00:00z":           "2026-01-31T12:00:00Z",
		"9999-12-31T23:59:59Z":           "9999-12-31T23:59:59Z",
		"1970-01-01T00:00:00Z":           "1970-01-01T00:00:00.000001Z", // not never
		"9999-12-31T23:59:59.9999999Z":   "9999-12-31T23:59:59.999999Z",
	} {
		var m Moment
		if err := m.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := json.Marshal(m)
		if err != nil || string(got) != `"`+want+`"` || m.String() != want {
			t.Errorf("%s became %s, %s, error %v, want %s", text, got, m, err, want)
		}
		var back Moment
		if err := json.Unmarshal(got, &back); err != nil || back != m {
			t.Errorf("%s became %v, error %v", got, back, err)
		}
	}
	for _, text := range []string{"", "0", "2026-01-31", "2026-01-31 12:00:00", "1969-12-31T23:59:59Z", "1970-01-01T01:00:00+02:00", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00Z"} {
		m := Moment(7)
		if err := m.UnmarshalText([]byte(text)); err == nil || m != 7 {
			t.Errorf("%q became %v, error %v", text, m, err)
		}
	}
}

func TestMomentOf(t *testing.T) {
	now := time.Now()
	for in, want := range map[time.Time]time.Time{
		{}:                                {},
		now:                               now.UTC().Truncate(time.Microsecond),
		time.Unix(-5, 0):                  time.UnixMicro(1).UTC(),
		now.In(time.FixedZone("x", 3600)): now.UTC().Truncate(time.Microsecond),
		time.Date(12_000, 1, 1, 0, 0, 0, 0, time.UTC): time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	} {
		m := MomentOf(in)
		if got := m.Time(); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%v became %v, want %v", in, got, want)
		}
	}
	if s := Moment(0).String(); s != "none" {
		t.Error(s)
	}
}
