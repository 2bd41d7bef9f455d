//go:build linux

package rig

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/ingestauth/caddy-ingest-auth"
	"github.com/ingestauth/caddy-ingest-auth/internal/await"
)

func TestParseCPUTime(t *testing.T) {
	tests := []struct {
		name, stat string
		want       time.Duration
		fails      bool
	}{
		{"plain", "1 (caddy) S 0 1 1 0 -1 4 0 0 0 0 120 35 0 0 20 0 9", 1550 * time.Millisecond, false},
		{"odd name", "1 (a) b 9) S 0 1 1 0 -1 4 0 0 0 0 100 1 0", 1010 * time.Millisecond, false},
		{"short", "1 (caddy) S 0", 0, true},
		{"no number", "1 (caddy) S 0 1 1 0 -1 4 0 0 0 0 x 35 0", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseCPUTime(tt.stat)
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestParseMemory(t *testing.T) {
	got, err := parseMemory("Name:\tcaddy\nVmHWM:\t   67584 kB\nVmRSS:\t   66560 kB\nRssAnon:\t   20480 kB\nRssFile:\t 1 kB\n")
	if want := (Memory{Resident: 65, Peak: 66, Anonymous: 20}); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, status := range []string{"", "Name:\tx\nVmHWM:\t1 kB\nVmRSS:\t1 kB\n", "Name:\tx\nVmHWM:\t1 kB\nVmRSS:\tx kB\nRssAnon:\t1 kB\n"} {
		if got, err := parseMemory(status); err == nil {
			t.Errorf("parseMemory(%q) = %+v", status, got)
		}
	}
}

// TestParseFilePagesInUse: only mappings of files count, and names with spaces are names.
func TestParseFilePagesInUse(t *testing.T) {
	got, err := parseFilePagesInUse(`00400000-02000000 r-xp 00000000 fe:00 1234    /srv/a gate
Rss:               45000 kB
Referenced:         2048 kB
c000000000-c004000000 rw-p 00000000 00:00 0
Referenced:        19000 kB
7ffd0000-7ffd1000 rw-p 00000000 00:00 0      [stack]
Referenced:           12 kB
7f000000-7f100000 r--p 00000000 fe:00 99    /lib/ld.so
Referenced:         1024 kB
VmFlags: rd mr mw me
`)
	if got != 3 || err != nil {
		t.Errorf("got %v, %v, want 3", got, err)
	}
	if _, err := parseFilePagesInUse("0-1 r-xp 0 0 1 /a\nReferenced: x kB\n"); err == nil {
		t.Error("no error")
	}
}

func TestBusy(t *testing.T) {
	parse := func(stat string) cpus {
		c, err := parseCPUs(stat)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := parse("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	after := parse("cpu  110 5 55 860 60 1 1 8 0 0\n")
	if got := after.busySince(before); math.Abs(got-0.3) > 1e-9 {
		t.Errorf("%v busy, want 0.3", got)
	}
	if got := before.busySince(before); got != 0 {
		t.Errorf("%v busy in no time", got)
	}
	for _, stat := range []string{"", "cpu 1 2 3\n", "intr 1 2 3 4 5 6 7 8 9\n", "cpu a 2 3 4 5 6 7 8\n"} {
		if _, err := parseCPUs(stat); err == nil {
			t.Errorf("%q: no error", stat)
		}
	}
}

// TestQuartiles: figures are from R, quantile(x, type = 7).
func TestQuartiles(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   Quartiles
	}{
		{nil, Quartiles{}},
		{[]float64{3}, Quartiles{3, 3, 3}},
		{[]float64{2, 1}, Quartiles{1.25, 1.5, 1.75}},
		{[]float64{9, 1, 2}, Quartiles{1.5, 2, 5.5}},
		{[]float64{4, 1, 9, 2}, Quartiles{1.75, 3, 5.25}},
		{[]float64{5, 3, 1, 4, 2}, Quartiles{2, 3, 4}},
	} {
		given := slices.Clone(tt.values)
		if got := QuartilesOf(tt.values); got != tt.want {
			t.Errorf("QuartilesOf(%v) = %v, want %v", tt.values, got, tt.want)
		}
		if !slices.Equal(given, tt.values) {
			t.Errorf("%v became %v", given, tt.values)
		}
	}
	if got := (Quartiles{0.5, 0.606, 1}).Format(2); got != "0.61 (0.50 to 1.00)" {
		t.Errorf("written as %s", got)
	}
}

func TestRatios(t *testing.T) {
	if got := Ratios([]float64{1, 6}, []float64{2, 3}); !slices.Equal(got, []float64{0.5, 2}) {
		t.Errorf("got %v", got)
	}
}

// TestRequests: what is sent is HTTP, of the length asked for, and the key is where it should be.
func TestRequests(t *testing.T) {
	const key = "iak_test_key"
	for _, size := range []int{300, 1 << 10, 10_001, 1_000_000} {
		body := bodyOf(t, PostWithKey(key, size), false)
		var got struct{ Token string }
		if err := json.Unmarshal(body, &got); err != nil || got.Token != key || len(body) != size {
			t.Errorf("size %d: %d bytes, token %q, %v", size, len(body), got.Token, err)
		}
		if unpacked := bodyOf(t, PostGzip(key, size), true); !bytes.Equal(unpacked, body) {
			t.Errorf("size %d: gzip has %d other bytes", size, len(unpacked))
		}
	}
}

func bodyOf(t *testing.T, request []byte, zipped bool) []byte {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		t.Fatal(err)
	}
	in := io.Reader(r.Body)
	if zipped {
		if in, err = gzip.NewReader(r.Body); err != nil {
			t.Fatal(err)
		}
	}
	body, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestStopEndsChildren: nginx has workers, which must not stay behind. Their CPU time counts.
func TestStopEndsChildren(t *testing.T) {
	runtime.LockOSThread() // as in main
	p, err := Start(t.Context(), nil, "sh", "-c", "while :; do :; done & wait")
	if err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(p.cmd.Process.Pid)
	await.That(t, "a child", func() bool { return len(children(pid)) == 1 })
	child, err := strconv.Atoi(children(pid)[0])
	if err != nil {
		t.Fatal(err)
	}
	await.That(t, "CPU time of the child", func() bool { used, _ := p.CPUTime(); return used > 50*time.Millisecond })
	if err := p.Alive(); err != nil {
		t.Error(err)
	}
	p.Stop()
	await.That(t, "the child's end", func() bool { return (&Process{cmd: &exec.Cmd{Process: &os.Process{Pid: child}}}).ended() })
	if p.Alive() == nil {
		t.Error("the process is said to run")
	}
}

// TestSmallServers: what answers must do so on connections that stay open, with bodies of both kinds.
func TestSmallServers(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go serve(server, func(r *http.Request) string {
		if r.Header.Get("X-API-Key") == "k" {
			return knownAnswer
		}
		return unknownAnswer
	})
	in := bufio.NewReader(client)
	for _, tt := range []struct {
		request string
		want    int
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\n\r\n", http.StatusOK},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", http.StatusUnauthorized},
		{"POST / HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", http.StatusOK},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", http.StatusUnauthorized},
	} {
		if _, err := io.WriteString(client, tt.request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != tt.want {
			t.Fatalf("%q: %v, %v", tt.request, resp, err)
		}
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after Connection: close: %v", err)
	}
}

// TestCaddyfiles: Caddy takes what is written for it.
func TestCaddyfiles(t *testing.T) {
	keys, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	path, err := keys.WriteFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	gate := Gate(path, "127.0.0.1:9000")
	gate.Sites, gate.Admin = 2, "127.0.0.1:2019"
	for name, c := range map[string]Caddy{
		"stock": Stock("127.0.0.1:9000"), "stock with log": Stock("127.0.0.1:9000").WithAccessLog(),
		"gate": gate, "gate with log": gate.WithAccessLog(),
	} {
		file := c.file([]string{"127.0.0.1:8080", "127.0.0.1:8081"})
		if _, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(file, nil); err != nil {
			t.Errorf("%s: %v\n%s", name, err, file)
		}
	}
}
