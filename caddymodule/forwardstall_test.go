package caddymodule_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// stalledResponses are what backends send, up to some byte: the header and the rest.
var stalledResponses = map[string][2]string{
	"length":      {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: a: b\r\n c: d\r\nContent-Length: 5\r\n\r\n", "hello"},
	"chunks":      {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n", "3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n"},
	"hints":       {earlyHints + "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n", "ok"},
	"until close": {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", "hello"},
}

const (
	earlyHints   = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	stallTimeout = 300 * time.Millisecond
)

// stall says what a backend sends and how it stops.
type stall struct {
	response string
	at       int    // bytes that are sent
	how      string // silent, pause, close, reset
	timeout  string // the setting of the transport, or none
	large    bool   // the request is one that goes through reverse_proxy
}

// stopsAt reports whether a backend stops at that byte: in a drill at each, else around the
// ends of lines and at every third byte between them.
func stopsAt(response string, at int) bool {
	return drill.On() || at%3 == 0 || strings.ContainsAny(response[at-1:at+1], "\r\n")
}

// stalls are all of them, less than a whole response each: the connection would be kept for the
// next one.
func stalls() []stall {
	var all []stall
	for name, response := range stalledResponses {
		whole := response[0] + response[1]
		for at := range len(whole) {
			if !stopsAt(whole, at) {
				continue
			}
			kinds := []stall{
				{name, at, "pause", "read_timeout", false},
				{name, at, "pause", "response_header_timeout", false},
				{name, at, "silent", "read_timeout", false},
				{name, at, "close", "none", false},
				{name, at, "reset", "none", false},
			}
			if at < len(response[0]) { // else it would take for ever
				kinds = append(kinds, stall{name, at, "silent", "response_header_timeout", false})
			}
			all = append(all, kinds...)
			if name != "length" {
				continue
			}
			for _, s := range kinds {
				if s.large = true; s.how != "pause" {
					all = append(all, s)
				}
			}
		}
	}
	return all
}

// whole returns the response as a backend that does not stop would send it.
func (s stall) whole() string {
	response := stalledResponses[s.response]
	return response[0] + response[1]
}

// stalledResponse is all that the client sees.
type stalledResponse struct {
	Failed        bool
	Informational []int
	Status        int
	Header        http.Header
	Body          string
	BodyFailed    bool
	Trailer       http.Header
}

// TestForwardStalls has a backend that stops anywhere in a response, for ever, for a
// while, or by ending the connection. The kind: an error of the connection in the middle of a
// read is taken for the end of what was read, so that half a line is a line.
//
// What the client gets is what it gets through reverse_proxy. That one has the same
// fault after a read_timeout, so there: never a response that the backend has not sent.
func TestForwardStalls(t *testing.T) {
	backend := startStalling(t)
	var sites strings.Builder
	for _, directive := range []string{"reverse_proxy", "ingest_forward"} {
		for _, timeout := range []string{"read_timeout", "response_header_timeout", "none"} {
			setting := ""
			if timeout != "none" {
				setting = fmt.Sprint(timeout, " ", stallTimeout)
			}
			fmt.Fprintf(&sites, "handle /%s/%s/* {\n%s %s {\ntransport http {\n%s\n}\n}\n}\n", directive, timeout, directive, backend, setting)
		}
	}
	g := gatetest.New(t, nil)
	g.Run(t, ":{{gate}} {\n"+sites.String()+"}\n")

	var running sync.WaitGroup
	slots := make(chan struct{}, 250)
	for _, s := range stalls() {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			diff := s.compare(t, g.Addr)
			for again := 0; diff != "" && again < 5; again++ { // a busy machine is a slow backend
				diff = s.compare(t, g.Addr)
			}
			if diff != "" {
				t.Errorf("%+v: want -, got +\n%s", s, diff)
			}
		})
	}
	running.Wait()
}

// compare returns how the response is not what it should be.
func (s stall) compare(t *testing.T, gate string) string {
	got := s.ask(t, gate, "ingest_forward")
	if s.how == "pause" {
		return s.neverSent(got)
	}
	want := s.ask(t, gate, "reverse_proxy")
	return cmp.Diff(want, got)
}

// neverSent returns how a response differs from the whole one, if it is neither that nor an
// error.
func (s stall) neverSent(got stalledResponse) string {
	if got.Failed || got.Status == http.StatusBadGateway || got.Status == http.StatusGatewayTimeout {
		return ""
	}
	sent := strings.TrimPrefix(s.whole(), earlyHints)
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(sent)), nil)
	if err != nil {
		return err.Error()
	}
	whole := seenOf(res)
	if got.BodyFailed && strings.HasPrefix(whole.Body, got.Body) {
		got.Body, got.BodyFailed, got.Trailer = whole.Body, false, whole.Trailer
	}
	got.Informational = nil
	return cmp.Diff(whole, got)
}

// ask sends the request through a directive.
func (s stall) ask(t *testing.T, gate, directive string) stalledResponse {
	var hints []int
	ctx, cancel := context.WithTimeout(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			hints = append(hints, code)
			return nil
		},
	}), time.Minute)
	defer cancel()
	size := 1
	if s.large {
		size = 70_000
	}
	url := fmt.Sprintf("http://%s/%s/%s/%s/%s/%d", gate, directive, s.timeout, strings.ReplaceAll(s.response, " ", "%20"), s.how, s.at)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(strings.Repeat("b", size)))
	if err != nil {
		t.Error(err)
		return stalledResponse{}
	}
	client := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	res, err := client.RoundTrip(r)
	if err != nil {
		return stalledResponse{Failed: true}
	}
	defer res.Body.Close()
	seen := seenOf(res)
	seen.Informational = hints
	return seen
}

func seenOf(res *http.Response) stalledResponse {
	body, err := io.ReadAll(res.Body)
	for _, name := range []string{"Date", "Server", "Via", "Connection"} { // Caddy's
		res.Header.Del(name)
	}
	if res.Header.Get("Content-Length") == "0" {
		res.Header.Del("Content-Length") // which Caddy adds if the end comes soon enough
	}
	return stalledResponse{
		Status: res.StatusCode, Header: res.Header, Body: string(body), BodyFailed: err != nil, Trailer: res.Trailer,
	}
}

// startStalling starts the backend, which does what the path says, and returns its address.
func startStalling(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { stallOn(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); running.Wait() })
	return ln.Addr().String()
}

// stallOn serves a connection. One that has sent a whole response in the end is used again.
func stallOn(c *net.TCPConn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for whole := true; whole; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		parts := strings.Split(r.URL.Path, "/")
		response, how, at := stall{response: parts[3]}.whole(), parts[4], 0
		_, _ = fmt.Sscan(parts[5], &at)
		_, _ = io.WriteString(c, response[:at])
		whole = false
		switch how {
		case "reset":
			_ = c.SetLinger(0)
		case "silent":
			_, _ = io.Copy(io.Discard, in)
		case "pause":
			_ = c.SetReadDeadline(time.Now().Add(stallTimeout * 3 / 2))
			if _, err := in.Peek(1); errors.Is(err, os.ErrDeadlineExceeded) {
				_ = c.SetReadDeadline(time.Time{})
				_, _ = io.WriteString(c, response[at:])
				whole = parts[3] != "until close"
			}
		}
	}
}
