package forward

import (
	"math/rand/v2"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// leastConn is the policy least_conn. It also counts the requests on the short way.
type leastConn struct{ short *shortWay }

// Select implements reverseproxy.Selector.
func (p leastConn) Select(pool reverseproxy.UpstreamPool, _ *http.Request, _ http.ResponseWriter) *reverseproxy.Upstream {
	var best *reverseproxy.Upstream
	least, ties := 0, 0
	for _, u := range pool {
		if !u.Available() {
			continue
		}
		n := p.short.requests(u)
		if best == nil || n < least {
			best, least, ties = u, n, 1
		} else if n == least {
			if ties++; rand.IntN(ties) == 0 {
				best = u
			}
		}
	}
	return best
}

// requests returns how many requests are on their way to an upstream.
func (s *shortWay) requests(u *reverseproxy.Upstream) int {
	return u.NumRequests() + int(s.to[u].requests.Load())
}
