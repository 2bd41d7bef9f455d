package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What a limit counts by, besides the resources of the gate.
const (
	ByKey     = "key"
	ByAccount = "account"
	ByIP      = "ip"
	ByRoute   = "route"
)

// CostBodyItems is the cost of a request that is the number of items in its body.
const CostBodyItems = "body_items"

var dimensions = []string{ByKey, ByAccount, ByIP, ByRoute}

// Limit allows a rate for every combination of values of its dimensions.
type Limit struct {
	// The name by which records replace the rate, and under which the IETF
	// headers show the limit. Limits of one name count together in all gates.
	// Default: the dimensions, joined by underscores, such as datasource_route.
	Name string `json:"name,omitempty"`

	// How much is allowed in which time, such as 1000/1m.
	Rate Rate `json:"rate"`

	// What is counted separately: `key` (by its ID), `account` (each key without an
	// account counts for itself), `ip` (of the client; IPv6 by /64), `route` (method and
	// path patterns of the gate's resources), or the name of one of the gate's resources.
	By []string `json:"by"`

	// What a request costs: 1 (the default), or `body_items`, which is the number
	// of elements of a top-level JSON array or of lines of NDJSON, and at least 1.
	Cost string `json:"cost,omitempty"`

	// With cost `body_items`: the path of the array in a JSON object whose elements are
	// the items, spelled exactly as in the body. Default: the top-level array.
	CostIn string `json:"cost_in,omitempty"`
}

// name returns the name, or what it is by default.
func (l Limit) name() string {
	if l.Name != "" {
		return l.Name
	}
	return strings.Join(l.By, "_")
}

// InFlight limits how many requests run at the same time.
type InFlight struct {
	// How many requests.
	N int `json:"n"`

	// What is counted separately: `key` or `account`.
	By string `json:"by"`
}

func (g *Gate) validateLimits() error {
	seen := make(map[string]bool)
	for _, l := range g.Limits {
		if err := g.validateLimit(l); err != nil {
			return err
		}
		if seen[l.name()] {
			return fmt.Errorf("limit %s: is given twice; give one another name, as in `limit daily %s by %s`",
				l.name(), l.Rate, strings.Join(l.By, " "))
		}
		seen[l.name()] = true
	}
	return nil
}

func (g *Gate) validateLimit(l Limit) error {
	if len(l.By) == 0 {
		return fmt.Errorf("limit: the dimension is missing; write `by` and one or more of %s", g.knownDimensions())
	}
	if err := names("limit", []string{l.name()}); err != nil {
		return err
	}
	setting := "limit " + l.name()
	if l.Rate.N <= 0 || l.Rate.Window <= 0 {
		return fmt.Errorf("%s: the rate is missing; write something like 1000/1m", setting)
	}
	for i, by := range l.By {
		if err := g.validateDimension(by); err != nil {
			return fmt.Errorf("%s: %w", setting, err)
		}
		if slices.Contains(l.By[:i], by) {
			return fmt.Errorf("%s: %s is given twice", setting, by)
		}
	}
	if l.CostIn != "" {
		if l.Cost != CostBodyItems {
			return fmt.Errorf("%s cost: write `cost body_items in NAME`", setting)
		}
		if _, err := ParsePath(l.CostIn); err != nil {
			return fmt.Errorf("%s cost: %w", setting, err)
		}
	}
	return oneOf(setting+" cost", l.Cost, CostBodyItems)
}

func (g *Gate) validateDimension(by string) error {
	resource := slices.ContainsFunc(g.Resources, func(r Resource) bool { return r.Name == by })
	switch own := slices.Contains(dimensions, by); {
	case own && resource:
		return fmt.Errorf("%s is the name of both a dimension and a resource; rename the resource", by)
	case !own && !resource:
		return fmt.Errorf("unknown dimension %q; use %s, or a resource from a line above", by, g.knownDimensions())
	}
	return nil
}

func (g *Gate) knownDimensions() string {
	known := slices.Clone(dimensions)
	for _, r := range g.Resources {
		known = append(known, r.Name)
	}
	return strings.Join(known, ", ")
}

func (g *Gate) validateInFlight() error {
	f := g.InFlight
	if f == (InFlight{}) {
		return nil
	}
	if f.N <= 0 || f.By == "" {
		return errors.New("in_flight: write `in_flight N by key` or `in_flight N by account`, with N of at least 1")
	}
	return oneOf("in_flight", f.By, ByKey, ByAccount)
}
