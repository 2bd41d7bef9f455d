package config

import "fmt"

// Cache says how long records are remembered. A cache is in front of every source that
// does not keep its records in memory. (A key file does.)
type Cache struct {
	// How many records are kept. Default: 100000.
	Size int `json:"size,omitempty"`

	// How long a record is served before it is read again. Default: 5m.
	Fresh Duration `json:"fresh,omitempty"`

	// How long the cache remembers that a key is unknown. Default: 10s.
	Unknown Duration `json:"unknown,omitempty"`

	// How long a record is served at most while the source is down. The time starts when
	// the record was read. Default: 1h.
	Outage Duration `json:"outage,omitempty"`

	// How many times per second the source is asked at most. To fill an empty cache it may
	// be asked more often. Default: 200.
	Reads int `json:"reads,omitempty"`

	// How often the cache is written to Caddy's storage; it is also written at stop. With
	// it a gate that starts while the source is down can serve the keys it knew. Default:
	// never.
	Snapshot Duration `json:"snapshot,omitempty"`
}

func (c Cache) validate() error {
	for _, check := range []error{
		positive("cache size", c.Size),
		positive("cache fresh", c.Fresh),
		positive("cache unknown", c.Unknown),
		positive("cache outage", c.Outage),
		positive("cache reads", c.Reads),
		positive("cache snapshot", c.Snapshot),
	} {
		if check != nil {
			return check
		}
	}
	if c.Fresh > 0 && c.Outage > 0 && c.Outage < c.Fresh {
		return fmt.Errorf("cache outage: %s is shorter than fresh (%s), but a record is served for at least as long as it is fresh", c.Outage, c.Fresh)
	}
	return nil
}
