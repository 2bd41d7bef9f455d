package config

import (
	"errors"
	"fmt"
	"strings"
)

// Counters says where the limits count.
type Counters struct {
	// Where limits count: `memory` (of this process; the default) or `redis`.
	Store string `json:"store,omitempty"`

	// The URL of the Redis that several gateways share:
	// redis://[[user]:password@]host[:port][/database],
	// redis+sentinel://host[:port][,…]/service or redis+cluster://host[:port][,…];
	// rediss for TLS. For a URL with a user or a password write a placeholder,
	// `{env.NAME}` or `{file.PATH}`: the admin API shows the configuration.
	URL string `json:"url,omitempty"`

	// A PEM file with the CA certificates to trust, for a rediss URL. Default: those
	// of the system.
	CACert string `json:"ca_cert,omitempty"`

	// PEM files for TLS client authentication, for a rediss URL.
	ClientCert string `json:"client_cert,omitempty"`
	ClientKey  string `json:"client_key,omitempty"`

	// The name expected in the server's certificate, for a rediss URL. Default: the host
	// of the URL, or the host that a sentinel or a node has named.
	ServerName string `json:"server_name,omitempty"`

	// How long a request waits for Redis. Default: 50ms.
	Timeout Duration `json:"timeout,omitempty"`

	// What happens while Redis is down: `memory` (count in this process; the
	// default), `allow` (let everything through) or `deny` (answer 503).
	OnError string `json:"on_error,omitempty"`
}

func (c Counters) validate() error {
	if err := oneOf("counters", c.Store, "memory", "redis"); err != nil {
		return err
	}
	if err := oneOf("counters on_error", c.OnError, "memory", "allow", "deny"); err != nil {
		return err
	}
	if c.Timeout < 0 {
		return errors.New("counters timeout: must be greater than zero")
	}
	if err := c.validateTLS(); err != nil {
		return err
	}
	if c.Store != "redis" {
		if c != (Counters{Store: c.Store}) {
			return errors.New("counters: url, timeout and on_error are for Redis; write `counters redis://HOST` or remove them")
		}
		return nil
	}
	return validateRedisURL(c.URL)
}

// HasTLS reports whether any of the settings for TLS is set.
func (c Counters) HasTLS() bool {
	return c.CACert != "" || c.ClientCert != "" || c.ClientKey != "" || c.ServerName != ""
}

// validateTLS cannot know whether a URL behind a placeholder uses TLS.
func (c Counters) validateTLS() error {
	switch {
	case (c.ClientCert == "") != (c.ClientKey == ""):
		return errors.New("counters client_cert: write the certificate and its key, `client_cert CERT KEY`")
	case c.HasTLS() && !IsPlaceholder(c.URL) && !strings.HasPrefix(c.URL, "rediss"):
		return errors.New("counters: ca_cert, client_cert and server_name are for Redis with TLS; write `counters rediss://HOST` or remove them")
	}
	return nil
}

// validateRedisURL never quotes the URL: it may hold a password.
func validateRedisURL(s string) error {
	if IsPlaceholder(s) {
		return nil
	}
	scheme, rest, ok := strings.Cut(s, "://")
	kind, _, _ := strings.Cut(scheme, "+")
	if !ok || kind != "redis" && kind != "rediss" {
		return errors.New("counters: write `memory`, a URL such as redis://localhost:6379, or {env.NAME} or {file.PATH} that holds one")
	}
	if strings.ContainsAny(rest, "@?{}") {
		return errors.New("counters: a URL with a user, a password, parameters or placeholders must not be in the configuration; write {env.NAME} or {file.PATH} that holds the whole URL")
	}
	return nil
}

func (a *App) validateBufferMemory() error {
	if a.BufferMemory != 0 && a.BufferMemory < 1<<20 {
		return fmt.Errorf("buffer_memory: %d bytes are too few; at least 1MiB is needed", a.BufferMemory)
	}
	return nil
}
