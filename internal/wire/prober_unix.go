//go:build unix

package wire

import (
	"errors"
	"net"
	"syscall"
)

// prober checks the socket of an idle connection without waiting.
type prober struct {
	socket syscall.RawConn // nil if the connection has no socket
	look   *look
}

type look struct {
	read  func(fd uintptr) bool
	quiet bool
}

func newProber(c net.Conn) prober {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return prober{}
	}
	socket, err := sc.SyscallConn()
	if err != nil {
		return prober{}
	}
	l := new(look)
	l.read = func(fd uintptr) bool {
		var b [1]byte
		_, err := syscall.Read(int(fd), b[:]) // the socket does not block
		l.quiet = errors.Is(err, syscall.EAGAIN)
		return true
	}
	return prober{socket, l}
}

// quiet reports whether there is nothing to read: no byte, no end, no error.
func (p prober) quiet() bool {
	return p.socket == nil || p.socket.Read(p.look.read) == nil && p.look.quiet
}
