package gatetest

import (
	"bytes"
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// HTTP2Path sends an HTTP/2 GET whose :path is path as it is, with a bearer key and
// more header fields, and returns the status, or an error if the server resets stream or
// connection.
func (g *Gate) HTTP2Path(tb testing.TB, path, key string, more ...[2]string) (int, error) {
	tb.Helper()
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		tb.Fatal(err)
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	fields := [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", g.Addr}, {":path", path}, {"authorization", "Bearer " + key}}
	for _, f := range append(fields, more...) {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return 0, err
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			return strconv.Atoi(f.PseudoValue("status"))
		case *http2.RSTStreamFrame:
			return 0, http2.StreamError{StreamID: f.StreamID, Code: f.ErrCode}
		case *http2.GoAwayFrame:
			return 0, http2.ConnectionError(f.ErrCode)
		}
	}
}
