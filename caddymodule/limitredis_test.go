package caddymodule_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

// hidden is a password that must not be seen anywhere.
const hidden = "canary-redis-password"

func TestLimitInRedis(t *testing.T) {
	s := redistest.Start(t, "--requirepass", hidden)
	t.Setenv("TEST_REDIS_URL", "redis://:"+hidden+"@"+s.Addr()+"/1")
	site := limitSite("limit 9/" + year + " by key\nlimit 2/" + year + " by ip account")
	app := withApp("counters {env.TEST_REDIS_URL} {\ntimeout 10s\n}")
	up := gatetest.NewUpstream(t, nil)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
	g.Write(t, "keys.json", gatetest.Keys(limited()))
	g.Run(t, app+site)
	wantRemaining(t, g, get("/", keyA), 200, "1")
	wantRemaining(t, g, get("/", keyB), 200, "0")
	wantRemaining(t, g, get("/", keyA), 429, "0")
	keys := s.Command(`EVAL "redis.call('SELECT', 1) return #redis.call('KEYS', '*')" 0`)
	if auth := s.Command("AUTH " + hidden); auth != "+OK" || !strings.HasPrefix(keys, "-NOAUTH") {
		t.Fatalf("%s %s", auth, keys)
	}
	// A reload or a restart does not forget what Redis knows.
	reload(t, g, strings.Replace(app, "10s", "11s", 1)+site)
	wantRemaining(t, g, get("/", keyA), 429, "0")

	resp, err := http.Get("http://" + g.Admin + "/config/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	config, _ := io.ReadAll(resp.Body)
	log, _ := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
	if strings.Contains(string(config)+string(log), hidden) || !strings.Contains(string(config), "{env.TEST_REDIS_URL}") {
		t.Errorf("configuration or log shows the password: %s", config)
	}
}

func TestRedisDown(t *testing.T) {
	for _, tc := range []struct {
		onError  string
		statuses []int // while it is down
	}{
		{"memory", []int{200, 200, 429}}, // the first of three was counted before
		{"allow", []int{200, 200, 200}},
		{"deny", []int{503, 503, 503}},
	} {
		t.Run(tc.onError, func(t *testing.T) {
			s := redistest.Start(t)
			g, _ := startLimits(t, "counters redis://"+s.Addr()+" {\ntimeout 10s\non_error "+tc.onError+"\n}", "limit 3/"+year+" by key", nil)
			wantRemaining(t, g, get("/", keyA), 200, "2")
			s.Kill()
			for i, want := range tc.statuses {
				resp := wantStatus(t, g, get("/", keyA), want)
				switch _, described := resp.Header["X-Ratelimit-Limit"]; {
				case described != (tc.onError == "memory"):
					t.Errorf("request %d: %v", i, resp.Header)
				case want == 503 && (resp.Header.Get("Retry-After") == "" || !strings.Contains(resp.Body, `"unavailable"`)):
					t.Errorf("request %d: %v %s", i, resp.Header, resp.Body)
				}
			}
			s.Restart()
			await.That(t, "the gate to come back", func() bool {
				resp := g.Do(t, get("/", keyB))
				return resp.Header.Get("X-Ratelimit-Remaining") != "" && s.Command("DBSIZE") != ":0"
			})
			if n := logLines(t, g, "shared counters are down"); n != 1 {
				t.Errorf("%d log lines say that Redis is down, want 1", n)
			}
		})
	}
}

func logLines(t *testing.T, g *gatetest.Gate, text string) int {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(log), text)
}

// TestErrorOfOneCounterInRedis: a counter whose place something else has taken costs nobody
// else anything, for each way to go on without it.
func TestErrorOfOneCounterInRedis(t *testing.T) {
	for _, tc := range []struct {
		onError   string
		status    int
		remaining string
	}{{"memory", 200, "1"}, {"allow", 200, ""}, {"deny", 503, ""}} {
		t.Run(tc.onError, func(t *testing.T) {
			s := redistest.Start(t)
			g, _ := startLimits(t, "counters redis://"+s.Addr()+" {\ntimeout 10s\non_error "+tc.onError+"\n}", "limit 3/"+year+" by key", nil)
			wantRemaining(t, g, get("/", keyA), 200, "2")
			replace := `for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('DEL', key) redis.call('RPUSH', key, 'x') end return 1`
			if answer := s.Command(`EVAL "` + replace + `" 0`); answer != ":1" {
				t.Fatal(answer)
			}
			wantRemaining(t, g, get("/", keyA), tc.status, tc.remaining)
			wantRemaining(t, g, get("/", keyB), 200, "2")
			wantStatus(t, g, get("/", keyA), tc.status)
			wantRemaining(t, g, get("/", keyB), 200, "1")
			if down, told := logLines(t, g, "shared counters are down"), logLines(t, g, "a shared counter cannot be used"); down != 0 || told != 1 {
				t.Errorf("%d and %d lines in the log, want 0 and 1", down, told)
			}
			twice := `local n = 0 for _, key in ipairs(redis.call('KEYS', '*')) do if redis.call('TYPE', key).ok == 'hash' and redis.call('HGET', key, 'used') == '2' then n = n + 1 end; end return n`
			if answer := s.Command(`EVAL "` + twice + `" 0`); answer != ":1" {
				t.Errorf("%s counters in Redis have two requests, want that of the other key", answer)
			}
		})
	}
}

func TestRedisIsNotThereAtStart(t *testing.T) {
	s := redistest.Start(t)
	s.Kill()
	g, _ := startLimits(t, "counters redis://"+s.Addr()+" {\ntimeout 10s\n}", "limit 3/"+year+" by key", nil)
	wantRemaining(t, g, get("/", keyA), 200, "2")
	s.Restart()
	await.That(t, "the gate to connect", func() bool { g.Do(t, get("/", keyB)); return s.Command("DBSIZE") != ":0" })
}

// TestFailuresCostNoRoundTrip suspends Redis: a request that waits for it waits long.
func TestFailuresCostNoRoundTrip(t *testing.T) {
	s := redistest.Start(t)
	g, _ := startLimits(t, "counters redis://"+s.Addr()+" {\ntimeout 20s\n}", "limit 3/"+year+" by key\nlimit_failures 2/"+year+" by ip", nil)
	s.Suspend()
	defer s.Resume()
	began := time.Now()
	for i, want := range []int{401, 401, 429, 429} {
		wantStatus(t, g, get("/", "unknown-"+strconv.Itoa(i)), want)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("four failures took %s", took)
	}
}

func TestBadRedisURL(t *testing.T) {
	t.Setenv("TEST_BAD_URL", "redis://:"+hidden+"@localhost:6379/x")
	for url, want := range map[string]string{
		"{env.TEST_BAD_URL}":        "the database is not a number",
		"{env.NO_SUCH_VARIABLE}":    "counters: resolving {env.NO_SUCH_VARIABLE}",
		"redis+cluster://a/1":       "counters: parsing Redis URL: a cluster has no databases: end the URL after the hosts, at Caddyfile:",
		"{file./no/such/redis.url}": "counters: resolving {file./no/such/redis.url}",
	} {
		g := gatetest.New(t, nil)
		g.Write(t, "keys.json", gatetest.Keys(nil))
		err := g.Load(withApp("counters "+url) + ":{{gate}} {\ningest_auth\n}\n")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), hidden) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
