package body

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestPeek(t *testing.T) {
	broken := errors.New("connection reset")
	content := strings.Repeat("0123456789", 100)
	for _, tt := range []struct {
		name   string
		src    io.Reader
		enough int
		want   int // bytes of the beginning, at least
		whole  bool
		err    error
	}{
		{"a byte at a time", iotest.OneByteReader(strings.NewReader(content)), 7, 7, false, nil},
		{"at once", strings.NewReader(content), 7, maxPeek, false, nil},
		{"never enough", iotest.OneByteReader(strings.NewReader(content)), 1 << 20, maxPeek, false, nil},
		{"all of it", strings.NewReader("short"), 1 << 20, 5, true, nil},
		{"all of it, with the end", iotest.DataErrReader(strings.NewReader("short")), 1 << 20, 5, true, nil},
		{"nothing", strings.NewReader(""), 1, 0, true, nil},
		{"an error", io.MultiReader(strings.NewReader("short"), iotest.ErrReader(broken)), 1 << 20, 5, false, broken},
		{"an error behind", io.MultiReader(strings.NewReader("short"), iotest.ErrReader(broken)), 5, 5, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRequest(nil, -1)
			var whole bytes.Buffer
			r.Body = io.NopCloser(io.TeeReader(tt.src, &whole))
			beginning, all, err := Peek(r, func(b []byte) bool { return len(b) >= tt.enough })
			if len(beginning) != tt.want || all != tt.whole || !errors.Is(err, tt.err) {
				t.Fatalf("%d bytes, whole: %t, %v", len(beginning), all, err)
			}
			got, err := io.ReadAll(r.Body)
			if string(got) != whole.String() || err != nil && !errors.Is(err, broken) {
				t.Errorf("%d bytes of %d are left, %v", len(got), whole.Len(), err)
			}
		})
	}
}

// TestStreamIsReadOnce: a closed body never looks like one at its end, whatever the
// body below does.
func TestStreamIsReadOnce(t *testing.T) {
	for _, read := range []int64{0, 1, 600, 1000} {
		for name, wrap := range map[string]func(r *http.Request){
			"peeked": func(r *http.Request) { _, _, _ = Peek(r, func([]byte) bool { return true }) },
			"once":   Once,
		} {
			r := newRequest(nil, -1)
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", 1000))) // which Close does not end
			wrap(r)
			if n, err := io.CopyN(io.Discard, r.Body, read); err != nil {
				t.Fatal(n, err)
			}
			_ = r.Body.Close()
			if n, err := r.Body.Read(make([]byte, 10)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
				t.Errorf("%s, closed after %d bytes: %d bytes, %v", name, read, n, err)
			}
		}
	}
}

// TestOnceLeavesAlone what gives a missing rest away by its length, and what is none.
func TestOnceLeavesAlone(t *testing.T) {
	src := io.NopCloser(strings.NewReader("body"))
	for _, r := range []*http.Request{{Body: src, ContentLength: 4}, {Body: http.NoBody, ContentLength: -1}, {ContentLength: -1}} {
		before := r.Body
		if Once(r); r.Body != before {
			t.Errorf("%T is now %T", before, r.Body)
		}
	}
}

// TestStreamCloseDoesNotWait for a Read that waits for the client.
func TestStreamCloseDoesNotWait(t *testing.T) {
	pr, pw := io.Pipe()
	r := newRequest(nil, -1)
	r.Body = pr
	Once(r)
	began, ended := make(chan bool), make(chan error)
	go func() {
		close(began)
		_, err := r.Body.Read(make([]byte, 10))
		ended <- err
	}()
	<-began
	_ = r.Body.Close()
	if err := <-ended; err == nil {
		t.Error("the Read of a closed body has no error")
	}
	_ = pw.Close()
}

// TestPeekedBodyThatIsRead: such a body needs no extra memory, and leaves no bytes
// behind.
func TestPeekedBodyThatIsRead(t *testing.T) {
	src := new(benchBody)
	r := &http.Request{Method: http.MethodPost, Header: http.Header{}}
	content := []byte(`{"token":"a key"}`)
	var peeked *stream
	round := func() {
		src.Reset(content)
		r.Body, r.ContentLength = src, int64(len(content))
		if _, _, err := Peek(r, func(b []byte) bool { return len(b) > 3 }); err != nil {
			t.Fatal(err)
		}
		peeked = r.Body.(*stream)
		buf, err := Read(r, testLimits)
		if err != nil || string(buf.Bytes()) != string(content) {
			t.Fatal(err, string(buf.Bytes()))
		}
		Replace(r, buf, false).Release()
	}
	if n := testing.AllocsPerRun(1000, round); n > 3 {
		t.Errorf("%v allocations, want as many as without", n)
	}
	if peeked.src != nil || peeked.head != nil || peeked.mem != [maxPeek]byte{} {
		t.Error("the body is left in memory")
	}
}
