package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxMoves is how many times in a row nodes of a cluster may redirect to others.
const maxMoves = 3

// finder finds and connects to the right server. It is used by one
// goroutine at a time.
type finder struct {
	target
	name    string         // of connections
	timeout time.Duration  // of connecting to one server, until it has proved itself
	check   func(Do) error // whether it is the right server
	last    string         // what found it last: a sentinel, or the node itself
}

// find returns a connection to the right server. In a cluster it asks the
// node at the hint first, if there is one.
func (f *finder) find(ctx context.Context, hint string) (*serverConn, error) {
	switch f.kind {
	case "sentinel":
		return f.try(ctx, f.askSentinel, f.last)
	case "cluster":
		return f.try(ctx, f.follow, hint, f.last)
	default:
		return f.node(ctx, f.hosts[0])
	}
}

// try tries the addresses, and then the hosts of the URL, in turn.
func (f *finder) try(ctx context.Context, one func(context.Context, string) (*serverConn, error), first ...string) (*serverConn, error) {
	var errs []error
	tried := []string{""}
	for _, address := range append(first, f.hosts...) {
		if slices.Contains(tried, address) {
			continue
		}
		tried = append(tried, address)
		conn, err := one(ctx, address)
		if err == nil {
			return conn, nil
		}
		if !slices.ContainsFunc(errs, func(e error) bool { return e.Error() == err.Error() }) {
			errs = append(errs, err) // two nodes may redirect to the same third
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// askSentinel connects to the master that the sentinel knows.
func (f *finder) askSentinel(ctx context.Context, sentinel string) (*serverConn, error) {
	var master string
	conn, err := f.connect(ctx, sentinel, func(c *serverConn) (err error) {
		if err = c.login("", f.sentinelPassword, 0); err == nil {
			master, err = c.askMaster(f.service)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	_ = conn.Close()
	if conn, err = f.node(ctx, master); err == nil {
		f.last = sentinel
	}
	return conn, err
}

// follow connects to the node, or to the node to which it redirects.
func (f *finder) follow(ctx context.Context, address string) (*serverConn, error) {
	for moves := 0; ; moves++ {
		conn, err := f.node(ctx, address)
		if err == nil {
			f.last = address
			return conn, nil
		}
		var answered ServerError
		if moves == maxMoves || !errors.As(err, &answered) {
			return nil, err
		}
		next, ok := answered.sendsOn("MOVED", address)
		if !ok {
			return nil, err
		}
		address = next
	}
}

// node connects to a server that may be the right one. A node that redirects because the
// slot is moving still has the slot.
func (f *finder) node(ctx context.Context, address string) (*serverConn, error) {
	return f.enter(ctx, address, func(do Do) error {
		err := f.check(do)
		if _, ok := f.asks(err, address); ok {
			return nil
		}
		return err
	})
}

// asks returns the node to which a node of a cluster redirects for one command.
func (f *finder) asks(err error, asked string) (address string, ok bool) {
	var answered ServerError
	if f.kind != "cluster" || !errors.As(err, &answered) {
		return "", false
	}
	return answered.sendsOn("ASK", asked)
}

// enter connects to a data node and checks it. Some proxies hang up on commands that they
// do not know: if that happens while naming the connection, it is tried once more without
// a name.
func (f *finder) enter(ctx context.Context, address string, check func(Do) error) (*serverConn, error) {
	conn, err := f.enterAs(ctx, f.name, address, check)
	if errors.Is(err, errUnnamed) {
		return f.enterAs(ctx, "", address, check)
	}
	return conn, err
}

func (f *finder) enterAs(ctx context.Context, name, address string, check func(Do) error) (*serverConn, error) {
	return f.connect(ctx, address, func(c *serverConn) error {
		if err := c.login(f.user, f.password, f.database); err != nil {
			return err
		}
		if err := c.setName(name); err != nil {
			return err
		}
		return check(c.do)
	})
}

// connect returns a connection after login, name and check have succeeded in time.
func (f *finder) connect(ctx context.Context, address string, introduce func(*serverConn) error) (*serverConn, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	conn, err := dial(ctx, address, f.tls)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = introduce(conn)
	if !stop() { // so the connection is closed, whatever the result was
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return conn, nil
}
