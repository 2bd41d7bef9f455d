package caddymodule_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule"
	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
	"github.com/ingestauth/caddy-ingest-auth/internal/vaulttest"
)

// loads is the number of valid configurations that are loaded under load. With 24 of them
// every way to refuse one is there, too.
var loads = drill.Size(24, 200)

const (
	loadSecret  = "a-shared-secret-of-at-least-32-bytes"
	steadyLimit = 10_000_000
	keyAdded    = "canary-EEEE-added-in-place"
)

// loadConfig is one of the configurations of the load test. Site and answers say
// which one was at work.
type loadConfig int

func (c loadConfig) algorithm() string { return []string{"EdDSA", "ES256", "HS256"}[c/2%3] }
func (c loadConfig) audience() string  { return []string{"backend", "events"}[c%2] }
func (c loadConfig) ttl() int          { return []int{60, 30, 90}[c/3%3] }
func (c loadConfig) enforces() bool    { return c%5 != 4 }
func (c loadConfig) revokesB() bool    { return c%2 == 1 }
func (c loadConfig) gates() int        { return int(c % 4) }
func (c loadConfig) tight() bool       { return c%3 == 1 }

// caddyfile returns the configuration with a line more in its gates.
func (c loadConfig) caddyfile(line string) string {
	secret, enforce, tight := "", "on", steadyLimit
	if c.algorithm() == "HS256" {
		secret = "secret {env.TEST_SIGNING_SECRET}"
	}
	if !c.enforces() {
		enforce = "off"
	}
	if c.tight() {
		tight = 1
	}
	app := fmt.Sprintf("sign {\nalgorithm %s\naudience %s\nttl %ds\nrotate %dh\n%s\n}\nbuffer_memory %dMiB\nmetrics per_key\nkeys file {{dir}}/keys-%d.json",
		c.algorithm(), c.audience(), c.ttl(), 12+c/7%2*12, secret, 64+c%3, c%2)
	gate := func(lines string) string {
		return fmt.Sprintf("ingest_auth {\nenforce %s\n%s\n%s\n}\nreverse_proxy {{upstream}}\n", enforce, lines, line)
	}
	site := fmt.Sprintf(":{{gate}} {\nlog\nroute {\nheader X-Config %d\n", c)
	site += fmt.Sprintf("handle /tight/* {\n%s}\n", gate(fmt.Sprintf("limit tight %d/%s by key", tight, year)))
	for i := range c.gates() {
		site += fmt.Sprintf("handle /gate/%d/* {\n%s}\n", i, gate(""))
	}
	steady := fmt.Sprintf("max_body %dMiB\nlimit steady %d/%s by key\nlimit wide %d/%s by account", 1+c%3, steadyLimit, year, 2*steadyLimit+int(c), year)
	site += fmt.Sprintf("handle /steady/* {\n%s}\nrespond 404\n}\n}\n", gate(steady))
	return strings.Replace(options, "keys file {{dir}}/keys.json", app, 1) + site
}

// refusedConfigs are configurations that must be refused, some of them only after
// everything in them has been started.
func refusedConfigs(c loadConfig) []string {
	const hs256 loadConfig = 4
	good := c.caddyfile("")
	return []string{
		strings.Replace(good, "keys file {{dir}}", "keys file {{dir}}/none", 1),
		strings.Replace(good, "format redact_keys", "format json", 1),
		c.caddyfile("credential header X-Ingest-Identity"),
		good + "http://127.0.0.1:{{taken}} {\nbind 127.0.0.1\nrespond ok\n}\n",
		strings.Replace(hs256.caddyfile(""), "{env.TEST_SIGNING_SECRET}", "{env.NO_SUCH_VARIABLE}", 1),
		strings.Replace(good, "output file {{dir}}/caddy.log", "output file {{dir}}/keys-0.json/caddy.log", 1),
	}
}

// loadKind is a kind of request, and what a configuration answers it.
type loadKind struct {
	path, key, second string
	status            func(loadConfig) int
}

// enforced is a status that there is only in gates that enforce.
func enforced(status int) func(loadConfig) int {
	return func(c loadConfig) int {
		if c.enforces() {
			return status
		}
		return http.StatusOK
	}
}

func loadKinds(own string) []loadKind {
	kinds := []loadKind{
		{"/steady/x", own, "", enforced(http.StatusOK)},
		{"/steady/x", "unknown", "", enforced(http.StatusUnauthorized)},
		{"/steady/x", own, keyD, enforced(http.StatusBadRequest)},
		{"/steady/x", keyB, "", func(c loadConfig) int {
			if c.revokesB() {
				return enforced(http.StatusUnauthorized)(c)
			}
			return http.StatusOK
		}},
		{"/tight/x", keyC, "", func(c loadConfig) int {
			if c.tight() {
				return enforced(http.StatusTooManyRequests)(c)
			}
			return http.StatusOK
		}},
	}
	for i := range 4 {
		kinds = append(kinds, loadKind{fmt.Sprintf("/gate/%d/x", i), "unknown", "", func(c loadConfig) int {
			if i < c.gates() {
				return enforced(http.StatusUnauthorized)(c)
			}
			return http.StatusNotFound
		}})
	}
	return kinds
}

// loadRun is a run of the load test.
type loadRun struct {
	t       *testing.T
	gate    *gatetest.Gate
	backend *httptest.Server
	clients []*loadWorker
	keys    map[string]jwk // all that were in the key set
	begun   atomic.Int64   // number of the configuration that was loaded last
	stop    chan struct{}
	workers sync.WaitGroup

	mu     sync.Mutex
	tokens map[string]loadConfig // that the backend got, not yet verified
	seen   map[string]bool       // requests that the backend got, by name
	newest map[string]int        // answers of the newest configuration, by client
	lost   []string              // requests without an answer
}

// answer is the backend. It answers with the assertion, and whether it saw a key.
func (run *loadRun) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	var seen bytes.Buffer
	_ = r.Header.Write(&seen)
	run.mu.Lock()
	run.seen[r.Header.Get("Request-Name")] = true
	run.mu.Unlock()
	w.Header().Set("Assertion", r.Header.Get("X-Ingest-Identity"))
	w.Header().Set("Keys", strconv.FormatBool(strings.Contains(r.RequestURI+seen.String()+string(body), "canary")))
}

// startLoadRun starts configuration 0.
func startLoadRun(t *testing.T) *loadRun {
	t.Setenv("TEST_SIGNING_SECRET", loadSecret)
	run := &loadRun{t: t, keys: map[string]jwk{}, stop: make(chan struct{}), tokens: map[string]loadConfig{}, seen: map[string]bool{}, newest: map[string]int{}}
	run.backend = httptest.NewServer(http.HandlerFunc(run.answer))
	t.Cleanup(run.backend.Close)
	taken := httptest.NewServer(nil)
	t.Cleanup(taken.Close)
	_, port, _ := strings.Cut(taken.Listener.Addr().String(), ":")
	run.gate = gatetest.New(t, gatetest.Vars{"upstream": run.backend.Listener.Addr().String(), "taken": port})
	for _, c := range loadClients {
		run.clients = append(run.clients, &loadWorker{run: run, client: c})
	}
	run.writeKeys(0)
	run.writeKeys(1)
	run.gate.Run(t, loadConfig(0).caddyfile(""))
	return run
}

func (run *loadRun) writeKeys(file int, more ...string) {
	records := map[string]gatetest.Record{keyB: {}, keyC: {}, keyD: {}}
	if file == 1 {
		records[keyB]["revoked_at"] = "2020-01-01T00:00:00Z"
	}
	for _, c := range loadClients {
		records[c.key()] = gatetest.Record{"account": c.name}
	}
	for _, key := range more {
		records[key] = gatetest.Record{}
	}
	path := run.gate.Write(run.t, "new.json", gatetest.Keys(records))
	if err := os.Rename(path, filepath.Join(run.gate.Dir, fmt.Sprintf("keys-%d.json", file))); err != nil {
		run.t.Fatal(err)
	}
}

// post loads a configuration through the admin endpoint.
func (run *loadRun) post(caddyfile string) (status int, answer string) {
	run.t.Helper()
	cfg, err := run.gate.Adapt(caddyfile)
	if err != nil {
		run.t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Post("http://"+run.gate.Admin+"/load", "application/json", bytes.NewReader(cfg))
	if err != nil {
		run.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func (run *loadRun) load(c loadConfig) {
	run.t.Helper()
	run.mu.Lock()
	run.begun.Store(int64(c))
	clear(run.newest)
	run.mu.Unlock()
	if status, answer := run.post(c.caddyfile("")); status != http.StatusOK {
		run.t.Fatalf("configuration %d was refused: %d %s", c, status, answer)
	}
}

// loadClient is one of the clients, each with a key of its own.
type loadClient struct {
	name       string
	http2      bool
	keepsAlive bool
}

var loadClients = []loadClient{{"h1", false, false}, {"h1-kept", false, true}, {"h2", true, true}}

func (c loadClient) key() string { return "canary-own-" + c.name }

func (c loadClient) transport() *http.Transport {
	tr := &http.Transport{DisableKeepAlives: !c.keepsAlive, DisableCompression: true, Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(!c.http2)
	tr.Protocols.SetUnencryptedHTTP2(c.http2)
	return tr
}

// work sends requests of all kinds, with the key in all places, until the end.
func (w *loadWorker) work() {
	run := w.run
	defer run.workers.Done()
	tr := w.client.transport()
	defer tr.CloseIdleConnections()
	w.http = &http.Client{Transport: tr, Timeout: time.Minute}
	for {
		for place := range 3 {
			for _, kind := range loadKinds(w.client.key()) {
				select {
				case <-run.stop:
					return
				default:
					w.send(kind, place)
				}
			}
		}
	}
}

type loadWorker struct {
	run      *loadRun
	client   loadClient
	http     *http.Client
	sent     int
	answered int64 // requests that were let through and counted
	tried    int64 // how often such requests were written to a connection
}

// request puts the key into the header, the query or the body.
func (w *loadWorker) request(k loadKind, place int) *http.Request {
	target, body, header := "http://"+w.run.gate.Addr+k.path, "", http.Header{}
	switch place {
	case 0:
		header.Set("X-Api-Key", k.key)
	case 1:
		target += "?a=1&apiKey=" + k.key
	case 2:
		body = `{"token":"` + k.key + `","n":1}`
		header.Set("Content-Type", "application/json")
	}
	if k.second != "" {
		header.Set("Authorization", "Bearer "+k.second)
	}
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{WroteHeaders: func() {
		if k.key == w.client.key() && k.second == "" {
			w.tried++
		}
	}})
	r, _ := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	w.sent++
	header.Set("Request-Name", fmt.Sprintf("%s %d", w.client.name, w.sent))
	r.Header = header
	return r
}

func (w *loadWorker) send(k loadKind, place int) {
	t := w.run.t
	req := w.request(k, place)
	resp, err := w.http.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if err != nil {
		w.run.noAnswer(req.Header.Get("Request-Name"), err)
		return
	}
	n, err := strconv.Atoi(resp.Header.Get("X-Config"))
	if err != nil || n > loads {
		t.Errorf("%s: an answer of configuration %q", k.path, resp.Header.Get("X-Config"))
		return
	}
	c := loadConfig(n)
	w.run.noteAnswer(w.client.name, c)
	if want := k.status(c); resp.StatusCode != want {
		t.Errorf("%s %s %s in place %d: configuration %d answers %d, want %d", w.client.name, k.path, k.key, place, c, resp.StatusCode, want)
		return
	}
	if resp.StatusCode == http.StatusOK {
		w.check(k, c, resp)
	}
}

// noteAnswer counts the answers of the newest configuration.
func (run *loadRun) noteAnswer(client string, c loadConfig) {
	run.mu.Lock()
	defer run.mu.Unlock()
	if int64(c) == run.begun.Load() {
		run.newest[client]++
	}
}

// awaitAnswers waits until every client got answers of the newest configuration.
func (run *loadRun) awaitAnswers() {
	run.t.Helper()
	await.That(run.t, "answers of the newest configuration", func() bool {
		run.mu.Lock()
		defer run.mu.Unlock()
		for _, c := range loadClients {
			if run.newest[c.name] < 9 {
				return run.t.Failed()
			}
		}
		return true
	})
}

// check looks at the answer to a request that was let through.
func (w *loadWorker) check(k loadKind, c loadConfig, resp *http.Response) {
	t := w.run.t
	if keys := resp.Header.Get("Keys"); keys != strconv.FormatBool(!c.enforces() && k.key != "unknown") {
		t.Errorf("%s, configuration %d: the backend saw a key: %s", k.path, c, keys)
	}
	w.run.mu.Lock()
	w.run.tokens[resp.Header.Get("Assertion")] = c
	w.run.mu.Unlock()
	if k.key != w.client.key() || k.second != "" {
		return
	}
	w.answered++
	if !c.enforces() {
		return
	}
	remaining, err := strconv.ParseInt(resp.Header.Get("X-Ratelimit-Remaining"), 10, 64)
	if used := steadyLimit - remaining; err != nil || used < w.answered || used > w.tried {
		t.Errorf("%s, configuration %d: %d units are used after %d answers to %d requests (%v)", w.client.name, c, used, w.answered, w.tried, err)
	}
}

// noAnswer notes a request that was lost. Caddy loses some with every reload, also
// without a gate: it closes the listening socket of the old configuration together
// with connections that it has not accepted yet, and connections kept alive at the
// moment a request arrives. Such a request has reached nothing.
func (run *loadRun) noAnswer(name string, err error) {
	closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "server closed idle connection") // of net/http, which has no name for it
	if !closed {
		run.t.Errorf("%s: %v", name, err)
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	run.lost = append(run.lost, name)
}

// verifyTokens verifies what backends got since the last call.
func (run *loadRun) verifyTokens(keys map[string]jwk) {
	run.t.Helper()
	run.mu.Lock()
	tokens := run.tokens
	run.tokens = map[string]loadConfig{}
	run.mu.Unlock()
	for token, c := range tokens {
		var header struct{ Alg string }
		if err := json.Unmarshal(unbase64(run.t, strings.Split(token, ".")[0]), &header); err != nil || header.Alg != c.algorithm() {
			run.t.Fatalf("configuration %d signs with %s: %v", c, header.Alg, err)
		}
		claims := verify(run.t, token, keys, []byte(loadSecret))
		if life := claims["exp"].(float64) - claims["iat"].(float64); claims["aud"] != c.audience() || life != float64(c.ttl()) {
			run.t.Errorf("configuration %d signs for %v, valid for %v s", c, claims["aud"], life)
		}
	}
}

// wantNoneBack checks that no counter went back, and returns the counters.
func (run *loadRun) wantNoneBack(before map[string]float64) map[string]float64 {
	run.t.Helper()
	after := scrape(run.t, run.gate)
	for series, v := range before {
		counter, _, _ := strings.Cut(series, "{")
		lasting := strings.HasSuffix(counter, "_total") || strings.HasSuffix(counter, "_count")
		if counter == "ingest_auth_key_requests_total" { // keys displace each other
			continue
		}
		if lasting && after[series] < v {
			run.t.Fatalf("%s went back from %v to %v", series, v, after[series])
		}
	}
	return after
}

// footprint is what the process takes with configuration 0 and without requests.
type footprint struct {
	goroutines int
	heap, rss  int64 // bytes
}

func (f footprint) String() string {
	return fmt.Sprintf("%d goroutines, %d KiB of heap, %d KiB resident", f.goroutines, f.heap>>10, f.rss>>10)
}

// footprint loads configuration 0 and waits until no more than the given number of
// goroutines are left.
func (run *loadRun) footprint(goroutines int) footprint {
	run.t.Helper()
	run.load(0)
	await.That(run.t, "goroutines to end", func() bool {
		http.DefaultClient.CloseIdleConnections()
		run.backend.Config.SetKeepAlivesEnabled(false) // closes idle connections
		run.backend.Config.SetKeepAlivesEnabled(true)
		return runtime.NumGoroutine() <= goroutines
	})
	await.That(run.t, "replaced configurations to let go", func() bool { return caddymodule.Lingering() == 0 })
	runtime.GC() // twice, for what finalizers and pools hold
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		run.t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		run.t.Fatal(err)
	}
	return footprint{runtime.NumGoroutine(), int64(m.HeapAlloc), pages * int64(os.Getpagesize())}
}

// underLoad loads configurations from one number up to another while clients send
// requests.
func (run *loadRun) underLoad(from, to loadConfig) {
	run.t.Helper()
	run.stop = make(chan struct{})
	for _, w := range run.clients {
		run.workers.Add(1)
		go w.work()
	}
	defer func() {
		close(run.stop)
		run.workers.Wait()
	}()
	counters := scrape(run.t, run.gate)
	for c := from; c <= to && !run.t.Failed(); c++ {
		run.load(c)
		maps.Copy(run.keys, keySet(run.t, "http://"+run.gate.Admin+"/ingest_auth/jwks"))
		run.awaitAnswers()
		run.verifyTokens(run.keys)
		counters = run.wantNoneBack(counters)
		if c%4 == 3 {
			run.loadBroken(c)
			counters = run.wantNoneBack(counters)
		}
	}
}

// loadBroken loads a configuration that must be refused and change nothing.
func (run *loadRun) loadBroken(c loadConfig) {
	run.t.Helper()
	broken := refusedConfigs(c)
	if status, answer := run.post(broken[int(c/4)%len(broken)]); status != http.StatusBadRequest {
		run.t.Fatalf("a broken configuration is answered with %d %s", status, answer)
	}
	run.mu.Lock()
	clear(run.newest)
	run.mu.Unlock()
	run.awaitAnswers()
}

// wantAllCounted checks that the gate has counted what it answered, and that what
// was not answered had not reached the backend. Of connections that are kept alive
// neither is certain: a request may arrive on one while it is closed.
func (run *loadRun) wantAllCounted() {
	run.t.Helper()
	for _, name := range run.lost {
		if run.seen[name] && !strings.HasPrefix(name, "h1-kept") {
			run.t.Errorf("request %s reached the backend and was not answered", name)
		}
	}
	for _, w := range run.clients {
		resp := run.gate.Do(run.t, get("/steady/x", w.client.key()))
		remaining, err := strconv.ParseInt(resp.Header.Get("X-Ratelimit-Remaining"), 10, 64)
		used, most := steadyLimit-remaining-1, w.answered
		if w.client.name == "h1-kept" {
			most = w.tried
		}
		run.t.Logf("%s: %d requests, %d of them limited", w.client.name, w.sent, w.answered)
		if err != nil || used < w.answered || used > most {
			run.t.Errorf("%s: %d units are used after %d answers (%v)", w.client.name, used, w.answered, err)
		}
	}
}

func TestReloadUnderLoad(t *testing.T) {
	run := startLoadRun(t)
	run.gate.Do(t, get("/tight/x", keyC)) // its limit of one request is used up from now on
	start := run.footprint(1000)
	run.underLoad(1, loadConfig(loads/4))
	early := run.footprint(start.goroutines)
	run.writeKeys(0, keyAdded)
	run.writeKeys(1, keyAdded)
	run.underLoad(loadConfig(loads/4+1), loadConfig(loads))
	late := run.footprint(start.goroutines)
	t.Logf("at first: %v; after %d reloads: %v; after %d: %v; Caddy lost %d requests", start, loads/4, early, loads, late, len(run.lost))
	if late.heap > early.heap+16<<20 { // what is resident is larger, and with -race much so
		t.Errorf("memory grew from %v to %v", early, late)
	}
	run.wantAllCounted()
	wantStatus(t, run.gate, get("/steady/x", keyAdded), http.StatusOK)
}

// upload is a request whose head the gate has read and whose body has not arrived.
type upload struct {
	conn   net.Conn
	answer *bufio.Reader
	body   string
}

func startUpload(t *testing.T, g *gatetest.Gate, body string) *upload {
	t.Helper()
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	u := &upload{conn, bufio.NewReader(conn), body}
	_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))
	if err != nil {
		t.Fatal(err)
	}
	if line, err := u.answer.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("the gate does not read the body: %q, %v", line, err)
	}
	_, _ = u.answer.ReadString('\n')
	return u
}

func (u *upload) finish(t *testing.T) (status int, answer string) {
	t.Helper()
	if _, err := io.WriteString(u.conn, u.body); err != nil {
		t.Fatal(err)
	}
	for {
		resp, err := http.ReadResponse(u.answer, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode >= 200 { // the backend's 100 is passed on, too
			return resp.StatusCode, string(b)
		}
	}
}

// startVault starts a Vault that holds key A and returns its address.
func startVault(t *testing.T) string {
	t.Helper()
	server := vaulttest.StartOnDisk(t)
	t.Setenv("TEST_VAULT_TOKEN", server.Root)
	create(t, adminStore(t, server), keyA, "key_a")
	return server.URL()
}

// TestReloadDuringUpload changes what a gate works with while it reads a body in
// which the key stands, so that the old configuration still needs what it has
// given back.
func TestReloadDuringUpload(t *testing.T) {
	const file = "keys file {{dir}}/keys.json"
	redis := file + "\ncounters redis://" + redistest.Start(t).Addr() + " {\ntimeout %s\non_error deny\n}"
	vault := "keys vault {\naddress " + startVault(t) + "\nauth token {env.TEST_VAULT_TOKEN}\n}\ncache {\nfresh %s\n}"
	for name, app := range map[string][2]string{
		"key file": {file, "keys file {{dir}}/other.json"},
		"signing":  {file, file + "\nsign {\nalgorithm ES256\n}"},
		"buffers":  {file, file + "\nbuffer_memory 8MiB"},
		"Redis":    {fmt.Sprintf(redis, "10s"), fmt.Sprintf(redis, "11s")},
		"Vault":    {fmt.Sprintf(vault, "1m"), fmt.Sprintf(vault, "2m")},
	} {
		t.Run(name, func(t *testing.T) {
			up := gatetest.NewUpstream(t, nil)
			g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
			g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {}}))
			g.Write(t, "other.json", gatetest.Keys(nil))
			site := func(app string) string {
				return strings.Replace(options, file, app, 1) + limitSite("limit 9/"+year+" by key")
			}
			g.Run(t, site(app[0]))
			await.That(t, "the login", func() bool { return ask(t, g, "unknown").Status == http.StatusUnauthorized })
			u := startUpload(t, g, `{"token":"`+keyA+`"}`)
			reload(t, g, site(app[1]))
			if status, answer := u.finish(t); status != http.StatusOK {
				t.Errorf("the request that was under way is answered with %d %s", status, answer)
			}
		})
	}
}

// TestRefusedConfigTakesNoLog loads a configuration that logs to another file and is
// refused; what is shared with the running one must go on logging to its file.
func TestRefusedConfigTakesNoLog(t *testing.T) {
	g, _ := start(t, "", map[string]gatetest.Record{keyA: {}})
	site := strings.Replace(options, "{{dir}}/caddy.log", "{{dir}}/refused.log", 1) + ":{{gate}} {\nlog\ningest_auth {\ncredential header X-Ingest-Identity\n}\n}\n"
	if err := g.Load(site); err == nil {
		t.Fatal("a broken configuration was loaded")
	}
	g.Write(t, "keys.json", "broken")
	await.That(t, "the complaint about the key file in the log that is configured", func() bool {
		log, err := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
		return err == nil && strings.Contains(string(log), "key file cannot be used")
	})
}
