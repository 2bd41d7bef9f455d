package limit

import (
	"net/http"
	"strconv"
	"time"
)

// maxInteger is the largest Integer of a structured field (RFC 9651, 3.3.1).
const maxInteger = 999_999_999_999_999

// Style says which headers describe limits.
type Style uint8

const (
	Unix    Style = iota // X-RateLimit-*, with a reset in Unix seconds
	Seconds              // X-RateLimit-*, with a reset in seconds from now
	IETF                 // as Unix, and what SetIETFHeaders sets
	Off                  // none
)

// Values is room for the values of the headers that SetHeaders sets. They stay there.
type Values [4]string

// SetHeaders sets X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset
// (rounded up) to describe s, and if it refused also Retry-After (seconds, rounded up, at
// least 1). It replaces headers with these names in h. Retry-After is standard HTTP (RFC
// 9110, section 10.2.3) and set in every style. For several states, pass the Closest one.
// A state that was not counted sets no headers.
func SetHeaders(h http.Header, style Style, s State, v *Values) {
	if s.Limit == 0 {
		return
	}
	if s.Refused {
		v[3] = strconv.FormatInt(RetryAfter(s), 10)
		h["Retry-After"] = v[3:4:4]
	}
	if style == Off {
		return
	}
	var stack [64]byte
	b := strconv.AppendInt(stack[:0], s.Limit, 10)
	limit := len(b)
	b = strconv.AppendInt(b, s.Remaining, 10)
	remaining := len(b)
	b = strconv.AppendInt(b, resetOf(style, s), 10)

	text := string(b) // one allocation for all
	v[0], v[1], v[2] = text[:limit], text[limit:remaining], text[remaining:]
	h["X-Ratelimit-Limit"] = v[0:1:1]
	h["X-Ratelimit-Remaining"] = v[1:2:2]
	h["X-Ratelimit-Reset"] = v[2:3:3]
}

// SetIETFHeaders sets RateLimit-Policy and RateLimit according to
// draft-ietf-httpapi-ratelimit-headers-10, with one item for each state that was
// counted, in their order and under the name of the limit:
//
//	RateLimit-Policy: "minute";q=100;w=60, "day";q=5000;w=86400
//	RateLimit: "minute";r=50;t=30, "day";r=4950;t=36000
//
// Windows and times are whole seconds, rounded up.
func SetIETFHeaders(h http.Header, takes []Take, states []State) {
	var policies, limits [128]byte
	policy, limit := policies[:0], limits[:0]
	for i := range states {
		t, s := &takes[i], &states[i]
		if s.Limit == 0 {
			continue
		}
		policy = appendItem(policy, t.Limit, ";q=", s.Limit, ";w=", ceilSeconds(t.Rate.Window))
		limit = appendItem(limit, t.Limit, ";r=", s.Remaining, ";t=", max(0, ceilSeconds(s.Wait)))
	}
	if len(policy) == 0 {
		return
	}
	values := []string{string(policy), string(limit)}
	h["Ratelimit-Policy"] = values[0:1:1]
	h["Ratelimit"] = values[1:2:2]
}

// resetOf returns when the window of s ends. In seconds from now it is at least 1,
// because otherwise a client would try again at once.
func resetOf(style Style, s State) int64 {
	if style == Seconds {
		return RetryAfter(s)
	}
	return ceilUnix(s.Reset)
}

// RetryAfter returns the seconds after which a refused request may succeed, for the
// header Retry-After: rounded up, at least 1.
func RetryAfter(s State) int64 {
	return max(1, ceilSeconds(s.Wait))
}

// appendItem appends an Item with two Integer parameters to a List (RFC 9651).
func appendItem(b []byte, name, param1 string, value1 int64, param2 string, value2 int64) []byte {
	if len(b) > 0 {
		b = append(b, ", "...)
	}
	b = appendString(b, name)
	b = strconv.AppendInt(append(b, param1...), min(value1, maxInteger), 10)
	return strconv.AppendInt(append(b, param2...), min(value2, maxInteger), 10)
}

// appendString appends a String (RFC 9651, 3.3.3), which is printable ASCII:
// anything else in a name becomes a question mark.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c > 0x7e:
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

func ceilSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

func ceilUnix(t time.Time) int64 {
	return t.Add(time.Second - 1).Unix()
}
