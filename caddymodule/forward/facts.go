package forward

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// facts are what placeholders of reverse_proxy tell of a request. They outlive its trip: logs ask
// last.
type facts struct {
	to              *destination
	requests, fails int // of the backend at the start

	start     time.Time
	sent      time.Time
	latency   time.Duration
	upstream  time.Duration // from the sending to the end of the response
	whole     time.Duration // from the start to the end of the response
	res       *http.Response
	completed bool
}

// answered notes the head of a response.
func (f *facts) answered(res *http.Response) {
	f.latency = time.Since(f.sent)
	f.res = res
}

// done notes the end of a response.
func (f *facts) done(completed bool) {
	end := time.Now()
	f.upstream, f.whole = end.Sub(f.sent), end.Sub(f.start)
	f.completed = completed
}

// placeholder returns the value of a placeholder, see reverseproxy.Handler.
func (f *facts) placeholder(name string) (value any, ok bool) {
	name, ok = strings.CutPrefix(name, "http.reverse_proxy.")
	if !ok {
		return nil, false
	}
	if field, ok := strings.CutPrefix(name, "header."); ok {
		return f.field(field)
	}
	switch name {
	case "upstream.address":
		return caddy.JoinNetworkAddress(f.to.address.Network, f.to.address.Host, f.port()), true
	case "upstream.hostport":
		return f.to.hostport, true
	case "upstream.host":
		return f.to.address.Host, true
	case "upstream.port":
		return f.port(), true
	case "upstream.requests":
		return f.requests, true
	case "upstream.max_requests":
		return 0, true
	case "upstream.fails":
		return f.fails, true
	}
	if f.res != nil {
		return f.ofAnswer(name)
	}
	return nil, false
}

func (f *facts) port() string { return strconv.Itoa(int(f.to.address.StartPort)) }

func (f *facts) field(name string) (value any, ok bool) {
	if f.res == nil {
		return nil, false
	}
	values, ok := f.res.Header[name]
	return strings.Join(values, ","), ok
}

// ofAnswer returns the value of a placeholder that is known once there is a response.
func (f *facts) ofAnswer(name string) (value any, ok bool) {
	switch name {
	case "status_code":
		return f.res.StatusCode, true
	case "status_text":
		return f.res.Status, true
	case "upstream.latency":
		return f.latency, true
	case "upstream.latency_ms":
		return milliseconds(f.latency), true
	case "duration":
		return f.whole, f.whole > 0
	case "duration_ms":
		return milliseconds(f.whole), f.whole > 0
	case "upstream.duration":
		return f.upstream, f.completed
	case "upstream.duration_ms":
		return milliseconds(f.upstream), f.completed
	case "retries":
		return 0, f.completed
	}
	return nil, false
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }
