package gatetest

import (
	"bufio"
	"net"
	"net/http"
	"testing"
	"time"
)

// Raw sends bytes as they are over a new connection and returns the response. It
// is for requests that no HTTP client would send.
func (g *Gate) Raw(tb testing.TB, method, request string) *http.Response {
	tb.Helper()
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := conn.Write([]byte(request)); err != nil {
		tb.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		tb.Fatalf("reading response: %v", err)
	}
	return resp
}
