package wire

import "net"

// steady is a connection on which every read after a failed one fails with the same error. The
// parser of responses relies on that: if reading a line fails in the middle, a bufio.Reader returns
// the beginning as a whole line and forgets the error. After a time-out, unlike after the end of a
// connection, the next read may succeed, and then the rest of the line would look like the next
// line.
type steady struct {
	net.Conn
	failed error
}

// Read implements io.Reader.
func (c *steady) Read(p []byte) (int, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	n, err := c.Conn.Read(p)
	c.failed = err
	return n, err
}
