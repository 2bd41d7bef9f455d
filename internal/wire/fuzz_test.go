package wire_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingestauth/caddy-ingest-auth/internal/wire"
)

// FuzzResponse answers a request with any bytes and closes the connection. Both transports
// see the same then; only what is no answer to the request may be an error here.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		ok, headOf10, "",
		"HTTP/1.1 200 OK\r\n\r\nabc",
		"HTTP/1.0 200\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n" + ok,
		"HTTP/1.1 200 OK\r\nTrailer: A, B\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: 1\r\n\r\n" + ok,
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nabc",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, response string, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		ours := transport{&wire.Client{
			Dial:              func(context.Context) (net.Conn, error) { return canned(response), nil },
			MaxResponseHeader: maxHeader,
		}}
		oracle := &http.Transport{
			DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return canned(response), nil },
		}
		got, gotErr := roundTrip(ours, newRequest(t, method, ""))
		want, wantErr := roundTrip(oracle, newRequest(t, method, ""))
		ours.Close()
		oracle.CloseIdleConnections()
		code, _ := strconv.Atoi(want.Status[:min(3, len(want.Status))]) // as http.ReadResponse does
		if got.Failed && (code == http.StatusSwitchingProtocols || code < http.StatusContinue) {
			return // what a proxy cannot pass on
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("http.Transport -, wire + (errors: %v, %v)\n%s", wantErr, gotErr, diff)
		}
	})
}

// canned returns a connection to a backend that reads a request without a body, answers it
// with the response, and closes the connection.
func canned(response string) net.Conn {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		var request []byte
		for b := make([]byte, 512); !strings.HasSuffix(string(request), "\r\n\r\n"); {
			n, err := server.Read(b)
			if err != nil {
				return
			}
			request = append(request, b[:n]...)
		}
		_, _ = io.WriteString(server, response)
	}()
	return client
}
