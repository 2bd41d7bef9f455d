package caddymodule_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// The kind here: a client that reads answers by the rules of its own protocol, not by
// HTTP's. The oracle is the client of google.golang.org/grpc.

// uploadMethod is a method that reads a stream to its end.
var uploadMethod = grpc.StreamDesc{StreamName: "Upload", ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
	for {
		switch err := s.RecvMsg(new(wrapperspb.BytesValue)); {
		case errors.Is(err, io.EOF):
			return s.SendMsg(wrapperspb.Bytes(nil))
		case err != nil:
			return err
		}
	}
}}

// jsonCodec is for calls of the type application/grpc+json.
type jsonCodec struct{}

func init() { encoding.RegisterCodec(jsonCodec{}) }

func (jsonCodec) Name() string                  { return "json" }
func (jsonCodec) Marshal(v any) ([]byte, error) { return protojson.Marshal(v.(proto.Message)) }
func (jsonCodec) Unmarshal(data []byte, v any) error {
	return protojson.Unmarshal(data, v.(proto.Message))
}

// serveGRPC runs a gRPC server and returns its URL for reverse_proxy. It answers when it
// has read a call to its end: on the reset that follows an earlier answer, Caddy's
// reverse_proxy reads and closes the body at once, which the race detector reports.
func serveGRPC(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	grpcServer := grpc.NewServer()
	register(grpcServer)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(call))
		grpcServer.ServeHTTP(w, r)
	}))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	return "h2c://" + srv.Listener.Addr().String()
}

// startGRPC runs a gRPC server behind a gate and returns a connection to the gate.
func startGRPC(t *testing.T, site string) (*gatetest.Gate, *grpc.ClientConn) {
	t.Helper()
	backend := serveGRPC(t, func(srv *grpc.Server) {
		grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
		srv.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Events", Streams: []grpc.StreamDesc{uploadMethod}}, nil)
	})
	g := startSite(t, site, map[string]gatetest.Record{
		keyA: {"key_id": "key_a", "scopes": []string{"s"}, "resources": map[string][]string{"service": {"grpc.health.v1.Health"}}},
		keyB: {"key_id": "key_b"},
	}, gatetest.Vars{"backend": backend})
	conn, err := grpc.NewClient(g.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return g, conn
}

// callWith returns a context of a call with a key, which is not to take for ever.
func callWith(t *testing.T, key string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	if key == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
}

// check calls a method of one message each way.
func check(ctx context.Context, conn *grpc.ClientConn, opts ...grpc.CallOption) error {
	_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, opts...)
	return err
}

// uploads calls a method that takes a stream, and waits for the answer without ending it.
func uploads(ctx context.Context, conn *grpc.ClientConn, size int) error {
	s, err := conn.NewStream(ctx, &uploadMethod, "/test.Events/Upload")
	if err != nil {
		return err
	}
	if size > 0 {
		_ = s.SendMsg(wrapperspb.Bytes(make([]byte, size))) // RecvMsg says what is wrong
	}
	return s.RecvMsg(new(wrapperspb.BytesValue))
}

// retryIn returns the wait that an error tells the program of, or 0.
func retryIn(err error) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

func TestGRPC(t *testing.T) {
	_, conn := startGRPC(t, `ingest_auth
	reverse_proxy {{backend}}`)
	ctx := callWith(t, keyA)
	if err := check(ctx, conn); err != nil {
		t.Errorf("one message: %v", err)
	}
	if err := check(ctx, conn, grpc.CallContentSubtype(jsonCodec{}.Name())); err != nil {
		t.Errorf("one message in JSON: %v", err)
	}
	watch, err := grpc_health_v1.NewHealthClient(conn).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	if err != nil {
		t.Errorf("stream from the server: %v", err)
	}
	s, err := conn.NewStream(ctx, &uploadMethod, "/test.Events/Upload")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.SendMsg(wrapperspb.Bytes(make([]byte, 1000))); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.CloseSend()
	if err := s.RecvMsg(new(wrapperspb.BytesValue)); err != nil {
		t.Errorf("stream to the server: %v", err)
	}
}

func TestGRPCRefusals(t *testing.T) {
	const proxy = "\nreverse_proxy {{backend}}"
	for name, tc := range map[string]struct {
		site    string
		call    func(conn *grpc.ClientConn) error
		code    codes.Code
		message string
		waits   bool
	}{
		"no key": {
			site: "ingest_auth" + proxy,
			code: codes.Unauthenticated, message: "Missing API key",
			call: func(conn *grpc.ClientConn) error { return check(callWith(t, ""), conn) },
		},
		"no key, stream": {
			site: "ingest_auth" + proxy,
			code: codes.Unauthenticated, message: "Missing API key",
			call: func(conn *grpc.ClientConn) error { return uploads(callWith(t, ""), conn, 0) },
		},
		"no key, stream, traced": {
			site: "tracing\ningest_auth" + proxy,
			code: codes.Unauthenticated, message: "Missing API key",
			call: func(conn *grpc.ClientConn) error { return uploads(callWith(t, ""), conn, 0) },
		},
		"no such key": {
			site: "ingest_auth" + proxy,
			code: codes.Unauthenticated, message: "Invalid API key",
			call: func(conn *grpc.ClientConn) error { return check(callWith(t, keyC), conn) },
		},
		"errors caddy": {
			site: "ingest_auth {\nerrors caddy\n}\nhandle_errors {\nrespond <html> 401\n}" + proxy,
			code: codes.Unauthenticated, message: "Missing API key",
			call: func(conn *grpc.ClientConn) error { return check(callWith(t, ""), conn) },
		},
		"error template": {
			site: "ingest_auth {\nerror 401 text/plain nope\n}" + proxy,
			code: codes.Unauthenticated, message: "Missing API key",
			call: func(conn *grpc.ClientConn) error { return check(callWith(t, ""), conn) },
		},
		"two keys": {
			site: "ingest_auth" + proxy,
			code: codes.InvalidArgument, message: "Request has more than one API key",
			call: func(conn *grpc.ClientConn) error {
				return check(metadata.AppendToOutgoingContext(callWith(t, keyA), "x-api-key", keyB), conn)
			},
		},
		"scope, with a message of any characters": {
			site: "ingest_auth {\nscope s {\nmessage \"100 % zu früh: ☃ %41 ~\"\n}\n}" + proxy,
			code: codes.PermissionDenied, message: "100 % zu früh: ☃ %41 ~",
			call: func(conn *grpc.ClientConn) error { return check(callWith(t, keyB), conn) },
		},
		"resource": {
			site: "ingest_auth {\nresource service path /{service}/*\n}" + proxy,
			code: codes.NotFound, message: "Invalid service",
			call: func(conn *grpc.ClientConn) error { return uploads(callWith(t, keyA), conn, 0) },
		},
		"resource with a status of its own": {
			site: "ingest_auth {\nresource service path /{service}/* {\nstatus 403\n}\n}" + proxy,
			code: codes.PermissionDenied, message: "Invalid service",
			call: func(conn *grpc.ClientConn) error { return uploads(callWith(t, keyA), conn, 0) },
		},
		"type": {
			site: "ingest_auth {\nmax_items 5\n}" + proxy,
			code: codes.InvalidArgument, message: "Unsupported Content-Type; use application/json",
			call: func(conn *grpc.ClientConn) error { return check(callWith(t, keyA), conn) },
		},
		"too large": {
			site: "ingest_auth {\nmax_body 1KiB\n}" + proxy,
			code: codes.ResourceExhausted, message: "Request body too large",
			call: func(conn *grpc.ClientConn) error { return uploads(callWith(t, keyA), conn, 100_000) },
		},
		"limit": {
			site: "ingest_auth {\nlimit 1/" + year + " by key\n}" + proxy,
			code: codes.ResourceExhausted, message: "Rate limit exceeded", waits: true,
			call: func(conn *grpc.ClientConn) error {
				if err := check(callWith(t, keyA), conn); err != nil {
					return err
				}
				return check(callWith(t, keyA), conn)
			},
		},
		"outage": {
			site: "ingest_auth {\nlimit 1/1h by key\n}" + proxy,
			code: codes.Unavailable, message: "Limits cannot be checked right now; try again", waits: true,
			call: func(conn *grpc.ClientConn) error { return check(callWith(t, keyA), conn) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, conn := startGRPC(t, tc.site)
			if name == "outage" {
				down := strings.Replace(options, "keys.json\n", "keys.json\ncounters redis://127.0.0.1:1 {\non_error deny\n}\n", 1)
				if err := g.Load(down + ":{{gate}} {\n" + tc.site + "\n}\n"); err != nil {
					t.Fatal(err)
				}
			}
			err := tc.call(conn)
			if s := status.Convert(err); s.Code() != tc.code || s.Message() != tc.message {
				t.Errorf("%v %q, want %v %q", s.Code(), s.Message(), tc.code, tc.message)
			}
			if wait := retryIn(err); (wait > 0) != tc.waits {
				t.Errorf("to be tried again in %v", wait)
			}
		})
	}
}

// What the client's library goes by when it tries again is what the program and the
// HTTP header are told, too.
func TestGRPCRetry(t *testing.T) {
	g, conn := startGRPC(t, "log\ningest_auth {\nlimit 1/"+year+" by key\n}\nreverse_proxy {{backend}}")
	if err := check(callWith(t, keyA), conn); err != nil {
		t.Fatal(err)
	}
	var header, trailer metadata.MD
	err := check(callWith(t, keyA), conn, grpc.Header(&header), grpc.Trailer(&trailer))
	if len(header) > 0 {
		t.Errorf("not trailers only: %v", header)
	}
	seconds, _ := strconv.Atoi(strings.Join(trailer["retry-after"], " "))
	if want := time.Duration(seconds) * time.Second; seconds < 1 || retryIn(err) != want ||
		strings.Join(trailer["grpc-retry-pushback-ms"], " ") != strconv.Itoa(seconds*1000) {
		t.Errorf("%v: %v", err, trailer)
	}
	if got := strings.Join(trailer["x-ratelimit-remaining"], " "); got != "0" {
		t.Errorf("x-ratelimit-remaining %q", got)
	}
	log := filepath.Join(g.Dir, "caddy.log")
	await.That(t, "the access log", func() bool {
		b, _ := os.ReadFile(log)
		return strings.Contains(string(b), `"status":200,`) && strings.Contains(string(b), `"verdict":"rate_limited"`)
	})
}

// otlpServer counts the batches of spans that it gets.
type otlpServer struct {
	coltracepb.UnimplementedTraceServiceServer
	batches atomic.Int32
}

func (c *otlpServer) Export(context.Context, *coltracepb.ExportTraceServiceRequest) (*coltracepb.ExportTraceServiceResponse, error) {
	c.batches.Add(1)
	return &coltracepb.ExportTraceServiceResponse{}, nil
}

// OpenTelemetry's own exporter drops what is refused with RESOURCE_EXHAUSTED, unless
// RetryInfo says when to try again.
func TestGRPCExporterLosesNothing(t *testing.T) {
	var got otlpServer
	backend := serveGRPC(t, func(srv *grpc.Server) { coltracepb.RegisterTraceServiceServer(srv, &got) })
	g := startSite(t, "ingest_auth {\nlimit 1/1s by key\n}\nreverse_proxy "+backend, map[string]gatetest.Record{keyA: {}}, nil)
	exporter, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(g.Addr), otlptracegrpc.WithInsecure(),
		otlptracegrpc.WithHeaders(map[string]string{"authorization": "Bearer " + keyA}), otlptracegrpc.WithTimeout(20*time.Second),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: time.Millisecond, MaxInterval: time.Millisecond, MaxElapsedTime: 20 * time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exporter.Shutdown(context.Background()) })
	sent := int32(0)
	await.That(t, "a refusal", func() bool {
		if err := exporter.ExportSpans(t.Context(), tracetest.SpanStubs{{Name: "event"}}.Snapshots()); err != nil {
			t.Errorf("batch %d: %v", sent, err)
		}
		sent++
		log, _ := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
		return strings.Contains(string(log), `"verdict":"rate_limited"`)
	})
	if n := got.batches.Load(); n != sent {
		t.Errorf("%d of %d batches arrived", n, sent)
	}
}

// Who does not speak gRPC itself gets HTTP's answers: gRPC-Web and Connect map HTTP statuses by
// themselves, and an answer to a GET might be kept by a cache.
func TestGRPCType(t *testing.T) {
	g, _ := startGRPC(t, "ingest_auth {\ncredential header X-API-Key\n}\nreverse_proxy {{backend}}")
	for contentType, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "application/grpc+json": true, "application/grpc+x": true,
		"application/grpc; charset=utf-8": true, "application/grpc+proto;a=b": true, "application/grpc ;a=b": true, "Application/GRPC+Proto": true,
		"application/grpc-web": false, "application/grpc-web+proto": false, "application/grpc-web-text": false,
		"application/grpcx": false, "application/connect+proto": false, "application/proto": false, "application/json": false,
		"x/application/grpc": false, "": false,
	} {
		for _, framing := range gatetest.Framings {
			resp := g.Do(t, gatetest.Request{Framing: framing, Target: "/a.B/C", Body: "\x00\x00\x00\x00\x00", Header: http.Header{"Content-Type": {contentType}, "X-Api-Key": {keyC}}})
			got := resp.Status == 200 && resp.Header.Get("Grpc-Status") == "16" && resp.Header.Get("Content-Type") == "application/grpc" &&
				resp.Header.Get("Cache-Control") == "no-store" && resp.Body == ""
			plain := resp.Status == 401 && resp.Header.Get("Grpc-Status") == "" && resp.Body != ""
			if got != want || plain == want {
				t.Errorf("%q, %s: %+v", contentType, framing, resp)
			}
		}
	}
	wantStatus(t, g, gatetest.Request{Method: "GET", Target: "/a.B/C", Header: http.Header{"Content-Type": {"application/grpc"}}}, 401)
}

// TestGRPCFramesOfJSON: a frame with JSON in it is passed on as it came, and JSON that is
// only called gRPC is searched for keys.
func TestGRPCFramesOfJSON(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {}, keyB: {}})
	ask := func(body string) gatetest.Request {
		return gatetest.Request{Framing: gatetest.HTTP2, Target: "/a.B/C", Body: body, Header: http.Header{"Content-Type": {"application/grpc+json"}, "X-Api-Key": {keyA}}}
	}
	const frame = "\x00\x00\x00\x00\x07{\"a\":1}"
	if resp := g.Do(t, ask(frame)); resp.Status != http.StatusOK || up.One(t).Body != frame {
		t.Errorf("a frame: %d %s", resp.Status, resp.Body)
	}
	if resp := g.Do(t, ask(`{"token":"`+keyB+`"}`)); resp.Header.Get("Grpc-Status") != "3" || len(up.Take()) > 0 {
		t.Errorf("a second key: %d %v", resp.Status, resp.Header)
	}
}
