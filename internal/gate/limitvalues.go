package gate

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// values finds the counters of a request: by what its limits count.
type values struct {
	limiter *limiter
	r       *http.Request
	p       *passage
	bound   []boundResource
}

// addTakes adds a take for every combination of values of the limit's
// dimensions. Only resources in the body have more than one.
func (v *values) addTakes(t *tally, l *config.Limit) {
	var room [8]string
	take := limit.Take{Limit: l.Name, Rate: rateFor(l, v.p.record.Limits), Cost: v.limiter.cost(l, v.p)}
	v.combine(t, take, l.By, room[:0])
}

func (v *values) combine(t *tally, take limit.Take, by, chosen []string) {
	if len(t.takes) > maxTakes {
		return
	}
	if len(by) == 0 {
		take.Key = limit.KeyOf(take.Limit, chosen...)
		t.takes = append(t.takes, take)
		return
	}
	if value, ok := v.single(by[0]); ok {
		v.combine(t, take, by[1:], append(chosen, value))
		return
	}
	for i := range v.bound {
		if v.bound[i].name == by[0] {
			v.combine(t, take, by[1:], append(chosen, v.bound[i].value))
		}
	}
}

// single returns the value of a dimension that is not a resource.
func (v *values) single(by string) (string, bool) {
	switch by {
	case config.ByKey:
		return v.p.record.KeyID, true
	case config.ByAccount:
		return accountOf(v.p.record), true
	case config.ByIP:
		return v.p.network, true
	case config.ByRoute:
		return v.limiter.route(v.r.Method), true
	}
	return "", false
}

// takesOf returns the takes that nothing but the record decides, so that they need not be
// made for every request. Where a limit needs to know more, the take is empty.
func (l *limiter) takesOf(rec *keysync.Record) []limit.Take {
	if l == nil || rec == nil {
		return nil
	}
	takes := make([]limit.Take, len(l.limits))
	v := values{limiter: l, p: &passage{caller: caller{record: rec}}}
	for i := range l.limits {
		if c := &l.limits[i]; c.Cost != config.CostBodyItems && !slices.ContainsFunc(c.By, beyondRecord) {
			var t tally
			v.addTakes(&t, c)
			takes[i] = t.takes[0]
		}
	}
	return takes
}

// beyondRecord reports whether more than the record decides on the value of a dimension.
func beyondRecord(by string) bool { return by != config.ByKey && by != config.ByAccount }

// accountOf returns the account. For a key without an account it returns the key ID, so
// that such keys are counted separately.
func accountOf(rec *keysync.Record) string {
	if rec.Account == "" {
		return rec.KeyID
	}
	return rec.Account
}

// route names the way the request takes through this gate: its method and the
// patterns of the path. A client cannot make up new ones.
func (l *limiter) route(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
	default:
		method = "OTHER"
	}
	if l.patterns == "" {
		return method
	}
	return method + " " + l.patterns
}

// networkOf returns an address, or for IPv6 its /64, because one client usually has all
// of it.
func networkOf(ip string) string {
	addr, err := netip.ParseAddr(ip)
	switch {
	case err != nil || addr.Is4():
		return ip
	case addr.Is4In6():
		return addr.Unmap().String()
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
}
