//go:build !unix

package wire

import "net"

// prober cannot check sockets on this system: only writing a request shows that the backend
// has closed a connection.
type prober struct{}

func newProber(net.Conn) prober { return prober{} }

func (prober) quiet() bool { return true }
