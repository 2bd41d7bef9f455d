package body

import (
	"bytes"
	"io"
	"net/http"
	"runtime"
	"testing"
)

// benchBody is a body of a server without its cost.
type benchBody struct{ bytes.Reader }

func (*benchBody) Close() error { return nil }

// roundTrip returns a function that takes a body all the way through the gate.
func roundTrip(tb testing.TB, content []byte, coding string) func() {
	r := &http.Request{Method: http.MethodPost, Header: http.Header{}}
	src := new(benchBody)
	sink := make([]byte, 32<<10)
	codings := []string{coding}
	return func() {
		src.Reset(content)
		r.Body, r.ContentLength = src, int64(len(content))
		r.Header["Content-Encoding"] = codings
		buf, err := Read(r, testLimits)
		if err != nil {
			tb.Fatal(err)
		}
		p := Replace(r, buf, true)
		for err == nil {
			_, err = r.Body.Read(sink)
		}
		if err != io.EOF {
			tb.Fatal(err)
		}
		p.Release()
	}
}

// TestAllocations sees whether memory comes from the pools and goes back to them.
func TestAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(1000, roundTrip(t, noise(1<<10), "")); n > 3 {
		t.Errorf("a body of 1 KiB takes %v allocations, want at most 3", n)
	}
}

func TestRefusedBodyGivesMemoryBack(t *testing.T) {
	const rounds = 1000
	src := new(benchBody)
	r := &http.Request{Method: http.MethodPost, Body: src, ContentLength: -1}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		src.Reset([]byte("too large"))
		if _, err := Read(r, Limits{Body: 1}); err == nil {
			t.Fatal("no error")
		}
	}
	runtime.ReadMemStats(&after)
	// The smallest buffer has 4 KiB; under the race detector a pool loses a part of them.
	if n := (after.TotalAlloc - before.TotalAlloc) / rounds; n > 3<<10 {
		t.Errorf("a refused body takes %d bytes", n)
	}
}

func benchmark(b *testing.B, content []byte, coding string) {
	run := roundTrip(b, content, coding)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
}

func BenchmarkIdentity1KB(b *testing.B)   { benchmark(b, noise(1<<10), "") }
func BenchmarkIdentity100KB(b *testing.B) { benchmark(b, noise(100<<10), "") }

func BenchmarkGzip1KB(b *testing.B) {
	benchmark(b, encode("gzip", bytes.Repeat([]byte(`{"event":"click"},`), 60)), "gzip")
}

func BenchmarkBrotli1KB(b *testing.B) {
	benchmark(b, encode("br", bytes.Repeat([]byte(`{"event":"click"},`), 60)), "br")
}

func BenchmarkZstd1KB(b *testing.B) {
	benchmark(b, encode("zstd", bytes.Repeat([]byte(`{"event":"click"},`), 60)), "zstd")
}
