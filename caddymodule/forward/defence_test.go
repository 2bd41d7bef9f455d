package forward

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/ingestauth/caddy-ingest-auth/internal/wire"
)

// post returns a request with a body of which a length is announced.
func post(body io.Reader, length int64) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.ContentLength = length
	return r
}

// TestReadBody reads bodies that come in parts of any size.
func TestReadBody(t *testing.T) {
	for _, length := range []int{1, 2, 100, 4095, 4096, 4097, 10_000, wire.MaxBody - 1, wire.MaxBody} {
		for name, in := range map[string]func(io.Reader) io.Reader{
			"whole":              func(r io.Reader) io.Reader { return r },
			"end with the data":  iotest.DataErrReader,
			"byte by byte":       iotest.OneByteReader,
			"half of the buffer": iotest.HalfReader,
		} {
			body := strings.Repeat("abcdefg", length/7+1)[:length]
			tr := newTrip(nil)
			tr.r = post(in(strings.NewReader(body)), int64(length))
			tr.exchange.Message = []byte("head")
			if err := tr.readBody(); err != nil || string(tr.exchange.Message) != "head"+body || tr.body != 4 {
				t.Errorf("%d bytes, %s: read %d, %v", length, name, len(tr.exchange.Message), err)
			}
		}
	}
}

// TestBodyTakesRoomAsItComes: to announce a long body costs nothing, or clients that send a
// few bytes each could take all memory.
func TestBodyTakesRoomAsItComes(t *testing.T) {
	for sent, most := range map[int]int{1: 8 << 10, 5000: 24 << 10, 15_000: 24 << 10} {
		tr := newTrip(nil)
		tr.r = post(io.MultiReader(strings.NewReader(strings.Repeat("a", sent)), iotest.ErrReader(io.ErrUnexpectedEOF)), wire.MaxBody)
		if err := tr.readBody(); err != io.ErrUnexpectedEOF || cap(tr.exchange.Message) > most {
			t.Errorf("%d bytes take %d, %v", sent, cap(tr.exchange.Message), err)
		}
	}
}

// TestLargeHeaderIsNotKept: the map of a header with many fields is not used again.
func TestLargeHeaderIsNotKept(t *testing.T) {
	for fields, kept := range map[int]bool{10: true, 5000: false} {
		tr := newTrip(new(shortWay))
		tr.r = httptest.NewRequest(http.MethodGet, "/", nil)
		for i := range fields {
			tr.r.Header[fmt.Sprint("X-", i)] = []string{""}
		}
		tr.copyFields()
		before := reflect.ValueOf(tr.head.Header).Pointer()
		tr.free()
		if got := reflect.ValueOf(tr.head.Header).Pointer() == before; got != kept || len(tr.head.Header) > 0 {
			t.Errorf("%d fields: map is kept: %v, with %d fields in it", fields, got, len(tr.head.Header))
		}
	}
}

// TestManyNominatedFields has a header with many fields and a Connection that names many. It must not
// be that each is compared with each.
func TestManyNominatedFields(t *testing.T) {
	const many = 400_000
	header := http.Header{"Connection": {"X-1, x-2" + strings.Repeat(",X-Not-There", many)}}
	for i := range many {
		header[fmt.Sprint("X-", i)] = []string{""}
	}
	sent := make(chan [2]http.Header)
	go func() {
		tr := newTrip(nil)
		tr.r = &http.Request{Header: header}
		tr.copyFields()
		sent <- [2]http.Header{tr.head.Header, withoutHops(header)}
	}()
	select {
	case both := <-sent:
		for i, got := range both {
			if got["X-0"] == nil || got["X-1"] != nil || got["X-2"] != nil || got["X-3"] == nil || got["Connection"] != nil {
				t.Errorf("wrong fields of the %s are deleted", [...]string{"request", "response"}[i])
			}
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it takes for ever")
	}
}

// TestWriteTimeout has a backend that never reads.
func TestWriteTimeout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	transport := &reverseproxy.HTTPTransport{WriteTimeout: caddy.Duration(100 * time.Millisecond)}
	if err := transport.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	upstreams := reverseproxy.UpstreamPool{{Dial: ln.Addr().String()}, {Dial: "unix//run/s"}}
	to := destinations(upstreams, transport, 1)
	waiting, stop := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(stop)
	r := post(nil, 0).WithContext(waiting)
	x := wire.Exchange{Client: &to[upstreams[0]].client, Request: r, Message: make([]byte, 64<<20)} // more than any socket takes
	_, err = x.Send()
	if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() || waiting.Err() != nil {
		t.Errorf("error %v, want a time-out", err)
	}
	if d := to[upstreams[1]].client.WriteTimeout; d != 0 { // its connections have none
		t.Errorf("time-out %s for a Unix socket", d)
	}
}
