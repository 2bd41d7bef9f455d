package kubernetes

import (
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// demoKey is in ../keys.json, and good for nothing else.
const demoKey = "iak_live_PublicDemoKeyDoNotUse000000000010ZukjS"

// TestPodAnswers runs the gate of the file-keys overlay with a service behind it,
// and asks what the kubelet, Prometheus and a client ask.
func TestPodAnswers(t *testing.T) {
	identity := make(chan string, 1)
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			identity <- r.Header.Get("X-Ingest-Identity")
		}
	}))
	defer service.Close()
	v := build(t, "overlays/file-keys")
	clients, probes := freePort(t), freePort(t)
	ended := runGate(t, v, strings.NewReplacer(
		":8080", clients, ":9180", probes,
		"127.0.0.1:9000", strings.TrimPrefix(service.URL, "http://"),
		"/etc/ingest-keys/keys.json", absolute(t, "../keys.json"),
	))

	base := "http://127.0.0.1" + probes
	waitFor(t, base+v.container(t, "gate").LivenessProbe.HTTPGet.Path, ended)
	for _, c := range v.containers() {
		want(t, base+c.ReadinessProbe.HTTPGet.Path, http.StatusOK)
	}
	want(t, base+v.deployment.Spec.Template.Annotations["prometheus.io/path"], http.StatusOK)
	want(t, "http://127.0.0.1"+clients+"/track", http.StatusUnauthorized)
	want(t, "http://127.0.0.1"+clients+"/.well-known/jwks.json", http.StatusOK)
	want(t, "http://127.0.0.1"+clients+"/track?apiKey="+demoKey, http.StatusOK)
	if token := <-identity; strings.Count(token, ".") != 2 {
		t.Errorf("the service got the assertion %q", token)
	}
	service.Close()
	want(t, base+v.container(t, "service").ReadinessProbe.HTTPGet.Path, http.StatusBadGateway)
}

// runGate starts the gate with a variant's files, edited, until the test ends. The
// channel is closed when the gate has ended.
func runGate(t *testing.T, v variant, edit *strings.Replacer) <-chan struct{} {
	t.Helper()
	for name, content := range v.configMap.Data {
		v.configMap.Data[name] = edit.Replace(content)
	}
	args := append([]string(nil), v.container(t, "gate").Args...)
	args[len(args)-1] = filepath.Join(v.unpack(t), filepath.Base(args[len(args)-1]))
	cmd := exec.Command(gate, args...)
	cmd.Env = []string{"XDG_DATA_HOME=" + t.TempDir()} // there is no home directory
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return ended
}

// waitFor asks until the answer is 200, or the gate has ended.
func waitFor(t *testing.T, url string, ended <-chan struct{}) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		if response, err := http.Get(url); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ended:
			t.Fatal("the gate has ended")
		case <-deadline:
			t.Fatalf("%s does not answer 200", url)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func want(t *testing.T, url string, status int) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != status {
		t.Errorf("%s: %s, want %d", url, response.Status, status)
	}
}

// freePort returns a port that nobody listens on, with a colon in front. It is below those that
// the system gives to whoever dials: one of those may be gone again before the gate listens.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := ":" + strconv.Itoa(10_000+rand.IntN(2_000))
		if listener, err := net.Listen("tcp", port); err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(abs); err != nil {
		t.Fatal(err)
	}
	return abs
}
