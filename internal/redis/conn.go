package redis

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// bufferSize of each direction of a connection.
const bufferSize = 32 << 10

// serverConn is a connection to a server, for one caller at a time.
type serverConn struct {
	net.Conn
	below   net.Conn // the same without TLS
	in      *bufio.Reader
	address string // host:port
}

// dial connects. The host is the name that a certificate must have, unless
// config names another; without config there is no TLS.
func dial(ctx context.Context, address string, config *tls.Config) (*serverConn, error) {
	var dialer net.Dialer
	below, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := below
	if config != nil {
		config = config.Clone()
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(address)
		}
		secure := tls.Client(below, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = below.Close()
			return nil, fmt.Errorf("TLS with %s: %w", address, err)
		}
		conn = secure
	}
	return &serverConn{conn, below, bufio.NewReaderSize(conn, bufferSize), address}, nil
}

// Close closes the connection at once, without the closing message of TLS, which can
// hang.
func (c *serverConn) Close() error { return c.below.Close() }

// do sends a command and reads the answer. An error in the answer is returned as a
// ServerError. A server that hangs up may have said why before the command was sent: with
// TLS it does so if it needs a certificate.
func (c *serverConn) do(command []byte) (r Reply, err error) {
	_, unsent := c.Write(command)
	if err = readReply(c.in, &r); err == nil {
		err = r.err
	}
	if unsent != nil && (err == nil || !isAlert(err)) {
		err = unsent
	}
	return r, err
}

// isAlert reports whether the error is a TLS alert from the server.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// login authenticates, if there is a password, and selects the database.
func (c *serverConn) login(user, password string, database int) error {
	if password != "" {
		words := []string{"AUTH", user, password}
		if user == "" {
			words = []string{"AUTH", password}
		}
		if _, err := c.do(command(words...)); err != nil {
			return fmt.Errorf("authenticating: %w", withoutDetails(err))
		}
	}
	if database == 0 {
		return nil
	}
	_, err := c.do(command("SELECT", strconv.Itoa(database)))
	return err
}

// errUnnamed is the error of a connection that ended while it was being named.
var errUnnamed = errors.New("naming the connection")

// setName gives the connection a name, if there is one. If the server refuses the name,
// for example because the user may not set it, the connection is used without.
func (c *serverConn) setName(name string) error {
	if name == "" {
		return nil
	}
	_, err := c.do(command("CLIENT", "SETNAME", name))
	var refused ServerError
	if err == nil || errors.As(err, &refused) {
		return nil
	}
	return fmt.Errorf("%w: %w", errUnnamed, err)
}

// withoutDetails keeps only the code of a server's error: the rest may quote the
// password, as in "ERR unknown command 'AUTH', with args beginning with: …".
func withoutDetails(err error) error {
	var answered ServerError
	if !errors.As(err, &answered) {
		return err
	}
	if strings.HasPrefix(string(answered), "ERR max number of clients") {
		return answered
	}
	if code := answered.Code(); code == "WRONGPASS" || code == "ERR" {
		return ServerError(code)
	}
	return ServerError("an error")
}

// askMaster asks a sentinel for the address of the master of a service.
func (c *serverConn) askMaster(service string) (address string, err error) {
	r, err := c.do(command("SENTINEL", "get-master-addr-by-name", service))
	if err != nil {
		return "", err
	}
	if len(r.Texts) != 2 {
		return "", fmt.Errorf("the sentinel does not know the service %q", service)
	}
	return net.JoinHostPort(r.Texts[0], r.Texts[1]), nil
}
