package config

import (
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/net/http/httpguts"
)

// App holds the settings that all gates share.
type App struct {
	// Where the records of the keys are: `source` names the source, and the settings of
	// the source are next to it. Default: the file keys.json in the working directory.
	Keys json.RawMessage `json:"keys,omitempty" caddy:"namespace=ingest_auth.sources inline_key=source"`

	// How long records are remembered.
	Cache Cache `json:"cache,omitzero"`

	// How the assertion is signed.
	Sign Sign `json:"sign,omitzero"`

	// Where limits count. Default: in the memory of this process.
	Counters Counters `json:"counters,omitzero"`

	// How much memory request bodies may use, over all gates. Beyond it requests with a
	// body get 503. Default: 256MiB, or an eighth of the memory limit (GOMEMLIMIT, or what Caddy
	// derives from the container's) if that is less.
	BufferMemory Size `json:"buffer_memory,omitempty"`

	// What is counted in addition to the usual metrics.
	Metrics Metrics `json:"metrics,omitzero"`

	// Whether the admin endpoint shows the last requests of test keys, with their bodies
	// after keys were removed: `on` or `off` (the default). They are kept in memory only.
	RecentEvents string `json:"recent_events,omitempty"`

	// Whether the app refuses to start when a log that HTTP requests reach would
	// write keys: `on` (the default) or `off`.
	LogCheck string `json:"log_check,omitempty"`
}

// Metrics says what is counted.
type Metrics struct {
	// Whether requests are also counted by key ID, for the 1,000 keys that were used
	// last.
	PerKey bool `json:"per_key,omitempty"`
}

// Sign says how assertions are signed.
type Sign struct {
	// The header that carries the assertion to the backend. If a client sends this
	// header, in any spelling, the gate deletes it first. Default: X-Ingest-Identity.
	Header string `json:"header,omitempty"`

	// The signature algorithm: `EdDSA` (Ed25519, RFC 8037; the default), `ES256`
	// or `HS256` (RFC 7518).
	Algorithm string `json:"algorithm,omitempty"`

	// The `iss` claim. Default: ingest-auth.
	Issuer string `json:"issuer,omitempty"`

	// The `aud` claim, which backends must check. Default: backend.
	Audience string `json:"audience,omitempty"`

	// How long an assertion is valid. The gate uses one again for the same identity until
	// half of this time is over. Default: 60s.
	TTL Duration `json:"ttl,omitempty"`

	// How long a signing key is used before the next one takes over. Default: 24h.
	Rotate Duration `json:"rotate,omitempty"`

	// The shared secret for HS256, at least 32 bytes. Write a placeholder, `{env.NAME}`
	// or `{file.PATH}`, not the secret itself: the admin API shows the configuration.
	Secret string `json:"secret,omitempty"`
}

// SetDefaults fills in what was not set.
func (a *App) SetDefaults() {
	a.setDefaultSource()
	setDefault(&a.Sign.Header, "X-Ingest-Identity")
	setDefault(&a.Sign.Algorithm, "EdDSA")
	setDefault(&a.Sign.Issuer, "ingest-auth")
	setDefault(&a.Sign.Audience, "backend")
	setDefault(&a.Sign.TTL, Duration(time.Minute))
	setDefault(&a.Sign.Rotate, Duration(24*time.Hour))
	setDefault(&a.Counters.Store, "memory")
	if a.Counters.Store == "redis" {
		setDefault(&a.Counters.Timeout, Duration(50*time.Millisecond))
		setDefault(&a.Counters.OnError, "memory")
	}
	setDefault(&a.BufferMemory, 256<<20)
	setDefault(&a.RecentEvents, "off")
	setDefault(&a.LogCheck, "on")
}

// Validate reports the first setting that is wrong. A setting may be left out.
func (a *App) Validate() error {
	if _, err := a.Source(); err != nil {
		return err
	}
	if err := a.Cache.validate(); err != nil {
		return err
	}
	if err := oneOf("recent_events", a.RecentEvents, "on", "off"); err != nil {
		return err
	}
	if err := oneOf("log_check", a.LogCheck, "on", "off"); err != nil {
		return err
	}
	if err := a.Counters.validate(); err != nil {
		return err
	}
	if err := a.validateBufferMemory(); err != nil {
		return err
	}
	return a.Sign.validate()
}

func (s Sign) validate() error {
	if err := oneOf("sign algorithm", s.Algorithm, "EdDSA", "ES256", "HS256"); err != nil {
		return err
	}
	if s.Header != "" && (!httpguts.ValidHeaderFieldName(s.Header) || isAuthorization(s.Header) || isReserved(s.Header)) {
		return fmt.Errorf("sign header: %q cannot carry the assertion; use a header name of its own, such as X-Ingest-Identity", s.Header)
	}
	if s.TTL < 0 || s.TTL > 0 && s.TTL < Duration(2*time.Second) {
		return fmt.Errorf("sign ttl: %s is too short; at least 2s are needed", s.TTL)
	}
	if s.Rotate < 0 || s.Rotate > 0 && s.Rotate < Duration(time.Minute) {
		return fmt.Errorf("sign rotate: %s is too short; at least 1m is needed", s.Rotate)
	}
	return s.validateSecret()
}

func (s Sign) validateSecret() error {
	if s.Secret == "" {
		return nil
	}
	if s.Algorithm != "HS256" {
		return fmt.Errorf("sign secret: is only used with `algorithm HS256`; write that first or remove it")
	}
	if !IsPlaceholder(s.Secret) {
		return fmt.Errorf("sign secret: must not be in the configuration; write {env.NAME} or {file.PATH}")
	}
	return nil
}
