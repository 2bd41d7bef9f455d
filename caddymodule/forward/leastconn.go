package forward

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// underWay has, by their addresses, how many requests are on their short way to each backend: those of
// all handlers, and of configurations before. So does reverse_proxy count its own.
var underWay = caddy.NewUsagePool()

// requestsUnderWay returns the count of a backend. It is kept until underWay.Delete.
func requestsUnderWay(u *reverseproxy.Upstream) *atomic.Int64 {
	count, _ := underWay.LoadOrStore(u.String(), new(atomic.Int64))
	return count.(*atomic.Int64)
}

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
		n := p.short.to[u].load()
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
