package gate

import (
	"io"
	"net/http"

	"github.com/ingestauth/caddy-ingest-auth/internal/cors"
)

// ownHeaders are the headers that the gate adds to an answer.
type ownHeaders struct {
	tally *tally // the states of the limits, nil if none counted the request
	cors  cors.Answer
}

// setHeaders sets them.
func (o *ownHeaders) setHeaders(h http.Header) {
	if o.tally != nil {
		o.tally.setHeaders(h)
	}
	if o.cors.Active {
		o.cors.SetHeaders(h)
	}
}

// forward passes the request to the next handler, and adds the gate's headers to the
// answer.
func (p *passage) forward(w http.ResponseWriter, r *http.Request, next Handler) error {
	var resp *response
	switch {
	case p.tally != nil:
		resp = &p.tally.response
	case p.cors.Active:
		resp = new(response)
	default:
		return next.ServeHTTP(w, r)
	}
	resp.ResponseWriter, resp.ownHeaders = w, p.ownHeaders
	err := next.ServeHTTP(resp, r)
	resp.finish()
	return err
}

// response is the writer for the next handlers if the gate has its own headers. It sets
// them at the last moment, so that they replace headers of the backend with the same
// names.
type response struct {
	http.ResponseWriter
	ownHeaders

	wrote bool
}

// finish sets the headers of a response that nobody has started.
func (w *response) finish() {
	if !w.wrote {
		w.setHeaders(w.Header())
	}
}

// start sets the headers before the first byte of the response.
func (w *response) start() {
	if !w.wrote {
		w.wrote = true
		w.setHeaders(w.Header())
	}
}

// WriteHeader implements http.ResponseWriter. Informational responses (RFC 9110, section
// 15.2) pass unchanged, except 101, which ends HTTP.
func (w *response) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		w.start()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	w.start()
	return w.ResponseWriter.Write(b)
}

// ReadFrom implements io.ReaderFrom.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	w.start()
	if from, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		return from.ReadFrom(r)
	}
	return io.Copy(w.ResponseWriter, r)
}

// Push implements http.Pusher.
func (w *response) Push(target string, o *http.PushOptions) error {
	if pusher, ok := w.ResponseWriter.(http.Pusher); ok {
		return pusher.Push(target, o)
	}
	return http.ErrNotSupported
}

// Unwrap is what http.ResponseController looks for.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// FlushError implements what http.ResponseController looks for. The writer below decides
// whether a flush starts the response.
func (w *response) FlushError() error {
	w.finish()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Interface guards
var (
	_ http.ResponseWriter                       = (*response)(nil)
	_ http.Pusher                               = (*response)(nil)
	_ io.ReaderFrom                             = (*response)(nil)
	_ interface{ FlushError() error }           = (*response)(nil)
	_ interface{ Unwrap() http.ResponseWriter } = (*response)(nil)
)
