//go:build linux

package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a connection with at most one request on it.
type conn struct {
	addr    string
	fd      int
	request []byte
	unsent  []byte        // rest of the request
	due     time.Duration // when the request was to be sent
	in      []byte        // what has come of it
	body    int           // bytes of its body that have not come, -1 before its head has
}

func (c *conn) dial(epoll *poller, id int) error {
	addr, err := netip.ParseAddrPort(c.addr)
	if err != nil {
		return fmt.Errorf("dialing: %w", err)
	}
	if c.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("dialing: %w", err)
	}
	if err := unix.Connect(c.fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return fmt.Errorf("dialing %s: %w", c.addr, err)
	}
	return errors.Join(
		unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetNonblock(c.fd, true),
		epoll.add(c.fd, id, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLET))
}

func (c *conn) close() {
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
}

// begin sends as much of a request as goes at once.
func (c *conn) begin(due time.Duration) error {
	c.due, c.unsent, c.in, c.body = due, c.request, c.in[:0], -1
	return c.write()
}

func (c *conn) write() error {
	for len(c.unsent) > 0 {
		n, err := unix.Write(c.fd, c.unsent)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		} else if err != nil {
			return fmt.Errorf("writing: %w", err)
		}
		c.unsent = c.unsent[n:]
	}
	return nil
}

// proceed writes and reads as far as it goes, and reports whether the answer is complete.
func (c *conn) proceed() (done bool, err error) {
	if err := c.write(); err != nil {
		return false, err
	}
	var buf [4096]byte
	for {
		n, err := unix.Read(c.fd, buf[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return done, nil
		case err != nil:
			return false, fmt.Errorf("reading: %w", err)
		case n == 0:
			return false, io.ErrUnexpectedEOF
		}
		if done, err = c.took(buf[:n]); err != nil {
			return false, err
		}
		if n < len(buf) {
			return done, nil
		}
	}
}

// took adds what was read to the answer, and reports whether that is all of it.
func (c *conn) took(b []byte) (done bool, err error) {
	if c.body < 0 {
		c.in = append(c.in, b...)
		end := bytes.Index(c.in, []byte("\r\n\r\n"))
		if end < 0 {
			return false, nil
		}
		if c.body, err = parseHead(c.in[:end+2]); err != nil {
			return false, err
		}
		b = c.in[end+4:]
	}
	if c.body -= len(b); c.body < 0 {
		return false, errors.New("more than an answer has come")
	}
	if c.body == 0 && len(c.unsent) > 0 {
		return false, errors.New("the answer came before the request was sent")
	}
	return c.body == 0, nil
}

// parseHead returns the length of the body. Figures of a run in which requests fail mean nothing:
// a status other than 200 is an error.
func parseHead(head []byte) (length int, err error) {
	status, fields, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		return 0, fmt.Errorf("the answer is %q", status)
	}
	length = -1
	for line := range bytes.SplitSeq(fields, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, fmt.Errorf("the answer has %q", line)
			}
		case bytes.EqualFold(name, []byte("Connection")) && bytes.EqualFold(bytes.TrimSpace(value), []byte("close")):
			return 0, errors.New("the server closes its connections")
		}
	}
	if length < 0 {
		return 0, errors.New("the answer has no Content-Length")
	}
	return length, nil
}
