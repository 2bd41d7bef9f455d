package forward

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// bufferFor returns how many bytes of a body are copied at once, at most: as many as
// reverse_proxy does, fewer for short ones.
func bufferFor(length int64) int {
	if length >= 0 && length <= 4<<10 {
		return 4 << 10
	}
	return 32 << 10
}

// isPlainAnswer reports whether a response needs nothing but copying.
func (t *trip) isPlainAnswer(res *http.Response) bool {
	return res.StatusCode >= http.StatusOK && len(res.Trailer) == 0 && !t.isGzip(res) && !caddyhttp.IsIncremental(res.Header) && !t.way.isBad(res.StatusCode)
}

// isBad reports whether a status counts as a failure of the backend.
func (s *shortWay) isBad(status int) bool {
	return slices.ContainsFunc(s.bad, func(bad int) bool { return caddyhttp.StatusCodeMatches(status, bad) })
}

// isGzip reports whether a response is in gzip that the client did not ask for.
func (t *trip) isGzip(res *http.Response) bool {
	return t.head.Gzip && res.ContentLength != 0 && strings.EqualFold(res.Header.Get("Content-Encoding"), "gzip")
}

// undoGzip does with a response what http.Transport does.
func (t *trip) undoGzip(res *http.Response) {
	if !t.isGzip(res) {
		return
	}
	res.Header.Del("Content-Encoding")
	res.Header.Del("Content-Length")
	res.ContentLength, res.Uncompressed = -1, true
	res.Body = &gzipBody{ReadCloser: res.Body}
}

// gzipBody is a body whose gzip is undone as it is read.
type gzipBody struct {
	io.ReadCloser
	plain *gzip.Reader
	err   error
}

// Read implements io.Reader.
func (b *gzipBody) Read(p []byte) (int, error) {
	if b.plain == nil && b.err == nil {
		b.plain, b.err = gzip.NewReader(bufio.NewReader(b.ReadCloser))
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.plain.Read(p)
}

// answer gives the response to the client.
func (t *trip) answer(res *http.Response) error {
	t.facts.answered(res)
	header := t.w.Header()
	delete(header, "Server")
	header["Via"] = append(header["Via"], viaOf(res.ProtoMajor, res.ProtoMinor))
	t.addFields(header, res)
	t.w.WriteHeader(res.StatusCode)
	err := t.copyBody(res)
	_ = res.Body.Close()
	t.facts.done(err == nil)
	if err != nil {
		t.abort(err)
	}
	t.addTrailers(header, res)
	return nil
}

func viaOf(major, minor int) string {
	if major == 1 && minor == 1 {
		return "1.1 Caddy"
	}
	return strconv.Itoa(major) + "." + strconv.Itoa(minor) + " Caddy"
}

// addFields adds the fields of a response, after header_down.
func (t *trip) addFields(header http.Header, res *http.Response) {
	fields := res.Header
	if len(fields["Connection"]) > 0 || t.way.down != nil {
		fields = withoutHops(fields)
	}
	if down := t.way.down; down != nil && (down.Require == nil || down.Require.Match(res.StatusCode, fields)) {
		down.ApplyTo(fields, t.repl)
	}
	for name, values := range fields {
		switch {
		case isHop(name) && t.way.down == nil:
		case header[name] == nil:
			header[name] = values
		default:
			header[name] = append(header[name], values...)
		}
	}
}

// withoutHops returns a copy without the fields that are for this hop only.
func withoutHops(header http.Header) http.Header {
	out := header.Clone()
	deleteNominated(out, header["Connection"])
	maps.DeleteFunc(out, func(name string, _ []string) bool { return isHop(name) })
	return out
}

// copyBody copies the body of a response.
func (t *trip) copyBody(res *http.Response) error {
	if size := bufferFor(res.ContentLength); len(t.buffer) < size {
		t.buffer = make([]byte, size)
	}
	if isStream(res) {
		return t.copyStream(res)
	}
	if res.Body == http.NoBody {
		return nil
	}
	return t.copyAll(res.Body, func() {})
}

// copyStream copies the body of a response so that the client gets each part at once, the head
// too if nothing has come yet.
func (t *trip) copyStream(res *http.Response) error {
	controller := http.NewResponseController(t.w)
	flushed := false
	flush := func() {
		_ = controller.Flush()
		flushed = true
	}
	if source, ok := res.Body.(interface{ Ready() bool }); !ok || !source.Ready() {
		flush()
	}
	err := t.copyAll(res.Body, flush)
	if !flushed {
		flush()
	}
	return err
}

// copyAll copies a body. It calls written after each part.
func (t *trip) copyAll(body io.Reader, written func()) error {
	for {
		n, err := body.Read(t.buffer)
		if n > 0 {
			if err := t.write(t.buffer[:n]); err != nil {
				return err
			}
			written()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
	}
}

func (t *trip) write(p []byte) error {
	n, err := t.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// isStream reports whether the client should get each part of a response at once.
func isStream(res *http.Response) bool {
	if res.ContentLength == -1 {
		return true
	}
	if !strings.Contains(res.Header.Get("Content-Type"), "event-stream") {
		return false
	}
	mediaType, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return err == nil && mediaType == "text/event-stream"
}

// abort ends a response that cannot be completed, so that the client sees that.
func (t *trip) abort(err error) {
	server, _ := t.r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	sent := *t.r
	sent.Header, sent.Host = t.head.Header.Clone(), t.host
	t.way.log.Warn("aborting with incomplete response",
		zap.String("upstream", t.to.upstream.String()),
		zap.Duration("duration", t.facts.latency),
		zap.Object("request", caddyhttp.LoggableHTTPRequest{
			Request:              &sent,
			ShouldLogCredentials: server != nil && server.Logs != nil && server.Logs.ShouldLogCredentials,
		}),
		zap.Error(err))
	_ = http.NewResponseController(t.w).Flush()
	panic(http.ErrAbortHandler)
}

// addTrailers adds trailers that were not announced.
func (t *trip) addTrailers(header http.Header, res *http.Response) {
	if len(res.Trailer) == 0 {
		return
	}
	_ = http.NewResponseController(t.w).Flush() // or the length would be set
	for name, values := range res.Trailer {
		for _, value := range values {
			header.Add(http.TrailerPrefix+name, value)
		}
	}
}
