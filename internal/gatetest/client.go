package gatetest

import (
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Framing is how a client sends its requests.
type Framing string

// The framings that reach a gate: HTTP/1.1 with a Content-Length or chunked, and
// HTTP/2 without TLS (prior knowledge).
const (
	Length  Framing = "HTTP/1.1"
	Chunked Framing = "HTTP/1.1 chunked"
	HTTP2   Framing = "HTTP/2"
)

// Framings are all framings.
var Framings = []Framing{Length, Chunked, HTTP2}

var clients = map[Framing]*http.Client{
	Length:  newClient(false),
	Chunked: newClient(false),
	HTTP2:   newClient(true),
}

// Client returns a client that sends requests in that framing. The request decides
// whether its length is known.
func Client(f Framing) *http.Client { return clients[f] }

func newClient(http2 bool) *http.Client {
	t := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	t.Protocols.SetHTTP1(!http2)
	t.Protocols.SetUnencryptedHTTP2(http2)
	return &http.Client{
		Transport:     t,
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Request is a request of a test.
type Request struct {
	Framing Framing // default Length
	Method  string  // default POST with a body, else GET
	Target  string  // path and query
	Header  http.Header
	Body    string
	Trailer http.Header
}

// Response is the answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request to the site.
func (g *Gate) Do(tb testing.TB, req Request) Response {
	tb.Helper()
	resp, err := g.Try(req)
	if err != nil {
		tb.Fatalf("%s %s: %v", req.Method, req.Target, err)
	}
	return resp
}

// Try is Do for requests that may fail.
func (g *Gate) Try(req Request) (Response, error) {
	if req.Framing == "" {
		req.Framing = Length
	}
	r, err := g.request(req)
	if err != nil {
		return Response{}, err
	}
	resp, err := clients[req.Framing].Do(r)
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}, err
}

func (g *Gate) request(req Request) (*http.Request, error) {
	method := req.Method
	if method == "" {
		method = http.MethodGet
		if req.Body != "" {
			method = http.MethodPost
		}
	}
	var body io.Reader
	if req.Body != "" {
		body = strings.NewReader(req.Body)
	}
	if body != nil && (req.Framing == Chunked || req.Trailer != nil) {
		body = struct{ io.Reader }{body} // hides the length
	}
	r, err := http.NewRequest(method, "http://"+g.Addr, body)
	if err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(req.Target, "?")
	r.URL.Opaque = path // as it is, unparsed
	r.URL.RawQuery = query
	maps.Copy(r.Header, req.Header)
	r.Trailer = req.Trailer
	return r, nil
}
