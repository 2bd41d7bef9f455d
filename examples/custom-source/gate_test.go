package sqlitekeys

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// build builds a Caddy with this module, once.
var build = sync.OnceValues(func() (path string, err error) {
	dir, err := os.MkdirTemp("", "sqlitekeys")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "caddy")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "./cmd/caddy").CombinedOutput(); err != nil {
		return path, errors.New(string(out))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, _ := build(); path != "" {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// process is that Caddy in a folder with the Caddyfile of this example.
type process struct {
	binary, dir string
	site        string // URL
	log         output
}

// output can be read while a process writes to it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func prepare(t *testing.T) *process {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile("Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	gate, backend, admin := freeAddr(t), freeAddr(t), freeAddr(t)
	p := &process{binary: path, dir: filepath.Join(t.TempDir(), "a folder? 100%"), site: "http://" + gate}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p.write(t, strings.NewReplacer(
		":8080 {", "http://"+gate+" {", "localhost:9000", backend, ":9000 {", "http://"+backend+" {",
		"\tingest_auth {", "\tadmin "+admin+"\n\tingest_auth {",
	).Replace(string(content)))
	return p
}

func (p *process) write(t *testing.T, caddyfile string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, "Caddyfile"), []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAddr takes a port from below those that the system gives to whoever dials: one of
// those may be gone again before a server listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+rand.IntN(2_000)))
		if ln, err := net.Listen("tcp", addr); err == nil {
			_ = ln.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

func (p *process) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.binary, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "XDG_DATA_HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir)
	return cmd
}

// run runs a command to its end and returns its standard output.
func (p *process) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := p.command(t.Context(), args...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, out.String(), log.String())
	}
	return out.String()
}

// keys runs ingest-keys with the configuration of the gate.
func (p *process) keys(t *testing.T, args ...string) string {
	t.Helper()
	return p.run(t, append(append([]string{"ingest-keys"}, args...), "--config", "Caddyfile")...)
}

// newKey creates a key and returns it.
func (p *process) newKey(t *testing.T, id string) string {
	t.Helper()
	return strings.TrimSpace(p.keys(t, "create", "--id", id, "--account", "acme"))
}

// start runs the gate until the test ends.
func (p *process) start(t *testing.T) {
	t.Helper()
	cmd := p.command(context.Background(), "run", "--config", "Caddyfile")
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(p.log.String())
		}
	})
	eventually(t, "the gate runs", func() bool { status, _ := p.ask("/ready", ""); return status == http.StatusOK })
}

// ask sends a request. The status is 0 if there is no answer.
func (p *process) ask(path, key string) (status int, body string) {
	req, err := http.NewRequest(http.MethodGet, p.site+path, nil)
	if err != nil {
		return 0, ""
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func (p *process) expect(t *testing.T, what, key string, status int) {
	t.Helper()
	if got, body := p.ask("/", key); got != status {
		t.Errorf("%s: %d %s, want %d", what, got, body, status)
	}
}

func (p *process) answers(key string, status int) func() bool {
	return func() bool { got, _ := p.ask("/", key); return got == status }
}

// sql changes the database as another tool does.
func (p *process) sql(t *testing.T, statements string) {
	t.Helper()
	db, err := open(t.Context(), filepath.Join(p.dir, "keys.db"), map[string][]string{"_txlock": {"immediate"}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	eventually(t, statements, func() bool {
		tx, err := db.db.BeginTx(t.Context(), nil)
		if err != nil {
			return false // somebody else has the lock
		}
		if _, err := tx.ExecContext(t.Context(), statements); err != nil {
			t.Fatal(errors.Join(err, tx.Rollback()))
		}
		err = tx.Commit()
		return err == nil || errors.Is(tx.Rollback(), sql.ErrTxDone)
	})
}

func eventually(t *testing.T, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// The life of keys in a Caddy that was built with this module. The cache serves a record for
// minutes if nobody tells it of a change, so what is seen here was told.
func TestGate(t *testing.T) {
	p := prepare(t)
	keyA, keyB := p.newKey(t, "key_a"), p.newKey(t, "key_b")
	if list := p.keys(t, "list"); !strings.Contains(list, "key_a") || !strings.Contains(list, "key_b") {
		t.Errorf("list: %s", list)
	}
	p.start(t)
	if status, body := p.ask("/", keyA); status != http.StatusOK || !strings.HasPrefix(body, "hello eyJ") {
		t.Errorf("a good key: %d %s", status, body)
	}
	p.expect(t, "another good key", keyB, http.StatusOK)
	p.expect(t, "an unknown key", "some-key-of-somebody-else-0123456789", http.StatusUnauthorized)

	p.keys(t, "revoke", "key_a")
	t.Logf("revoked after %v", eventually(t, "a revocation is seen", p.answers(keyA, http.StatusUnauthorized)))
	p.sql(t, `DELETE FROM keys WHERE key_id = 'key_b'`)
	t.Logf("deleted after %v", eventually(t, "a change by another tool is seen", p.answers(keyB, http.StatusUnauthorized)))
	keyC := p.newKey(t, "key_c")
	eventually(t, "a new key is seen", p.answers(keyC, http.StatusOK))
	for _, key := range []string{keyA, keyB, keyC} {
		if strings.Contains(p.log.String(), key) {
			t.Error("a key is in the log")
		}
	}
}

// While the database cannot be read, what is known is served, and what is not known is an
// outage: never a wrong key. It is all as before when the database is back.
func TestOutage(t *testing.T) {
	p := prepare(t)
	keyA, keyB := p.newKey(t, "key_a"), p.newKey(t, "key_b")
	p.start(t)
	p.expect(t, "a good key", keyA, http.StatusOK)
	p.sql(t, `ALTER TABLE keys RENAME TO elsewhere; ALTER TABLE changes RENAME TO elsewhere_too`)
	p.expect(t, "a key that is in the cache", keyA, http.StatusOK)
	p.expect(t, "a key that is not", keyB, http.StatusServiceUnavailable)
	p.expect(t, "an unknown key", "some-key-of-somebody-else-0123456789", http.StatusServiceUnavailable)
	const want = `{"status":"ready","warnings":["the SQLite database cannot be read; known keys are served from the cache"]}`
	eventually(t, "the probe is told", func() bool { _, body := p.ask("/ready", ""); return body == want })
	p.sql(t, `ALTER TABLE elsewhere RENAME TO keys; ALTER TABLE elsewhere_too RENAME TO changes`)
	eventually(t, "the database is found again", p.answers(keyB, http.StatusOK))
	eventually(t, "the probe is told", func() bool { _, body := p.ask("/ready", ""); return body == `{"status":"ready"}` })
}

// A gate does not start without a database, and says what to do.
func TestNoDatabase(t *testing.T) {
	p := prepare(t)
	out, err := p.command(t.Context(), "run", "--config", "Caddyfile").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "make it with `ingest-keys create --config`") {
		t.Errorf("%v: %s", err, out)
	}
}

// Every Caddyfile in README.md can be used with this Caddy.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	fences := regexp.MustCompile("(?ms)^```caddyfile\n(.*?)^```$").FindAllSubmatch(readme, -1)
	if len(fences) == 0 {
		t.Fatal("there is none")
	}
	p := prepare(t)
	for _, f := range fences {
		p.write(t, string(f[1]))
		if got := p.run(t, "adapt", "--config", "Caddyfile"); !strings.Contains(got, `"keys":{"source":"sqlite","path":"keys.db"}`) {
			t.Errorf("%s\n%s", f[1], got)
		}
	}
}
