// Package freeport gives tests ports that no other test and no connection of this machine takes meanwhile.
package freeport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports of tests are below those that the system uses for outgoing connections (from 32768 on
// Linux), in blocks of portBlock. So are the ports 10,000 higher, which a Redis Cluster also
// uses.
const (
	lowestPort = 12_000
	portBlock  = 200
	portBlocks = 50
)

// ports are those of this process. Other test processes run at the same time, so it
// listens on the first port of its block as long as it lives: a process that finds that
// port taken uses another block.
var ports struct {
	sync.Mutex
	held net.Listener
	next int // offset in the block
}

// Addr returns a host:port of this machine on which nothing listens; see Port.
func Addr(tb testing.TB) string {
	tb.Helper()
	return address(Port(tb))
}

// Port returns a port of 127.0.0.1 on which nothing listens. Nobody else gets it until
// portBlock other ports were requested, so the caller need not listen at once.
func Port(tb testing.TB) int {
	tb.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 100 * portBlocks {
		if ports.held == nil {
			ports.held, _ = net.Listen("tcp", address(lowestPort+portBlock*rand.IntN(portBlocks)))
			continue
		}
		ports.next = ports.next%(portBlock-1) + 1
		port := ports.held.Addr().(*net.TCPAddr).Port + ports.next
		if ln, err := net.Listen("tcp", address(port)); err == nil {
			_ = ln.Close()
			return port
		}
	}
	tb.Fatal("no free port")
	return 0
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
