package forward_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is longer than anything takes, even on a busy machine.
const patience = 8 * time.Second

// backend is a server that writes down every byte and answers as the exchange wants it.
type backend struct {
	end              *end
	name             string // "1", "2", …
	network, address string
	listener         net.Listener

	mu      sync.Mutex
	conns   map[net.Conn]bool
	running sync.WaitGroup
}

// answer is what a backend does with a request.
type answer struct {
	name  string
	bytes string
	end   ending

	early bool          // the answer comes before the body was read
	drip  int           // the bytes come in parts of this many
	do    func(l *link) // in place of all of the above; the connection is closed behind it
}

// ending is what becomes of the connection behind an answer.
type ending int

const (
	keep   ending = iota // it waits for the next request
	finish               // closed
	reset                // closed with a reset
	hang                 // open, and nothing comes
)

// served is a request that a backend got.
type served struct {
	backend string
	conn    int64 // which connection
	bytes   string
	cut     bool // the request ended early
}

// stage is what happens at one end in an exchange.
type stage struct {
	mu      sync.Mutex
	answers []answer
	got     []served
	busy    int // requests that backends work on
	changed chan struct{}
	client  *client // who sent the request
}

// begin sets what backends answer: each request takes one, and the last is for all that follow.
func (s *stage) begin(answers []answer, c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers, s.got, s.client = answers, nil, c
	s.changed = make(chan struct{})
}

func (s *stage) next(q served) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, q)
	s.busy++
	s.signal()
	if len(s.answers) == 0 {
		return answer{bytes: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nunexpected"}
	}
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return a
}

func (s *stage) note(q served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, q)
	s.signal()
}

func (s *stage) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	s.signal()
}

func (s *stage) signal() {
	if s.changed != nil {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// until waits until a condition of the stage holds.
func (s *stage) until(holds func() bool) bool {
	late := time.After(patience)
	for {
		s.mu.Lock()
		ok, changed := holds(), s.changed
		s.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-late:
			return false
		}
	}
}

// requests waits until backends have got n requests.
func (s *stage) requests(n int) bool {
	return s.until(func() bool { return len(s.got) >= n })
}

// calm waits until no backend works on a request.
func (s *stage) calm() []served {
	s.until(func() bool { return s.busy == 0 })
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

func newBackend(tb testing.TB, e *end, name string) *backend {
	tb.Helper()
	b := &backend{end: e, name: name, network: "tcp", address: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	if e.unix {
		b.network, b.address = "unix", filepath.Join(e.dir, name)
	}
	var err error
	if b.listener, err = net.Listen(b.network, b.address); err != nil {
		tb.Fatal(err)
	}
	b.address = b.listener.Addr().String()
	b.running.Go(b.accept)
	return b
}

// upstream returns the address as it is written in a Caddyfile.
func (b *backend) upstream() string {
	if b.network == "unix" {
		return "unix/" + b.address
	}
	return b.address
}

var connections atomic.Int64

func (b *backend) accept() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		b.conns[c] = true
		b.mu.Unlock()
		b.running.Go(func() {
			l := &link{Conn: c, backend: b, id: connections.Add(1)}
			l.in = bufio.NewReader(io.TeeReader(c, &l.raw))
			l.serve()
			_ = c.Close()
			b.mu.Lock()
			delete(b.conns, c)
			b.mu.Unlock()
		})
	}
}

// open returns how many connections there are.
func (b *backend) open() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}

func (b *backend) close() {
	_ = b.listener.Close()
	b.hangUp()
	b.running.Wait()
}

func (b *backend) hangUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		_ = c.Close()
	}
}

// link is the backend's end of a connection.
type link struct {
	net.Conn
	backend *backend
	id      int64
	in      *bufio.Reader
	raw     strings.Builder // what was read
}

func (l *link) serve() {
	for l.request() {
	}
}

// request reads and answers one, and reports whether there can be another.
func (l *link) request() bool {
	stage := &l.backend.end.stage
	q := served{backend: l.backend.name, conn: l.id}
	head, err := l.head()
	if err != nil {
		if head != "" {
			q.bytes, q.cut = head, true
			stage.note(q)
		}
		return false
	}
	if stage.early() {
		q.bytes = head
	} else if q.bytes, err = l.body(head); err != nil {
		q.cut = true
		stage.note(q)
		return false
	}
	l.raw.Reset()
	a := stage.next(q)
	defer stage.done()
	if a.do != nil {
		a.do(l)
		return false
	}
	l.send(a)
	return l.finish(a.end)
}

func (s *stage) early() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.answers) > 0 && s.answers[0].early
}

func (l *link) head() (string, error) {
	var head strings.Builder
	for {
		line, err := l.in.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String(), err
		}
	}
}

// body reads the body, and returns the request as it is compared: with the data of chunks in
// one piece, because how it is cut depends on how it came from the client.
func (l *link) body(head string) (string, error) {
	switch {
	case hasField(head, "transfer-encoding", "chunked"):
		body, err := readChunked(l.in)
		return head + body, err
	case strings.Contains(head, "\r\nContent-Length: "):
		_, value, _ := strings.Cut(head, "\r\nContent-Length: ")
		value, _, _ = strings.Cut(value, "\r\n")
		n, err := strconv.Atoi(value)
		if err != nil {
			return head, err
		}
		body := make([]byte, n)
		n, err = io.ReadFull(l.in, body)
		return head + short(string(body[:n])), err
	}
	return head, nil
}

func hasField(head, name, value string) bool {
	for _, line := range strings.Split(head, "\r\n")[1:] {
		n, v, _ := strings.Cut(line, ":")
		if strings.EqualFold(n, name) && strings.EqualFold(strings.TrimSpace(v), value) {
			return true
		}
	}
	return false
}

// readChunked reads a chunked body with its trailer.
func readChunked(in *bufio.Reader) (string, error) {
	var data, trailer strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return fmt.Sprintf("(chunks) %s(cut off) %s", data.String(), line), err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
		if err != nil || size < 0 {
			return fmt.Sprintf("(chunks) %s(bad size) %q", data.String(), line), fmt.Errorf("bad size %q", line)
		}
		if size == 0 {
			break
		}
		if _, err := io.CopyN(&data, in, size); err != nil {
			return fmt.Sprintf("(chunks) %s(cut off)", data.String()), err
		}
		if crlf, err := in.ReadString('\n'); err != nil || crlf != "\r\n" {
			return fmt.Sprintf("(chunks) %s(bad end) %q", data.String(), crlf), errors.Join(err, errors.New("bad end of a chunk"))
		}
	}
	for {
		line, err := in.ReadString('\n')
		trailer.WriteString(line)
		if err != nil || line == "\r\n" {
			return fmt.Sprintf("(chunks) %s(trailer) %s", short(data.String()), trailer.String()), err
		}
	}
}

func (l *link) send(a answer) {
	if a.drip == 0 {
		_, _ = io.WriteString(l, a.bytes)
		return
	}
	for rest := a.bytes; rest != ""; {
		n := min(a.drip, len(rest))
		_, _ = io.WriteString(l, rest[:n])
		rest = rest[n:]
		time.Sleep(time.Millisecond) // so that they are read one by one
	}
}

// finish does what is to be done behind an answer, and reports whether the connection is kept.
func (l *link) finish(how ending) bool {
	switch how {
	case keep:
		return true
	case finish:
		l.closeAndWait()
	case reset:
		if c, ok := l.Conn.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
	case hang:
		_ = l.SetReadDeadline(time.Now().Add(patience))
		_, _ = io.Copy(io.Discard, l.in)
	}
	return false
}

// closeAndWait closes the connection for writing and waits until http.Transport, which reads all
// the time, has closed it, too: the next request is not to get a connection that is dead. Our
// side need not read from connections that are idle, and looks before it uses one again.
func (l *link) closeAndWait() {
	if c, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	wait := patience
	if l.backend.end.side == ours {
		wait = 10 * time.Millisecond
	}
	_ = l.SetReadDeadline(time.Now().Add(wait))
	_, _ = io.Copy(io.Discard, l.in)
}

// clientSees waits until the client has got a text that was sent, and says in what is compared
// whether it did. With soon, not to see it is what is expected, and the wait is short.
func (l *link) clientSees(text string, soon bool) {
	wait := patience
	if soon {
		wait = 200 * time.Millisecond
	}
	c := l.backend.end.stage.sender()
	seen := c.sees(text, wait)
	l.backend.end.stage.note(served{backend: l.backend.name, conn: l.id, bytes: fmt.Sprintf("client has got %q: %v\n", text, seen)})
}

func (s *stage) sender() *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client
}
