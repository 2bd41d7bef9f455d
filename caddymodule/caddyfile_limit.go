package caddymodule

import (
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// parseLimit reads one limit. Syntax:
//
//	limit [<name>] <n>/<window> by <dimensions…> [cost body_items [in <path>]]
func (g *Gate) parseLimit(d *caddyfile.Dispenser) error {
	var l config.Limit
	args := d.RemainingArgs()
	if n := len(args); n > 4 && args[n-4] == "cost" && args[n-2] == "in" {
		args, l.CostIn = args[:n-2], args[n-1]
	}
	if n := len(args); n > 2 && args[n-2] == "cost" {
		args, l.Cost = args[:n-2], args[n-1]
	}
	if slices.Contains(args, config.CostBodyItems) {
		return d.Err("limit: write `cost body_items` or `cost body_items in ARRAY` at the end")
	}
	by := slices.Index(args, "by")
	if by != 1 && by != 2 {
		return d.Err("limit: write `limit N/WINDOW by DIMENSION…`, such as `limit 1000/1m by key`, with a name before it if you like")
	}
	if by == 2 {
		l.Name = args[0]
	}
	var err error
	if l.Rate, err = config.ParseRate(args[by-1]); err != nil {
		return d.Errf("limit: %w", err)
	}
	if by+1 < len(args) {
		l.By = args[by+1:]
	}
	g.Limits = append(g.Limits, l)
	return nil
}

// parseLimitFailures reads the limit of failed authentications. Syntax:
//
//	limit_failures <n>/<window> by ip
func (g *Gate) parseLimitFailures(d *caddyfile.Dispenser) error {
	var rate, by, dimension string
	if !d.AllArgs(&rate, &by, &dimension) || by != "by" || dimension != config.ByIP {
		return d.Err("limit_failures: write `limit_failures N/WINDOW by ip`, such as `limit_failures 20/1m by ip`")
	}
	if g.LimitFailures != (config.Rate{}) {
		return d.Err("limit_failures: is given twice")
	}
	var err error
	if g.LimitFailures, err = config.ParseRate(rate); err != nil {
		return d.Errf("limit_failures: %w", err)
	}
	return nil
}

// parseInFlight reads the limit of requests in flight. Syntax:
//
//	in_flight <n> by key|account
func (g *Gate) parseInFlight(d *caddyfile.Dispenser) error {
	var n, by string
	if !d.AllArgs(&n, &by, &g.InFlight.By) || by != "by" {
		return d.Err("in_flight: write `in_flight N by key` or `in_flight N by account`")
	}
	if g.InFlight.N != 0 {
		return d.Err("in_flight: is given twice")
	}
	var err error
	if g.InFlight.N, err = strconv.Atoi(n); err != nil {
		return d.Errf("in_flight: %q is not a whole number; write something like `in_flight 100 by key`", n)
	}
	return nil
}
