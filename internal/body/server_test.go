package body

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// contentOf returns a body of size bytes that no other id has anywhere.
func contentOf(id string, size int) []byte {
	sum := sha256.Sum256([]byte(id))
	return bytes.Repeat(sum[:], size/len(sum)+1)[:size]
}

// upstream checks what it is sent: a body that is complete by HTTP's framing has to be the
// one that belongs to X-Id and X-Size. behave does the rest.
func upstream(t *testing.T, behave func(w http.ResponseWriter, r *http.Request)) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(behave))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	t.Cleanup(s.Close)
	return s
}

func checkBody(t *testing.T, r *http.Request) (complete bool) {
	size, err := strconv.Atoi(r.Header.Get("X-Size"))
	if err != nil {
		t.Errorf("X-Size: %v", err)
		return false
	}
	got, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	if want := contentOf(r.Header.Get("X-Id"), size); !bytes.Equal(got, want) {
		t.Errorf("%s: upstream has read %d bytes to the end, and they are not the %d bytes of the body",
			r.Header.Get("X-Id"), len(got), size)
	}
	return true
}

// The ways of upstreams.
func answer(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if checkBody(t, r) {
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

func readAllAndHangUp(t *testing.T) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		checkBody(t, r)
		panic(http.ErrAbortHandler)
	}
}

func readSomeAndHangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func answerEarly(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
}

// answerEarlyAndRead answers, and still looks at the body while the answer is on its way.
func answerEarlyAndRead(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = http.NewResponseController(w).Flush()
		checkBody(t, r)
	}
}

// retry sends one body object to one upstream after the other until one answers below 500.
type retry struct {
	transport http.RoundTripper
	upstreams []string
}

func (h retry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, target := range h.upstreams {
		u, err := url.Parse(target)
		if err != nil {
			panic(err)
		}
		out := r.Clone(r.Context())
		out.URL, out.RequestURI = u, ""
		res, err := h.transport.RoundTrip(out)
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode < 500 {
			w.WriteHeader(res.StatusCode)
			return
		}
	}
	w.WriteHeader(http.StatusBadGateway)
}

// gate reads and replaces bodies in front of next.
func gate(t *testing.T, next http.Handler) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := Read(r, Limits{Body: 1 << 30, Decoded: 1 << 30, Ratio: 100})
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		defer Replace(r, b, false).Release()
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func post(ctx context.Context, client *http.Client, target, id string, size int, chunked bool) (int, error) {
	var src io.Reader = bytes.NewReader(contentOf(id, size))
	if chunked {
		src = struct{ io.Reader }{src}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, src)
	if err != nil {
		return 0, err
	}
	r.Header.Set("X-Id", id)
	r.Header.Set("X-Size", strconv.Itoa(size))
	res, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

func TestRetryOverTCP(t *testing.T) {
	tests := []struct {
		name   string
		first  func(*testing.T) http.HandlerFunc
		status int // 0: either the whole body arrives or an error
	}{
		{"reads all and hangs up", readAllAndHangUp, http.StatusNoContent},
		{"hangs up", func(*testing.T) http.HandlerFunc { return readSomeAndHangUp }, 0},
		{"answers early", func(*testing.T) http.HandlerFunc { return answerEarly }, 0},
		{"answers early and reads on", answerEarlyAndRead, 0},
	}
	for _, http2 := range []bool{false, true} {
		for _, tt := range tests {
			for _, size := range []int{1, 1000, 100_000, 3_000_000} {
				t.Run(fmt.Sprintf("%s/%d/http2=%v", tt.name, size, http2), func(t *testing.T) {
					first, second := upstream(t, tt.first(t)), upstream(t, answer(t))
					transport := &http.Transport{}
					defer transport.CloseIdleConnections()
					for _, s := range []*httptest.Server{first, second} {
						if !http2 {
							s.Start()
							continue
						}
						s.StartTLS()
						transport = s.Client().Transport.(*http.Transport)
					}
					front := gate(t, retry{transport, []string{first.URL, second.URL}})
					for i := range 3 {
						status, err := post(t.Context(), front.Client(), front.URL, fmt.Sprint(t.Name(), i), size, i == 1)
						if err != nil {
							t.Fatal(err)
						}
						if tt.status != 0 && status != tt.status {
							t.Errorf("got %d, want %d", status, tt.status)
						}
					}
				})
			}
		}
	}
}

// TestBodiesDoNotMix sends many bodies at once through a proxy to upstreams of all kinds,
// with clients that go away, and has every upstream look at what it is sent.
func TestBodiesDoNotMix(t *testing.T) {
	var complete atomic.Int64
	good := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if checkBody(t, r) {
			complete.Add(1)
			w.WriteHeader(http.StatusNoContent)
		}
	})
	var turn atomic.Int64
	bad := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		ways := []http.HandlerFunc{readAllAndHangUp(t), readSomeAndHangUp, answerEarly, answerEarlyAndRead(t)}
		ways[turn.Add(1)%int64(len(ways))](w, r)
	})
	good.Start()
	bad.Start()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()

	u, err := url.Parse(bad.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(u)
	proxy.Transport, proxy.ErrorLog = transport, log.New(io.Discard, "", 0)
	fronts := []*httptest.Server{
		gate(t, retry{transport, []string{good.URL}}),
		gate(t, retry{transport, []string{bad.URL, good.URL}}),
		gate(t, proxy),
	}
	hammer(t, fronts)
	if complete.Load() < 50 {
		t.Errorf("only %d bodies have arrived", complete.Load())
	}
}

func hammer(t *testing.T, fronts []*httptest.Server) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 40 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%8 == 7 {
					ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
				}
				id := fmt.Sprintf("%d-%d", worker, i)
				size := []int{10, 3000, 5000, 40_000, 300_000}[i%5]
				_, err := post(ctx, client, fronts[(worker+i)%len(fronts)].URL, id, size, i%3 == 0)
				if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
					t.Errorf("%s: %v", id, err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}

// TestExpectContinue has a client wait for 100 (Continue), which it must not get if the body
// is too large.
func TestExpectContinue(t *testing.T) {
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := Read(r, Limits{Body: 10})
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		b.Free()
	}))
	defer front.Close()
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	defer client.CloseIdleConnections()
	for size, want := range map[int]bool{10: true, 11: false} {
		sent := false
		content := bytes.NewReader(make([]byte, size))
		src := readerFunc(func(p []byte) (int, error) { sent = true; return content.Read(p) })
		r, err := http.NewRequest(http.MethodPost, front.URL, src)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = int64(size)
		r.Header.Set("Expect", "100-continue")
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if sent != want || (res.StatusCode == http.StatusOK) != want {
			t.Errorf("%d bytes: sent %v, status %d", size, sent, res.StatusCode)
		}
	}
}
