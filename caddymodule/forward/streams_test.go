package forward_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// sends makes an answer of parts. Behind each but the last, the backend waits until the client
// has got it.
func sends(name string, parts ...string) answer {
	return answer{name: name, bytes: "content-type: (in the parts)", do: func(l *link) {
		for i, part := range parts {
			_, _ = io.WriteString(l, part)
			if i < len(parts)-1 {
				l.clientSees(lastOf(part), false)
			}
		}
		l.closeAndWait()
	}}
}

// withholds is sends for parts that the client gets only at the end.
func withholds(name, part, rest string) answer {
	return answer{name: name, bytes: "content-type: (in the parts)", do: func(l *link) {
		_, _ = io.WriteString(l, part)
		l.clientSees(lastOf(part), true)
		_, _ = io.WriteString(l, rest)
		l.closeAndWait()
	}}
}

func lastOf(text string) string {
	text = strings.TrimSuffix(text, "\r\n")
	text = text[strings.LastIndex(text, "\n")+1:]
	return text[max(0, len(text)-7):]
}

// TestStreams has backends answer in parts: what reverse_proxy passes on at once comes at once.
func TestStreams(t *testing.T) {
	const events = head + "Content-Type: text/event-stream\r\n"
	const typed = head + "Content-Type: a/b\r\n"
	chunk := func(text string) string { return "3\r\n" + text + "\r\n" }
	start(t).compareAll(t, "streams", []exchange{
		in(get, sends("chunks", typed+"Transfer-Encoding: chunked\r\n\r\n"+chunk("abc"), chunk("def"), chunk("ghi")+"0\r\n\r\n")),
		in(get, sends("a head, then chunks", typed+"X-Last: seen\r\nTransfer-Encoding: chunked\r\n\r\n", chunk("def"), "0\r\n\r\n")),
		in(get, answer{name: "a head and the size of a chunk", bytes: "content-type: (below)", do: func(l *link) {
			_, _ = io.WriteString(l, typed+"X-Last: seen\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n")
			l.clientSees("X-Last: seen", false)
			_, _ = io.WriteString(l, "abc\r\n0\r\n\r\n")
			l.closeAndWait()
		}}),
		in(post, sends("until close", typed+"\r\nabc", "def", "ghi")),
		in(get, sends("events", events+"\r\ndata: 1", "data: 2", "data: 3")),
		in(get, sends("events, chunked", events+"Transfer-Encoding: chunked\r\n\r\n"+chunk("abc"), chunk("def"), "0\r\n\r\n")),
		in(get, sends("events of known length", events+"Content-Length: 9\r\n\r\nabc", "def", "ghi")),
		in(get, sends("incremental", typed+"Incremental: ?1\r\nContent-Length: 6\r\n\r\nabc", "def")),
		in(get, sends("early hints", "HTTP/1.1 103 Early Hints\r\nX: seen\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nX: twice\r\n\r\n", ok)),
		in(get, sends("trailers", typed+"Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk("abc"), "0\r\nX-Sum: 1\r\n\r\n")),
		in(get, sends("gzip in the end cut off", typed+"Transfer-Encoding: chunked\r\n\r\n"+chunk("abc"), "9\r\nab")),
		in(request{name: "GET HTTP/1.0", version: "HTTP/1.0"}, sends("chunks", typed+"Transfer-Encoding: chunked\r\n\r\n"+chunk("abc"), chunk("def")+"0\r\n\r\n")),
		in(get, withholds("known length", typed+"Content-Length: 6\r\n\r\nabc", "def")),
		in(get, withholds("known length, 5 KB", typed+"X: "+strings.Repeat("x", 100)+"\r\nContent-Length: 1006\r\n\r\n"+strings.Repeat("y", 1000), "defghi")),
		in(get, withholds("header only", typed+"Content-Length: 3\r\n\r\n", "def")),
		in(get, sends("long parts", events+"Content-Length: 131089\r\n\r\n"+long+"-part 1", long+"-part 2", "end")),
		in(request{name: "Expect", method: "POST", header: []string{"Expect: 100-continue"}, framing: length, body: "abc", wait100: true}, fine),
		in(request{name: "Expect, chunked", method: "POST", header: []string{"Expect: 100-continue"}, framing: chunked, body: "abc", wait100: true}, fine),
	})
}

// TestDrips has answers come byte by byte.
func TestDrips(t *testing.T) {
	var all []exchange
	for _, a := range []answer{
		{name: "length", bytes: withLength(head+"Content-Type: a/b\r\nX-A: b\r\n", "hello")},
		{name: "chunked", bytes: inChunks(head+"Content-Type: a/b\r\n", "hello", "")},
		{name: "trailers", bytes: inChunks(head+"Content-Type: a/b\r\nTrailer: X-Sum\r\n", "a", "X-Sum: 1\r\n")},
		{name: "103", bytes: "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + ok},
		{name: "folded", bytes: withLength(head+"X: a\r\n b\r\n", "")},
		{name: "truncated", bytes: head + "Content-Type: a/b\r\nContent-Length: 9\r\n\r\nabc", end: finish},
	} {
		a.drip = 7
		all = append(all, in(get, a), in(post, a))
	}
	start(t).compareAll(t, "streams", all)
}

// upgrade is a request for another protocol.
func upgrade(protocol string, speak func(c *client, in *bufio.Reader)) request {
	return request{name: "upgrade to " + protocol, do: func(c *client) {
		c.send("GET /socket HTTP/1.1\r\nHost: example.test\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
		in := bufio.NewReader(c)
		if res, err := http.ReadResponse(in, nil); err == nil && res.StatusCode == http.StatusSwitchingProtocols {
			speak(c, in)
		} else {
			c.send(nonsense)
		}
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, _ = io.Copy(io.Discard, in)
	}}
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "

// echoes accepts an upgrade and sends back what it gets.
func echoes(protocol, first string) answer {
	return answer{name: "echo", bytes: "content-type: none", do: func(l *link) {
		_, _ = io.WriteString(l, switching+protocol+"\r\nSec-WebSocket-Accept: x\r\nX-A: b\r\n\r\n"+first)
		_, _ = io.Copy(l, l.in)
	}}
}

// TestUpgrades switches protocols.
func TestUpgrades(t *testing.T) {
	halfClose := func(c *client, in *bufio.Reader) {
		c.send("hello\n")
		_, _ = in.ReadString('\n')
		c.send("bye\n")
		_ = c.Conn.(*net.TCPConn).CloseWrite()
	}
	var all []exchange
	for _, protocol := range []string{"websocket", "WebSocket", "foo/1.0"} {
		x := in(upgrade(protocol, halfClose), echoes(protocol, ""))
		x.logged = 1
		greets := in(upgrade(protocol, halfClose), echoes(protocol, "welcome\n"))
		greets.logged = 1
		all = append(all, x, greets)
	}
	refused := in(upgrade("websocket", halfClose), answer{name: "200", bytes: withLength(head+"Content-Type: a/b\r\nConnection: close\r\n", "no"), end: finish})
	refused.request.do = nil
	refused.request.header = []string{"Connection: Upgrade", "Upgrade: websocket"}
	other := in(upgrade("websocket", halfClose), echoes("chat", ""))
	other.logged = 1
	start(t).compareAll(t, "streams", append(all, refused, other))
}
