package forward_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
)

// usualAnswers are answers as backends give them every day.
var usualAnswers = []answer{
	{name: "length", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{name: "much header", bytes: "HTTP/1.1 201 Created\r\nServer: backend\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Type: application/json\r\nSet-Cookie: a=b\r\nLocation: /x\r\nSet-Cookie: c=d\r\nContent-Length: 7\r\n\r\n{\"a\":1}"},
	{name: "chunked", bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n"},
	{name: "no content", bytes: "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"},
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// head starts an answer of status 200.
const head = "HTTP/1.1 200 OK\r\n"

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func withLength(header, body string) string {
	return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", header, len(body), body)
}

func inChunks(header, body, trailer string) string {
	var b strings.Builder
	b.WriteString(header + "Transfer-Encoding: chunked\r\n\r\n")
	for len(body) > 0 {
		n := min(len(body), 1000)
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n" + trailer + "\r\n"
}

// oddAnswers are answers after which the connection stays open.
func oddAnswers() map[string]string {
	zip := zipped(strings.Repeat("hello ", 100))
	all := map[string]string{
		"empty":                      head + "Content-Length: 0\r\n\r\n",
		"long":                       withLength(head, long+long+long),
		"of 2,048 bytes":             withLength(head, long[:2048]),
		"of 2,049 bytes":             withLength(head, long[:2049]),
		"of 4,096 bytes":             withLength(head, long[:4096]),
		"long, chunked":              inChunks(head, long+long, ""),
		"chunked, empty":             inChunks(head, "", ""),
		"bytes that are no text":     withLength(head, "\x00\x01\xff"),
		"HTML":                       withLength(head, "<!doctype html><p>x"),
		"type that is empty":         withLength(head+"Content-Type:\r\n", "<!doctype html><p>x"),
		"204 with a length":          "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
		"204, chunked":               "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
		"304 with a length":          "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"x\"\r\n\r\n",
		"304":                        "HTTP/1.1 304 Not Modified\r\nContent-Type: text/plain\r\nLast-Modified: Tue, 15 Nov 1994 08:12:31 GMT\r\n\r\n",
		"304, chunked":               "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
		"205":                        "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
		"205 with a body":            withLength("HTTP/1.1 205 Reset Content\r\n", "ok"),
		"206":                        withLength("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/5\r\n", "ok"),
		"407":                        withLength("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n", "no"),
		"416":                        withLength("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */5\r\n", ""),
		"417":                        withLength("HTTP/1.1 417 Expectation Failed\r\n", ""),
		"401":                        withLength("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nwww-authenticate: Bearer\r\n", "no"),
		"chunked and length":         head + "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"same length twice":          head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
		"length with zeros":          head + "Content-Length: 0002\r\n\r\nok",
		"chunk sizes with zeros":     head + "Transfer-Encoding: chunked\r\n\r\n0002\r\nok\r\n000\r\n\r\n",
		"chunk sizes in capitals":    head + "Transfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
		"chunk extensions":           head + "Transfer-Encoding: chunked\r\n\r\n2;a=\"b;c\"\r\nok\r\n0;last\r\n\r\n",
		"trailers, announced":        head + "Trailer: X-Sum, X-More\r\n" + strings.TrimPrefix(inChunks(head, "abc", "X-Sum: 1\r\nX-More: 2\r\n"), head),
		"trailers, not announced":    inChunks(head, "abc", "X-Sum: 1\r\nx-sum: 2\r\nX-More: 3\r\n"),
		"trailers, some announced":   inChunks(head+"Trailer: X-Sum\r\n", "abc", "X-Sum: 1\r\nX-More: 3\r\n"),
		"trailers that never come":   inChunks(head+"Trailer: X-Sum\r\n", "abc", ""),
		"trailers behind nothing":    inChunks(head+"Trailer: X-Sum\r\n", "", "X-Sum: 1\r\n"),
		"trailers, not announced, 0": inChunks(head, "", "X-Sum: 1\r\n"),
		"trailers, forbidden":        inChunks(head+"Trailer: Content-Length\r\n", "abc", "Content-Length: 1\r\n"),
		"trailers with a length":     withLength(head+"Trailer: X-Sum\r\n", "ok"),
		"folded":                     withLength(head+"X: a\r\n b\r\n\tc\r\n", ""),
		"bare LF":                    "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
		"no reason":                  "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
		"no reason but a space":      "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
		"odd reason":                 "HTTP/1.1 200 Fine, really: \xfc\r\nContent-Length: 2\r\n\r\nok",
		"status 299":                 "HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok",
		"status 600":                 "HTTP/1.1 600 Odd\r\nContent-Length: 2\r\n\r\nok",
		"status 999":                 "HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0 keep alive":        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
		"keep alive":                 withLength(head+"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", "ok"),
		"fields of the connection":   withLength(head+"Connection: X-Drop, x-too\r\nX-Drop: 1\r\nX-Too: 2\r\nX-Stay: 3\r\n", "ok"),
		"all fields of a connection": withLength(head+"Proxy-Connection: a\r\nKeep-Alive: b\r\nProxy-Authenticate: c\r\nProxy-Authorization: d\r\nTe: e\r\nUpgrade: f\r\nAlt-Svc: g\r\n", "ok"),
		"connection names length":    withLength(head+"Connection: Content-Length, Content-Type\r\nContent-Type: a/b\r\n", "ok"),
		"connection names cookies":   withLength(head+"Connection: Set-Cookie, Server, Via, Date\r\nSet-Cookie: a\r\nVia: b\r\nServer: c\r\n", "ok"),
		"upgrade without 101":        withLength(head+"Connection: Upgrade\r\nUpgrade: websocket\r\n", "ok"),
		"426":                        withLength("HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2\r\n", ""),
		"Server and Via":             withLength(head+"Server: a\r\nServer: b\r\nVia: 1.0 x\r\nVia: 1.1 y, 1.1 z\r\n", "ok"),
		"Server that is empty":       withLength(head+"Server:\r\n", "ok"),
		"cookies":                    withLength(head+"Set-Cookie: a=1\r\nset-cookie: b=2; Path=/\r\nSET-COOKIE: a=3\r\n", "ok"),
		"header of 300 KB":           withLength(head+"X: "+strings.Repeat("x", 300_000)+"\r\n", ""),
		"header of 1,000 lines":      withLength(head+strings.Repeat("X-A: b\r\nX-B: c\r\n", 500), ""),
		"no space behind colons":     "HTTP/1.1 200 OK\r\nContent-Length:2\r\nX:\ty \r\n\r\nok",
		"names with odd characters":  withLength(head+"x_under: 1\r\nX.Dot: 2\r\n!#$%&'*+-.^`|~: 3\r\n", "ok"),
		"values that are no ASCII":   withLength(head+"X: \xe4\r\nX-Utf: ☃\r\n", "ok"),
		"Date of long ago":           withLength(head+"Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n", "ok"),
		"Date twice":                 withLength(head+"Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nDate: Tue, 15 Nov 1995 08:12:31 GMT\r\n", "ok"),
		"Date that is empty":         withLength(head+"Date:\r\n", "ok"),
		"type twice":                 withLength(head+"Content-Type: a/b\r\nContent-Type: c/d\r\n", "ok"),
		"nosniff":                    withLength(head+"X-Content-Type-Options: nosniff\r\n", "ok"),
		"events":                     withLength(head+"Content-Type: text/event-stream\r\n", "data: 1\n\n"),
		"events, chunked":            inChunks(head+"Content-Type: text/event-stream; charset=utf-8\r\n", "data: 1\n\n", ""),
		"incremental":                inChunks(head+"Incremental: ?1\r\n", "ok", ""),
		"incremental with a length":  withLength(head+"Incremental: ?1\r\n", "ok"),
		"Proxy-Status":               withLength(head+"Proxy-Status: a; error=x\r\n", "ok"),
		"Trailer- in a name":         withLength(head+"Trailer:X-A\r\nTrailer-X: 1\r\nTrailer:X-B: 2\r\n", "ok"),
		"gzip":                       withLength(head+"Content-Encoding: gzip\r\nContent-Type: text/plain\r\nVary: Accept-Encoding\r\nETag: \"x\"\r\n", zip),
		"gzip, chunked":              inChunks(head+"Content-Encoding: gzip\r\n", zip, ""),
		"gzip, trailers":             inChunks(head+"Trailer: X-Sum\r\nContent-Encoding: gzip\r\n", zip, "X-Sum: 1\r\n"),
		"gzip in capitals":           withLength(head+"content-encoding: GZIP\r\n", zip),
		"gzip twice":                 withLength(head+"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", zip),
		"gzip and more":              withLength(head+"Content-Encoding: gzip, br\r\n", zip),
		"x-gzip":                     withLength(head+"Content-Encoding: x-gzip\r\n", zip),
		"deflate":                    withLength(head+"Content-Encoding: deflate\r\n", "x"),
		"gzip, empty":                withLength(head+"Content-Encoding: gzip\r\n", ""),
		"gzip, empty, chunked":       inChunks(head+"Content-Encoding: gzip\r\n", "", ""),
		"gzip of nothing":            withLength(head+"Content-Encoding: gzip\r\n", zipped("")),
		"gzip, two members":          withLength(head+"Content-Encoding: gzip\r\n", zip+zipped("more")),
		"gzip, 204":                  "HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n",
		"gzip, 304":                  "HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\n",
		"gzip, 206":                  withLength("HTTP/1.1 206 Partial Content\r\nContent-Encoding: gzip\r\n", zip),
		"gzip, long":                 withLength(head+"Content-Encoding: gzip\r\n", zipped(long+long+long)),
		"100":                        "HTTP/1.1 100 Continue\r\n\r\n" + ok,
		"100 with a header":          "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + ok,
		"100 five times":             strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 5) + ok,
		"102":                        "HTTP/1.1 102 Processing\r\n\r\n" + ok,
		"103":                        "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nlink: </b>\r\nConnection: X-Drop\r\nX-Drop: 1\r\nUpgrade: x\r\nServer: y\r\nContent-Length: 5\r\n\r\n" + ok,
		"103 twice, then trailers":   strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 2) + inChunks(head+"Trailer: X-Sum\r\n", "abc", "X-Sum: 1\r\n"),
		"100, 102, 103, 199":         "HTTP/1.1 100 A\r\n\r\nHTTP/1.1 102 B\r\nX: 1\r\n\r\nHTTP/1.1 103 C\r\nX: 2\r\n\r\nHTTP/1.1 199 D\r\nX: 3\r\n\r\n" + ok,
		"103 before 204":             "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"103 with cookies":           "HTTP/1.1 103 Early Hints\r\nSet-Cookie: a=b\r\n\r\n" + withLength(head+"Set-Cookie: c=d\r\n", "ok"),
		"103 that is huge":           "HTTP/1.1 103 Early Hints\r\nX: " + long + "\r\n\r\n" + ok,
		"30 of 102":                  strings.Repeat("HTTP/1.1 102 Processing\r\nX: y\r\n\r\n", 30) + ok,
		"500":                        withLength("HTTP/1.1 500 Internal Server Error\r\n", "oh"),
		"502":                        withLength("HTTP/1.1 502 Bad Gateway\r\nRetry-After: 1\r\n", "oh"),
		"503":                        withLength("HTTP/1.1 503 Service Unavailable\r\n", ""),
		"504":                        inChunks("HTTP/1.1 504 Gateway Timeout\r\n", "oh", ""),
		"499":                        withLength("HTTP/1.1 499 Client Closed Request\r\n", ""),
		"421":                        withLength("HTTP/1.1 421 Misdirected Request\r\n", ""),
		"302":                        withLength("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/x?y\r\n", ""),
	}
	for code := 200; code < 600; code += 7 {
		all[fmt.Sprintf("status %d, chunked", code)] = inChunks(fmt.Sprintf("HTTP/1.1 %d X\r\nX-A: b\r\n", code), "ab", "")
	}
	delete(all, "status 200, chunked")
	return all
}

// closingAnswers are answers behind which the connection cannot be used again.
func closingAnswers() map[string]string {
	zip := zipped(strings.Repeat("hello ", 100))
	return map[string]string{
		"close":                       withLength(head+"Connection: close\r\n", "ok"),
		"close, and two lines":        withLength(head+"Connection: X-Drop\r\nConnection: close\r\nX-Drop: 1\r\n", "ok"),
		"close, chunked":              inChunks(head+"Connection: close\r\n", "ok", ""),
		"close and a rest":            withLength(head+"Connection: close\r\n", "ok") + ok,
		"length and close":            ok,
		"length and a rest":           ok + ok,
		"length and rubbish":          ok + "rubbish",
		"chunked and a rest":          inChunks(head, "ok", "") + ok,
		"204 with a body":             withLength("HTTP/1.1 204 No Content\r\n", "ok"),
		"304 with a body":             withLength("HTTP/1.1 304 Not Modified\r\n", "ok"),
		"until close":                 head + "\r\nabc",
		"until close, empty":          head + "\r\n",
		"until close, typed":          head + "Content-Type: a/b\r\nX: y\r\n\r\nabc",
		"until close, long":           head + "\r\n" + long + long,
		"until close, events":         head + "Content-Type: text/event-stream\r\n\r\ndata: 1\n\n",
		"until close, gzip":           head + "Content-Encoding: gzip\r\n\r\n" + zip,
		"until close, trailers":       head + "Trailer: X-Sum\r\n\r\nabc",
		"HTTP/1.0":                    "HTTP/1.0 200 OK\r\n\r\nabc",
		"HTTP/1.0 with a length":      "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0, chunked":           inChunks("HTTP/1.0 200 OK\r\n", "ok", ""),
		"HTTP/1.0 until close":        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nabc",
		"HTTP/1.2":                    withLength("HTTP/1.2 200 OK\r\n", "ok"),
		"HTTP/0.9":                    withLength("HTTP/0.9 200 OK\r\n", "ok"),
		"http in small letters":       withLength("http/1.1 200 OK\r\n", "ok"),
		"two lengths":                 head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
		"lengths in a list":           head + "Content-Length: 2, 2\r\n\r\nok",
		"negative length":             head + "Content-Length: -1\r\n\r\n",
		"signed length":               head + "Content-Length: +2\r\n\r\nok",
		"empty length":                head + "Content-Length:\r\n\r\nok",
		"huge length":                 head + "Content-Length: 99999999999999999999\r\n\r\nok",
		"very long":                   head + "Content-Length: 9223372036854775807\r\n\r\nok",
		"unknown coding":              head + "Transfer-Encoding: gzip\r\n\r\nabc",
		"identity":                    head + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
		"two codings":                 head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"gzip, chunked coding":        head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"space before colon":          head + "Content-Length : 2\r\n\r\nok",
		"no colon":                    head + "nonsense\r\n\r\n",
		"no name":                     head + ": x\r\n\r\n",
		"fold at the start":           head + " X: y\r\nContent-Length: 2\r\n\r\nok",
		"NUL in a value":              head + "X: a\x00b\r\nContent-Length: 0\r\n\r\n",
		"CR in a value":               head + "X: a\rb\r\nContent-Length: 0\r\n\r\n",
		"space in a name":             head + "X Y: a\r\nContent-Length: 0\r\n\r\n",
		"not HTTP":                    "SSH-2.0-OpenSSH_9.6\r\n\r\n",
		"TLS":                         "\x15\x03\x01\x00\x02\x02\x46",
		"HTTP/2":                      withLength("HTTP/2.0 200 OK\r\n", ""),
		"HTTP/2 frames":               "\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"status of two digits":        withLength("HTTP/1.1 20 OK\r\n", ""),
		"status of four digits":       withLength("HTTP/1.1 2000 OK\r\n", ""),
		"status that is no number":    withLength("HTTP/1.1 abc OK\r\n", ""),
		"status that is negative":     withLength("HTTP/1.1 -20 OK\r\n", ""),
		"status 0":                    withLength("HTTP/1.1 000 OK\r\n", "ok"),
		"status 99":                   withLength("HTTP/1.1 099 OK\r\n", "ok"),
		"header too long":             withLength(head+"X: "+strings.Repeat("x", 11<<20)+"\r\n", ""),
		"line breaks before":          "\r\n" + ok,
		"truncated":                   head + "Content-Length: 9\r\n\r\nabc",
		"truncated, no body yet":      head + "Content-Length: 9\r\n\r\n",
		"truncated, long":             head + "Content-Length: 99999\r\n\r\n" + long[:50_000],
		"truncated, one byte":         head + "Content-Length: 3\r\n\r\nab",
		"truncated, events":           head + "Content-Type: text/event-stream\r\nContent-Length: 99\r\n\r\ndata: 1\n\n",
		"truncated, 500":              "HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\nabc",
		"truncated chunk":             head + "Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
		"truncated chunk size":        head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1",
		"truncated, no chunk":         head + "Transfer-Encoding: chunked\r\n\r\n",
		"truncated trailers":          head + "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n",
		"truncated trailers, half":    head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-S",
		"bad trailers":                head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nnonsense\r\n\r\n",
		"last chunk missing":          head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"last line missing":           head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
		"bad chunk size":              head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
		"bad second chunk size":       head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nxyz\r\nabc\r\n0\r\n\r\n",
		"empty chunk size":            head + "Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n",
		"negative chunk size":         head + "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
		"huge chunk size":             head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc",
		"bad chunk end":               head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
		"chunks with LF":              head + "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
		"chunked, close":              inChunks(head, "ok", ""),
		"truncated header":            head + "Content-Le",
		"truncated status line":       "HTTP/1.1 20",
		"one byte":                    "H",
		"nothing":                     "",
		"gzip that is none":           withLength(head+"Content-Encoding: gzip\r\n", "this is no gzip at all"),
		"gzip that is none, chunked":  inChunks(head+"Content-Encoding: gzip\r\n", "this is no gzip at all", ""),
		"gzip with a bad sum":         withLength(head+"Content-Encoding: gzip\r\n", zip[:len(zip)-8]+"12345678"),
		"gzip, truncated":             withLength(head+"Content-Encoding: gzip\r\n", zip[:len(zip)/2]),
		"gzip and a rest":             withLength(head+"Content-Encoding: gzip\r\n", zip+"rubbish"),
		"gzip, one byte":              withLength(head+"Content-Encoding: gzip\r\n", "\x1f"),
		"gzip, cut off":               head + "Content-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n" + zip,
		"100 and nothing":             "HTTP/1.1 100 Continue\r\n\r\n",
		"103 and nothing":             "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n",
		"103 and rubbish":             "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nrubbish\r\n\r\n",
		"103 and half":                "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nCont",
		"103 and until close":         "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + head + "\r\nabc",
		"101":                         "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nabc",
		"101 without more":            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"101 with a length":           withLength("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n", "abc"),
		"103 and 101":                 "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
		"header ends in its midst":    head + "X: y\r\nContent-Length: 5\r\n",
		"informational ones too long": strings.Repeat("HTTP/1.1 102 Processing\r\nX: "+strings.Repeat("x", 100_000)+"\r\n\r\n", 120) + ok,
	}
}

// askers are the requests that get the odd answers.
var askers = []request{
	{name: "GET"},
	{name: "GET with Accept-Encoding", header: []string{"Accept-Encoding: gzip, br"}},
	{name: "HEAD", method: "HEAD"},
	{name: "POST", method: "POST", framing: length, body: "abc"},
	{name: "GET of a range", header: []string{"Range: bytes=0-1"}},
	{name: "GET HTTP/1.0", version: "HTTP/1.0"},
	{name: "GET", h2: true},
	{name: "POST of chunks", method: "POST", framing: chunks, body: "abcdef"},
	{name: "GET of WebSocket", header: []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}},
	{name: "GET with TE", header: []string{"TE: trailers"}},
}

// TestAnswers has backends answer in odd ways. Every answer goes to one of the askers, and as a
// seed of FuzzAnswer to another; in a drill to all of them.
func TestAnswers(t *testing.T) {
	all := slices.Concat(asked(oddAnswers(), keep), asked(closingAnswers(), finish))
	start(t).compareAll(t, "plain", all)
}

func asked(answers map[string]string, how ending) []exchange {
	var all []exchange
	for i, name := range slices.Sorted(maps.Keys(answers)) {
		n := drill.Size(1, len(askers))
		if len(answers[name]) > 1<<20 {
			n = drill.Size(0, 1)
		}
		for k := range n {
			a := answer{name: name, bytes: answers[name], end: how}
			q := askers[(i+k*3)%len(askers)]
			if q.method == "HEAD" { // which has no body: what comes is no answer to anything
				a.end = finish
			}
			all = append(all, exchange{request: q, answers: []answer{a}})
		}
	}
	return all
}
