package forward_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// request is what a client sends.
type request struct {
	name    string
	method  string // default GET
	target  string // default /
	version string // default HTTP/1.1
	header  []string
	noHost  bool
	body    string
	framing framing
	trailer []string
	raw     string // all of it, in place of the above
	h2      bool   // over HTTP/2

	wait100 bool            // the body is sent after an answer 100
	do      func(c *client) // what the client does in place of sending and reading
}

type framing int

const (
	none    framing = iota // no body
	length                 // Content-Length
	chunked                // one chunk
	chunks                 // many chunks
)

func (q request) withDefaults() request {
	if q.method == "" {
		q.method = "GET"
	}
	if q.target == "" {
		q.target = "/"
	}
	if q.version == "" {
		q.version = "HTTP/1.1"
	}
	return q
}

// head returns the request line and the header as they are on the wire.
func (q request) head() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\n", q.method, q.target, q.version)
	if !q.noHost {
		b.WriteString("Host: example.test\r\n")
	}
	for _, line := range q.header {
		b.WriteString(line + "\r\n")
	}
	switch q.framing {
	case length:
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(q.body))
	case chunked, chunks:
		b.WriteString("Transfer-Encoding: chunked\r\n")
	default:
	}
	return b.String() + "\r\n"
}

// content returns the body as it is on the wire.
func (q request) content() string {
	if q.framing != chunked && q.framing != chunks {
		return q.body
	}
	var b strings.Builder
	size := max(len(q.body), 1)
	if q.framing == chunks {
		size = 3
	}
	for rest := q.body; rest != ""; {
		n := min(size, len(rest))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	b.WriteString("0\r\n")
	for _, line := range q.trailer {
		b.WriteString(line + "\r\n")
	}
	return b.String() + "\r\n"
}

// client is a connection to a site.
type client struct {
	net.Conn
	port  string // the client's own, by which log entries are found
	stage *stage

	mu      sync.Mutex
	got     bytes.Buffer
	changed chan struct{}
}

func dial(e *end) (*client, error) {
	d := net.Dialer{Timeout: patience}
	if e.front != overUnix {
		host, _, _ := net.SplitHostPort(e.address)
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(host)} // a port that no other connection has, whatever its other end
	}
	c, err := d.Dial(e.network, e.address)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	collected.take(port, 0) // of another connection, long ago
	if e.front == overTLS {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
	}
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	return &client{Conn: c, port: port, stage: &e.stage, changed: make(chan struct{})}, nil
}

// Read writes down what is read.
func (c *client) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got.Write(p[:n])
	close(c.changed)
	c.changed = make(chan struct{})
	return n, err
}

func (c *client) received() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.String()
}

// sees waits until a text was received. Somebody else reads.
func (c *client) sees(text string, wait time.Duration) bool {
	late := time.After(wait)
	for {
		c.mu.Lock()
		seen, changed := bytes.Contains(c.got.Bytes(), []byte(text)), c.changed
		c.mu.Unlock()
		if seen {
			return true
		}
		select {
		case <-changed:
		case <-late:
			return false
		}
	}
}

func (c *client) send(text string) { _, _ = io.WriteString(c, text) }

// nonsense is no request: the server says so and closes the connection, if it still reads from
// it. What came before is complete then.
const nonsense = "\x00\r\n\r\n"

// exchange sends a request, reads the answer and then to the end of the connection, and returns
// what came, as it is compared.
func (c *client) exchange(q request) string {
	if q.h2 {
		return c.exchange2(q)
	}
	if q.do != nil {
		q.do(c)
		return readable(c.received())
	}
	in := bufio.NewReader(c)
	switch {
	case q.raw != "":
		c.send(q.raw)
	case q.wait100:
		c.send(q.head())
	default:
		c.send(q.head() + q.content())
	}
	if c.answer(in, q) == nil {
		c.send(nonsense)
	}
	_, err := io.Copy(io.Discard, in)
	text := readable(c.received())
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		text += "\n(not closed)"
	}
	return text
}

// answer reads an answer, with those of status 1xx that come before it.
func (c *client) answer(in *bufio.Reader, q request) error {
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: q.method})
		if err != nil {
			return err
		}
		if res.StatusCode == http.StatusContinue && q.wait100 {
			q.wait100 = false
			c.send(q.content())
		}
		if res.StatusCode/100 == 1 && res.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		if res.StatusCode == http.StatusSwitchingProtocols {
			return errSwitched
		}
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
}

// errSwitched says that what follows is not HTTP.
var errSwitched = errors.New("the protocol was switched")

// readable returns received bytes as they are compared: with the data of chunks in one piece,
// because how it is cut depends on how it came from the backend.
func readable(raw string) string {
	var out strings.Builder
	for raw != "" {
		head, rest, complete := strings.Cut(raw, "\r\n\r\n")
		if !complete || !strings.HasPrefix(head, "HTTP/1.") {
			break
		}
		out.WriteString(head + "\r\n\r\n")
		raw = rest
		if hasField(head, "transfer-encoding", "chunked") {
			in := bufio.NewReader(strings.NewReader(raw))
			body, _ := readChunked(in)
			out.WriteString(body)
			left, _ := io.ReadAll(in)
			raw = string(left)
			continue
		}
		n := 0
		for line := range strings.SplitSeq(head, "\r\n") {
			if name, value, _ := strings.Cut(line, ": "); name == "Content-Length" {
				n, _ = strconv.Atoi(value)
			}
		}
		n = max(0, min(n, len(raw)))
		if strings.HasPrefix(raw, "HTTP/1.1 400 Bad Request\r\n") { // no body: the answer to nonsense
			n = 0
		}
		out.WriteString(short(raw[:n]))
		raw = raw[n:]
	}
	return out.String() + raw
}

// exchange2 is exchange over HTTP/2. Frames of data count as one.
func (c *client) exchange2(q request) string {
	var out, data strings.Builder
	flush := func() {
		if data.Len() > 0 {
			fmt.Fprintf(&out, "DATA %s\n", short(data.String()))
			data.Reset()
		}
	}
	framer := http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.send2(framer, q)
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			flush()
			fmt.Fprintf(&out, "(closed)\n")
			return out.String()
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			flush()
			fmt.Fprintf(&out, "HEADERS\n")
			for _, field := range f.Fields {
				fmt.Fprintf(&out, "%s: %s\n", field.Name, field.Value)
			}
			if f.StreamEnded() {
				return out.String() + "END\n"
			}
		case *http2.DataFrame:
			data.Write(f.Data())
			if n := uint32(len(f.Data())); n > 0 {
				_ = framer.WriteWindowUpdate(0, n)
				_ = framer.WriteWindowUpdate(f.StreamID, n)
			}
			if f.StreamEnded() {
				flush()
				return out.String() + "END\n"
			}
		case *http2.RSTStreamFrame:
			flush()
			return out.String() + fmt.Sprintf("RST %s\n", f.ErrCode)
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo { // that it wants no more comes sooner or later
				fmt.Fprintf(&out, "GOAWAY %s\n", f.ErrCode)
			}
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = framer.WriteSettingsAck()
			}
		}
	}
}

// send2 sends a request over HTTP/2. Names are in small letters there, and there are no fields
// of the connection.
func (c *client) send2(framer *http2.Framer, q request) {
	c.send(http2.ClientPreface)
	_ = framer.WriteSettings()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	write := func(name, value string) { _ = enc.WriteField(hpack.HeaderField{Name: name, Value: value}) }
	write(":method", q.method)
	write(":scheme", "http")
	write(":authority", "example.test")
	write(":path", q.target)
	for _, line := range q.header {
		name, value, _ := strings.Cut(line, ":")
		write(strings.ToLower(name), strings.TrimSpace(value))
	}
	if q.framing == length {
		write("content-length", strconv.Itoa(len(q.body)))
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: q.framing == none, EndHeaders: true})
	if q.framing == none {
		return
	}
	for rest := q.body; ; {
		n := min(len(rest), 16<<10)
		last := n == len(rest)
		_ = framer.WriteData(1, last && len(q.trailer) == 0, []byte(rest[:n]))
		if rest = rest[n:]; last {
			break
		}
	}
	if len(q.trailer) > 0 {
		block.Reset()
		for _, line := range q.trailer {
			name, value, _ := strings.Cut(line, ":")
			write(strings.ToLower(name), strings.TrimSpace(value))
		}
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	}
}

// sortList sorts the elements of the list in a header field.
func sortList(line string) string {
	name, value, _ := strings.Cut(line, ": ")
	value, cr := strings.CutSuffix(value, "\r")
	parts := strings.Split(value, ", ")
	sort.Strings(parts)
	line = name + ": " + strings.Join(parts, ", ")
	if cr {
		line += "\r"
	}
	return line
}
