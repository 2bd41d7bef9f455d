package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"time"
)

// Options configures a Client.
type Options struct {
	// URL is one of
	//
	//	redis://[[user]:password@]host[:port][/database]
	//	redis+sentinel://[[user]:password@]host[:port][,…]/service[/database][?sentinel_password=…]
	//	redis+cluster://[[user]:password@]host[:port][,…]
	//
	// or the same with rediss for TLS. User and password are percent-encoded;
	// with sentinels they are those of the data nodes. Ports default to 6379,
	// those of sentinels to 26379. Of a cluster or of the sentinels, some hosts
	// are enough to find the rest.
	URL string

	// TLS overrides the TLS settings of a rediss URL, for example to trust a
	// private CA. By default the system's CAs are trusted, from TLS 1.2 on.
	TLS *tls.Config

	// Name is the name of the connection in CLIENT LIST. If a server refuses it, the
	// connection has no name.
	Name string

	// DialTimeout limits connecting to one server, until Check has passed.
	DialTimeout time.Duration

	// WriteTimeout limits a write. A replaced connection also gets this long to answer
	// calls that are under way.
	WriteTimeout time.Duration

	// Check reports whether a server is the right one and of use now. It is asked
	// once for each new connection, and runs commands on it. In a cluster one of
	// them must be about a key of the slot that all keys are in: the node that has
	// it is found by what others answer.
	Check func(Do) error
}

// Do runs one command and returns the answer, or what the server answers instead
// as a ServerError. The answer is valid until the next command.
type Do func(command []byte) (Reply, error)

// New checks the options. It does not connect: that is what Connect does. Errors
// do not quote the URL, since it may hold a password.
func New(o Options) (*Client, error) {
	target, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.TLS != nil {
		if target.tls == nil {
			return nil, errors.New("checking Redis options: TLS settings without TLS: write rediss instead of redis in the URL")
		}
		target.tls = o.TLS
	}
	c := &Client{
		timeout: o.WriteTimeout,
		finder:  finder{target: target, name: printable(o.Name), timeout: o.DialTimeout, check: o.Check},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// printable returns a name with what Redis allows in one; a dash stands for the rest.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < '!' || r > '~' {
			return '-'
		}
		return r
	}, name)
}
