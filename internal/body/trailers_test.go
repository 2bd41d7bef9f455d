package body

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func forbiddenIdentity(name string) bool {
	return strings.EqualFold(strings.ReplaceAll(name, "_", "-"), "X-Identity")
}

// serveTrailers answers with the trailer fields that are there when the body has been read.
func serveTrailers(w http.ResponseWriter, r *http.Request) {
	Trailers(r, forbiddenIdentity)
	announced := slices.Sorted(maps.Keys(r.Trailer))
	_, err := io.Copy(io.Discard, r.Body)
	fmt.Fprintf(w, "%v %v %v", announced, err, r.Trailer)
}

func TestTrailersHTTP1(t *testing.T) {
	tests := []struct {
		name, header, trailer, want string
	}{
		{"none", "", "", "[] <nil> map[]"},
		{"announced", "Trailer: X-Identity, X-Other\r\n", "X-Identity: a\r\nX-Other: b\r\n", "[X-Other] <nil> map[X-Other:[b]]"},
		{"not announced", "", "X-Identity: a\r\nX-Other: b\r\n", "[] <nil> map[X-Other:[b]]"},
		{"others announced", "Trailer: X-Other\r\n", "X-Identity: a\r\nX-Other: b\r\n", "[X-Other] <nil> map[X-Other:[b]]"},
		{"only this one announced", "Trailer: X-Identity\r\n", "X-Identity: a\r\n", "[] <nil> map[]"},
		{"aliases", "Trailer: x_identity\r\n", "x_IDENTITY: a\r\nX-identity: b\r\n", "[] <nil> map[]"},
	}
	s := httptest.NewServer(http.HandlerFunc(serveTrailers))
	defer s.Close()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%s\r\n3\r\nabc\r\n0\r\n%s\r\n", tt.header, tt.trailer)
			checkAnswer(t, conn, tt.want)
		})
	}
}

func checkAnswer(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestTrailersHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(serveTrailers))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	r, err := http.NewRequest(http.MethodPost, s.URL, io.NopCloser(strings.NewReader("abc")))
	if err != nil {
		t.Fatal(err)
	}
	r.Trailer = http.Header{"X-Identity": {"a"}, "X_Identity": {"b"}, "X-Other": {"c"}}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if want := "[X-Other] <nil> map[X-Other:[c]]"; err != nil || string(got) != want || res.ProtoMajor != 2 {
		t.Errorf("got HTTP/%d, %q, %v, want %q", res.ProtoMajor, got, err, want)
	}
}

// TestTrailersOnClose has nobody read the body: net/http reads its rest on Close.
func TestTrailersOnClose(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Trailers(r, forbiddenIdentity)
		err := r.Body.Close()
		fmt.Fprintf(w, "%v %v", err, r.Trailer)
	}))
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Identity: a\r\nY: b\r\n\r\n")
	checkAnswer(t, conn, "<nil> map[Y:[b]]")
}

func TestTrailersHeader(t *testing.T) {
	tests := []struct {
		name       string
		in, want   []string
		trailer    http.Header
		protoMajor int
		chunked    bool
		wraps      bool
	}{
		{name: "no trailers possible", in: []string{"X-Identity"}, protoMajor: 1},
		{name: "one of several", in: []string{"A, x-identity,B", "C"}, want: []string{"A, B, C"}, protoMajor: 1},
		{name: "chunked", chunked: true, protoMajor: 1, wraps: true},
		{name: "HTTP/2", protoMajor: 2, wraps: true},
		{name: "HTTP/3", protoMajor: 3, wraps: true},
		{name: "announced", trailer: http.Header{"X-Identity": nil}, protoMajor: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRequest(strings.NewReader("abc"), 3)
			r.ProtoMajor, r.Trailer = tt.protoMajor, tt.trailer
			if tt.in != nil {
				r.Header["Trailer"] = tt.in
			}
			if tt.chunked {
				r.TransferEncoding = []string{"chunked"}
			}
			Trailers(r, forbiddenIdentity)
			if diff := cmp.Diff(tt.want, r.Header["Trailer"]); diff != "" {
				t.Errorf("Trailer header, want -, got +:\n%s", diff)
			}
			if len(r.Trailer) != 0 {
				t.Errorf("trailer fields: got %v, want none", r.Trailer)
			}
			if _, ok := r.Body.(*trailerFilter); ok != tt.wraps {
				t.Errorf("body is %T, wrapped should be %v", r.Body, tt.wraps)
			}
		})
	}
}

func TestTrailersWithoutBody(t *testing.T) {
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		r := newRequest(nil, 0)
		r.ProtoMajor, r.Body = 2, body
		Trailers(r, forbiddenIdentity)
		if r.Body != body {
			t.Errorf("body is %T, want %T", r.Body, body)
		}
	}
}
