package body

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// newReplay returns a request with content as its body, as the gate leaves it.
func newReplay(t testing.TB, content string) (*http.Request, *Replay) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(content))
	b, err := Read(r, Limits{Body: 1 << 30, Decoded: 1 << 30, Ratio: 100})
	if err != nil {
		t.Fatal(err)
	}
	return r, Replace(r, b, false)
}

// copyBody reads like io.Copy: again and again into one slice.
func copyBody(src io.Reader, size int) ([]byte, error) {
	var got []byte
	dst := make([]byte, size)
	for {
		n, err := src.Read(dst)
		got = append(got, dst[:n]...)
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
}

func TestReplayPasses(t *testing.T) {
	const content = "0123456789"
	_, p := newReplay(t, content)
	for _, size := range []int{1, 3, 10, 100} {
		got, err := copyBody(p, size)
		if string(got) != content || err != nil {
			t.Fatalf("slices of %d: got %q, %v", size, got, err)
		}
		if n, err := p.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("after the end: got %d, %v, want 0, EOF", n, err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReplayUnreadClose(t *testing.T) {
	_, p := newReplay(t, "content")
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := p.Read(nil); n != 0 || err != nil {
		t.Fatalf("Read(nil): got %d, %v, want 0, nil", n, err)
	}
	if got, err := copyBody(p, 100); string(got) != "content" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestReplayBreaks(t *testing.T) {
	tests := []struct {
		name string
		pass func(p *Replay)
	}{
		{"closed in the middle", func(p *Replay) { _, _ = p.Read(make([]byte, 3)) }},
		{"closed before the last byte", func(p *Replay) { _, _ = p.Read(make([]byte, 9)) }},
		{"read into two slices", func(p *Replay) { _, _ = p.Read(make([]byte, 3)); _, _ = p.Read(make([]byte, 7)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, p := newReplay(t, "0123456789")
			tt.pass(p)
			_ = p.Close()
			for range 2 {
				if n, err := p.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errLeftInTheMiddle) {
					t.Fatalf("got %d, %v, want 0, %v", n, err, errLeftInTheMiddle)
				}
				_ = p.Close()
			}
		})
	}
}

func TestRelease(t *testing.T) {
	r, p := newReplay(t, "content")
	reopened, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = p.Read(make([]byte, 3))
	mem := p.buf.Bytes()
	p.Release()
	p.Release()
	if !bytes.Equal(mem, make([]byte, len(mem))) {
		t.Error("the memory was not given back")
	}
	for name, body := range map[string]io.ReadCloser{"Body": p, "GetBody": reopened} {
		if n, err := body.Read(make([]byte, 9)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("%s: got %d, %v, want 0, %v", name, n, err, http.ErrBodyReadAfterClose)
		}
		if err := body.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
	}
	if _, err := r.GetBody(); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("GetBody: got %v, want %v", err, http.ErrBodyReadAfterClose)
	}
}

func TestGetBody(t *testing.T) {
	r, p := newReplay(t, "0123456789")
	_, _ = p.Read(make([]byte, 4))
	first, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = first.Read(make([]byte, 2))
	second, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := copyBody(second, 3); string(got) != "0123456789" || err != nil {
		t.Errorf("second: got %q, %v", got, err)
	}
	if got, err := copyBody(first, 3); string(got) != "23456789" || err != nil {
		t.Errorf("first: got %q, %v", got, err)
	}
	if got, err := copyBody(p, 3); string(got) != "456789" || err != nil {
		t.Errorf("Body: got %q, %v", got, err)
	}
	_ = first.Close()
	if n, err := first.Read(make([]byte, 1)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("after Close: got %d, %v", n, err)
	}
}

func TestGetBodyOfAReplacedBody(t *testing.T) {
	r, _ := newReplay(t, "content")
	r.Body = io.NopCloser(strings.NewReader("another"))
	if body, err := r.GetBody(); err == nil {
		got, _ := io.ReadAll(body)
		t.Errorf("GetBody gives %q after the body was replaced", got)
	}
}

// proxyReader is one attempt of a proxy to send a body, as net/http's transport does it: it
// reads into one slice until it has Content-Length bytes, then looks whether there are more,
// then closes. With fresh it reads into a new slice each time, as io.ReadAll may.
type proxyReader struct {
	dst   []byte
	fresh bool
	wire  []byte // what the upstream gets
	state string // reading, checking, closing, done
}

func (a proxyReader) step(p *Replay, length int) proxyReader {
	switch a.state {
	case "reading":
		dst := a.dst
		if a.fresh {
			dst = make([]byte, len(a.dst))
		}
		n, err := p.Read(dst[:min(len(dst), length-len(a.wire))])
		a.wire = append(bytes.Clone(a.wire), dst[:n]...)
		switch {
		case err != nil && err != io.EOF:
			a.state = "closing"
		case err == io.EOF || len(a.wire) == length:
			a.state = "checking"
		}
	case "checking":
		_, _ = p.Read(make([]byte, 2*length))
		a.state = "closing"
	case "closing":
		_ = p.Close()
		a.state = "done"
	}
	return a
}

// abort is what happens when the upstream hangs up.
func (a proxyReader) abort() proxyReader {
	a.state = "closing"
	return a
}

func (a proxyReader) String() string { return fmt.Sprintf("%s %q", a.state, a.wire) }

// explore runs all interleavings of readers on p, each of which may be aborted at any time.
func explore(t *testing.T, content string, p *Replay, readers []proxyReader, seen map[string]bool) {
	key := fmt.Sprint(p.pos, p.reader, p.shared, p.broken, readers)
	if seen[key] || t.Failed() {
		return
	}
	seen[key] = true
	for i, a := range readers {
		if len(a.wire) == len(content) && string(a.wire) != content {
			t.Errorf("reader %d of %v sent a mixture", i, readers)
			return
		}
		if a.state == "done" {
			continue
		}
		for _, abort := range []bool{false, true} {
			next := append([]proxyReader(nil), readers...)
			q := &Replay{buf: p.buf, pos: p.pos, reader: p.reader, shared: p.shared, broken: p.broken}
			if abort {
				next[i] = a.abort()
			} else {
				next[i] = a.step(q, len(content))
			}
			explore(t, content, q, next, seen)
		}
	}
}

// TestInterleavedReadersNeverMix is the proof of what Replay promises, for small bodies: a
// reader that gets as many bytes as Content-Length says has got the body.
func TestInterleavedReadersNeverMix(t *testing.T) {
	const content = "012"
	sizes := []int{1, 2}
	states := 0
	for _, fresh := range []bool{false, true} {
		for _, a := range sizes {
			for _, b := range sizes {
				for _, c := range sizes {
					_, p := newReplay(t, content)
					seen := map[string]bool{}
					explore(t, content, p, []proxyReader{
						{dst: make([]byte, a), state: "reading", fresh: fresh},
						{dst: make([]byte, b), state: "reading"},
						{dst: make([]byte, c), state: "reading", fresh: fresh},
					}, seen)
					states += len(seen)
				}
			}
		}
	}
	t.Logf("%d states", states)
	if states < 10_000 {
		t.Errorf("only %d states were looked at", states)
	}
}

// TestAttemptAfterAttempt is what must work: a read after a complete pass gets everything.
func TestAttemptAfterAttempt(t *testing.T) {
	const content = "0123456789"
	_, p := newReplay(t, content)
	for size := 1; size < 12; size++ {
		a := proxyReader{dst: make([]byte, size), state: "reading"}
		for a.state != "done" {
			a = a.step(p, len(content))
		}
		if string(a.wire) != content {
			t.Fatalf("slices of %d: got %q", size, a.wire)
		}
	}
}
