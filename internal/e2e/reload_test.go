package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

const testKey = "canary-binary-key"

// binary is the program under test. It is built without the profile, which is about
// speed only and takes minutes.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ingest-auth-test")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "ingest-auth")
	build := exec.Command("go", "build", "-pgo=off", "-ldflags=-s -w", "-o", binary, "../../cmd/ingest-auth")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// process is a running program with its own folder.
type process struct {
	t           *testing.T
	dir         string
	site, admin string // host:port
	backend     string
	user        *syscall.SysProcAttr // nil for that of the test
	cmd         *exec.Cmd
	exited      chan struct{}
	output      lockedBuffer
}

// lockedBuffer is a buffer that a process writes while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newProcess(t *testing.T, backend http.HandlerFunc) *process {
	t.Helper()
	up := httptest.NewServer(backend)
	t.Cleanup(up.Close)
	p := &process{t: t, dir: t.TempDir(), site: freeport.Addr(t), admin: freeport.Addr(t), backend: up.Listener.Addr().String()}
	p.write("keys.json", gatetest.Keys(map[string]gatetest.Record{testKey: {}}))
	return p
}

func (p *process) write(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// writeConfig writes the Caddyfile of a configuration that answers with its number.
func (p *process) writeConfig(number int) string {
	p.t.Helper()
	return p.write("Caddyfile", p.caddyfile(number))
}

func (p *process) caddyfile(number int) string {
	return fmt.Sprintf(`{
	admin %s
	grace_period 20s
	storage file_system %s/storage
	ingest_auth {
		keys file %s/keys.json
	}
	log {
		format redact_keys
	}
}
http://%s {
	log
	route {
		header X-Config %d
		ingest_auth {
			limit 1000000/366d by key
			max_body %dKiB
		}
		reverse_proxy %s
	}
}
`, p.admin, p.dir, p.dir, p.site, number, 100+number, p.backend)
}

// command returns a run of the program in the folder.
func (p *process) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.SysProcAttr = p.dir, p.user
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "XDG_DATA_HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir)
	return cmd
}

// run runs the program to its end and returns its exit code and what it wrote.
func (p *process) run(args ...string) (code int, output string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	b, err := p.command(ctx, args...).CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed || ctx.Err() != nil {
		p.t.Fatalf("running %v: %v\n%s", args, err, b)
	}
	if err == nil {
		return 0, string(b)
	}
	exit, _ := errors.AsType[*exec.ExitError](err)
	return exit.ExitCode(), string(b)
}

// start starts the server with configuration 0 and waits until it answers.
func (p *process) start() {
	p.t.Helper()
	p.writeConfig(0)
	p.cmd = p.command(context.Background(), "run", "--config", "Caddyfile")
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.exited = make(chan struct{})
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if p.t.Failed() {
			p.t.Logf("the server said:\n%s", p.output.String())
		}
	})
	p.awaitConfig(0)
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// awaitConfig waits until the configuration of that number answers.
func (p *process) awaitConfig(number int) {
	p.t.Helper()
	await.That(p.t, fmt.Sprintf("configuration %d", number), func() bool {
		status, config, err := p.get(freshClient())
		return err == nil && status == http.StatusOK && config == fmt.Sprint(number)
	})
}

func freshClient() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

// get sends a request with the key and returns status and number of configuration.
func (p *process) get(client *http.Client) (status int, config string, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+p.site+"/x?apiKey="+testKey, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("X-Config"), err
}

// load posts a Caddyfile to the admin endpoint.
func (p *process) load(caddyfile string) (status int, answer string) {
	p.t.Helper()
	resp, err := freshClient().Post("http://"+p.admin+"/load", "text/caddyfile", strings.NewReader(caddyfile))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// traffic is clients that send requests until stop.
type traffic struct {
	process  *process
	done     chan struct{}
	clients  sync.WaitGroup
	answered atomic.Int64
	lost     atomic.Int64 // by Caddy, which closes connections that it has not accepted
}

func (p *process) startTraffic() *traffic {
	tr := &traffic{process: p, done: make(chan struct{})}
	kept := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
	for _, client := range []*http.Client{freshClient(), kept} {
		tr.clients.Go(func() { tr.send(client) })
	}
	return tr
}

func (tr *traffic) send(client *http.Client) {
	defer client.CloseIdleConnections()
	for {
		select {
		case <-tr.done:
			return
		default:
		}
		status, config, err := tr.process.get(client)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
			tr.lost.Add(1)
		case err != nil || status != http.StatusOK:
			tr.process.t.Errorf("configuration %s: status %d, %v", config, status, err)
			return
		default:
			tr.answered.Add(1)
		}
	}
}

func (tr *traffic) stop() {
	close(tr.done)
	tr.clients.Wait()
}

func TestReloadsOfTheBinary(t *testing.T) {
	p := newProcess(t, func(http.ResponseWriter, *http.Request) {})
	p.start()
	tr := p.startTraffic()
	number := 0
	for range 10 {
		number++
		p.writeConfig(number)
		if code, output := p.run("reload", "--config", "Caddyfile"); code != 0 {
			t.Fatalf("reload: exit code %d\n%s", code, output)
		}
		p.awaitConfig(number)

		number++
		p.writeConfig(number)
		p.signal(syscall.SIGUSR1)
		p.awaitConfig(number)
	}
	for range 10 {
		number++
		if status, answer := p.load(p.caddyfile(number)); status != http.StatusOK {
			t.Fatalf("load: %d %s", status, answer)
		}
		p.awaitConfig(number)
	}
	// What came through the admin endpoint is nobody's file: the signal is ignored.
	p.writeConfig(number + 1)
	p.signal(syscall.SIGUSR1)
	await.That(p.t, "the signal to be ignored", func() bool { return strings.Contains(p.output.String(), "last config unknown, ignored SIGUSR1") })
	p.awaitConfig(number)
	tr.stop()
	t.Logf("%d requests answered, %d lost by Caddy", tr.answered.Load(), tr.lost.Load())
	if lost, answered := tr.lost.Load(), tr.answered.Load(); lost > answered/2 {
		t.Errorf("%d requests lost, %d answered", lost, answered)
	}
	p.wantNoKeyInOutput()
}

func (p *process) wantNoKeyInOutput() {
	p.t.Helper()
	if strings.Contains(p.output.String(), testKey) {
		p.t.Error("the output shows a key")
	}
}

// TestTerminationAnswersWhatWasAccepted ends the program while the backend holds
// requests back.
func TestTerminationAnswersWhatWasAccepted(t *testing.T) {
	const n = 20
	var arrived atomic.Int64
	release := make(chan struct{})
	p := newProcess(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Hold") != "" {
			arrived.Add(1)
			<-release
		}
	})
	t.Cleanup(sync.OnceFunc(func() {
		select {
		case <-release:
		default:
			close(release)
		}
	}))
	p.start()
	var statuses [n]int
	var requests sync.WaitGroup
	for i := range n {
		requests.Go(func() {
			req, _ := http.NewRequest(http.MethodPost, "http://"+p.site+"/x", strings.NewReader(`{"token":"`+testKey+`"}`))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Hold", "1")
			resp, err := freshClient().Do(req)
			if err != nil {
				t.Errorf("request %d: %v", i, err)
				return
			}
			_ = resp.Body.Close()
			statuses[i] = resp.StatusCode
		})
	}
	await.That(p.t, "the requests to arrive", func() bool { return arrived.Load() == n })
	p.signal(syscall.SIGTERM)
	await.That(p.t, "the end to begin", func() bool {
		return strings.Contains(p.output.String(), "servers shutting down; grace period initiated")
	})
	await.That(p.t, "the site to be closed", func() bool {
		_, err := net.Dial("tcp", p.site)
		return err != nil
	})
	close(release)
	requests.Wait()
	for i, status := range statuses {
		if status != http.StatusOK {
			t.Errorf("request %d is answered with %d", i, status)
		}
	}
	<-p.exited
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.output.String())
	}
}

func TestBrokenCaddyfile(t *testing.T) {
	p := newProcess(t, func(http.ResponseWriter, *http.Request) {})
	good := p.caddyfile(1)
	broken := strings.Replace(good, "max_body 101KiB", "max_body many", 1)
	before, _, _ := strings.Cut(broken, "max_body")
	place := fmt.Sprintf("Caddyfile:%d", strings.Count(before, "\n")+1)

	p.write("Caddyfile", broken)
	code, output := p.run("run", "--config", "Caddyfile")
	if code == 0 || !strings.Contains(output, place) || !strings.Contains(output, "max_body") {
		t.Errorf("starting with it: exit code %d, want one that is not 0 and %s in\n%s", code, place, output)
	}

	p.start()
	p.write("Caddyfile", broken)
	code, output = p.run("reload", "--config", "Caddyfile")
	if code == 0 || !strings.Contains(output, place) {
		t.Errorf("reloading it: exit code %d, want one that is not 0 and %s in\n%s", code, place, output)
	}
	p.awaitConfig(0)
	p.signal(syscall.SIGUSR1)
	await.That(p.t, "the failed reload", func() bool { return strings.Contains(p.output.String(), "failed to reload config from file") })
	if !strings.Contains(p.output.String(), place) {
		t.Errorf("the log does not name %s:\n%s", place, p.output.String())
	}
	p.awaitConfig(0)
	if status, answer := p.load(broken); status != http.StatusBadRequest || !strings.Contains(answer, place) {
		t.Errorf("loading it: %d %s", status, answer)
	}
	p.awaitConfig(0)
}

func TestUnusableKeyFile(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    []string
	}{
		"missing": {func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, []string{"does not exist", "ingest-keys create --file", `{\"keys\":[]}`}},
		"a folder": {func(t *testing.T, path string) {
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, []string{"it is not a regular file"}},
		"not readable": {func(t *testing.T, path string) {
			if err := os.Chmod(path, 0); err != nil {
				t.Fatal(err)
			}
		}, []string{"permission denied", "needs read access to key file"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t, func(http.ResponseWriter, *http.Request) {})
			tc.prepare(t, filepath.Join(p.dir, "keys.json"))
			if err := os.Chmod(p.writeConfig(0), 0o644); err != nil {
				t.Fatal(err)
			}
			p.dropRoot()
			code, output := p.run("run", "--config", "Caddyfile")
			if code == 0 {
				t.Errorf("exit code 0")
			}
			for _, want := range append(tc.want, filepath.Join(p.dir, "keys.json")) {
				if !strings.Contains(output, want) && !strings.Contains(output, strings.ReplaceAll(want, `\"`, `"`)) {
					t.Errorf("the output does not say %q:\n%s", want, output)
				}
			}
		})
	}
}

// dropRoot lets the program run as a user who may not read everything.
func (p *process) dropRoot() {
	p.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	err := errors.Join(os.Chmod(filepath.Dir(binary), 0o755), os.Chmod(filepath.Dir(p.dir), 0o755), os.Chown(p.dir, nobody, nobody))
	if err != nil {
		p.t.Fatal(err)
	}
	p.user = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}
