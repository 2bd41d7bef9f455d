package caddymodule_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

// adminDo sends a request to the admin endpoint.
func adminDo(t *testing.T, g *gatetest.Gate, method, path, body string, header http.Header) gatetest.Response {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+g.Admin+"/ingest_auth/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
		if name == "Host" {
			req.Host = values[0]
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return gatetest.Response{Status: resp.StatusCode, Header: resp.Header, Body: string(b)}
}

// adminGet decodes the answer of a route.
func adminGet[T any](t *testing.T, g *gatetest.Gate, path string) T {
	t.Helper()
	resp := adminDo(t, g, http.MethodGet, path, "", nil)
	if got := resp.Header.Get("Content-Type"); resp.Status != http.StatusOK || got != "application/json" {
		t.Fatalf("GET %s: %d %s %s", path, resp.Status, got, resp.Body)
	}
	var v T
	dec := json.NewDecoder(strings.NewReader(resp.Body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("GET %s: %v in %s", path, err, resp.Body)
	}
	return v
}

// adminState is what GET /ingest_auth/status answers.
type adminState struct {
	Time          time.Time        `json:"time"`
	UptimeSeconds *int64           `json:"uptime_seconds"`
	Verdicts      map[string][]int `json:"verdicts"`
	Source        struct {
		Kind     string         `json:"kind"`
		Records  int            `json:"records"`
		Problem  string         `json:"problem"`
		LoadedAt time.Time      `json:"loaded_at"`
		Vault    map[string]any `json:"vault"`
	} `json:"source"`
	Signing struct {
		Algorithm    string    `json:"algorithm"`
		KID          string    `json:"kid"`
		KeyAge       int64     `json:"key_age_seconds"`
		NextKID      string    `json:"next_kid"`
		NextRotation time.Time `json:"next_rotation"`
	} `json:"signing"`
	Limits []struct {
		Name      string    `json:"name"`
		KeyID     string    `json:"key_id"`
		Account   string    `json:"account"`
		Mode      string    `json:"mode"`
		Limit     int       `json:"limit"`
		Remaining int       `json:"remaining"`
		ResetAt   time.Time `json:"reset_at"`
	} `json:"limits"`
	Copies []struct {
		KeyID    string   `json:"key_id"`
		Account  string   `json:"account"`
		Mode     string   `json:"mode"`
		Requests int      `json:"requests"`
		Places   []string `json:"places"`
	} `json:"copies"`
	Counters     map[string]any   `json:"counters"`
	Buffers      map[string]int64 `json:"buffers"`
	RecentEvents bool             `json:"recent_events"`
}

// adminKeyList is what GET /ingest_auth/keys answers.
type adminKeyList struct {
	Keys []struct {
		KeyID     string    `json:"key_id"`
		Account   string    `json:"account"`
		Mode      string    `json:"mode"`
		Env       string    `json:"env"`
		State     string    `json:"state"`
		ExpiresAt time.Time `json:"expires_at"`
		Successor string    `json:"successor"`
		LastSeen  time.Time `json:"last_seen"`
		Allowed   []int     `json:"allowed"`
		Refused   []int     `json:"refused"`
		Copies    []int     `json:"copies"`
		CopiesIn  []string  `json:"copies_in"`
	} `json:"keys"`
}

func total(series []int) (n int) {
	for _, v := range series {
		n += v
	}
	return n
}

func checkError(t *testing.T, what string, resp gatetest.Response, status int) {
	t.Helper()
	var body map[string]string
	err := json.Unmarshal([]byte(resp.Body), &body)
	if resp.Status != status || err != nil || body["error"] == "" || len(body) != 1 || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: %d %v %s, want status %d and an error as Caddy's", what, resp.Status, resp.Header, resp.Body, status)
	}
}

var adminRoutes = map[string]string{
	"": http.MethodGet, "status": http.MethodGet, "keys": http.MethodGet, "recent": http.MethodGet, "jwks": http.MethodGet,
	"ready": http.MethodGet, "live": http.MethodGet, "purge": http.MethodPost, "rotate-signing-key": http.MethodPost,
}

func TestAdminMethods(t *testing.T) {
	g := startAdmin(t, "recent_events on", map[string]gatetest.Record{keyA: {}})
	for route, method := range adminRoutes {
		allow := map[string]string{http.MethodGet: "GET, HEAD", http.MethodPost: "POST"}[method]
		for _, other := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "ODD"} {
			resp := adminDo(t, g, other, route, `{"all":true}`, nil)
			switch {
			case strings.Contains(allow, other):
				if resp.Status != http.StatusOK || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("%s %s: %d %v %s", other, route, resp.Status, resp.Header, resp.Body)
				}
			case resp.Header.Get("Allow") != allow:
				t.Errorf("%s %s: Allow %q, want %q", other, route, resp.Header.Get("Allow"), allow)
			case other != http.MethodHead:
				checkError(t, other+" "+route, resp, http.StatusMethodNotAllowed)
			}
		}
	}
	checkError(t, "an unknown route", adminDo(t, g, http.MethodGet, "no/such/route", "", nil), http.StatusNotFound)
}

func TestAdminChecksHostAndOrigin(t *testing.T) {
	g := startAdmin(t, "recent_events on", map[string]gatetest.Record{keyA: {}})
	for route, method := range adminRoutes {
		for name, header := range map[string]http.Header{
			"another origin":            {"Origin": {"https://evil.example"}},
			"another host":              {"Host": {"evil.example"}},
			"no origin, from a browser": {"Sec-Fetch-Mode": {"cors"}},
		} {
			checkError(t, name+" "+route, adminDo(t, g, method, route, `{"all":true}`, header), http.StatusForbidden)
		}
	}
}

func TestAdminWithoutTheApp(t *testing.T) {
	g := gatetest.New(t, nil)
	g.Run(t, "{\nauto_https off\n}\n:{{gate}} {\nrespond ok\n}\n")
	checkError(t, "status", adminDo(t, g, http.MethodGet, "status", "", nil), http.StatusNotFound)
	if resp := adminDo(t, g, http.MethodGet, "live", "", nil); resp.Status != http.StatusOK {
		t.Errorf("live: %d", resp.Status)
	}
}

// startAdmin runs a gate with a limit and settings of the app.
func startAdmin(t *testing.T, settings string, records map[string]gatetest.Record) *gatetest.Gate {
	t.Helper()
	g := gatetest.New(t, gatetest.Vars{"upstream": gatetest.NewUpstream(t, nil).Addr})
	g.Write(t, "keys.json", gatetest.Keys(records))
	g.Run(t, adminSite(settings))
	return g
}

func adminSite(settings string) string {
	return strings.Replace(options, "keys file", settings+"\nkeys file", 1) + `:{{gate}} {
		log
		ingest_auth {
			limit 10/1h by key
			limit 1000/1h by account
		}
		reverse_proxy {{upstream}}
	}
	`
}

func send(t *testing.T, g *gatetest.Gate, n int, key string) {
	t.Helper()
	for range n {
		g.Do(t, gatetest.Request{Target: "/", Header: http.Header{"X-Api-Key": {key}}})
	}
}

func TestAdminStatus(t *testing.T) {
	g := startAdmin(t, "buffer_memory 64MiB", map[string]gatetest.Record{
		keyA: {"key_id": "key_a"}, keyB: {"key_id": "key_b", "account": "umbrella", "mode": "test"},
	})
	send(t, g, 3, keyA)
	send(t, g, 12, keyB)
	send(t, g, 4, "no-such-key")
	s := adminGet[adminState](t, g, "status")

	for verdict, want := range map[string]int{"allowed": 13, "rate_limited": 2, "unknown_key": 4} {
		if got := s.Verdicts[verdict]; len(got) != 60 || total(got) != want || total(got[57:]) != want {
			t.Errorf("%s: %v, want %d in the last minutes", verdict, got, want)
		}
	}
	if len(s.Verdicts) != 3 || s.UptimeSeconds == nil || time.Since(s.Time).Abs() > time.Minute || s.RecentEvents {
		t.Errorf("%+v", s)
	}
	if s.Source.Kind != "file" || s.Source.Records != 2 || time.Since(s.Source.LoadedAt) > time.Minute || s.Source.Problem != "" || s.Source.Vault != nil {
		t.Errorf("source %+v", s.Source)
	}
	published := keySet(t, "http://"+g.Admin+"/ingest_auth/jwks")
	if _, ok := published[s.Signing.KID]; !ok || s.Signing.Algorithm != "EdDSA" || s.Signing.NextKID != "" || time.Until(s.Signing.NextRotation) < 23*time.Hour {
		t.Errorf("signing %+v", s.Signing)
	}
	if len(s.Limits) != 2 || s.Limits[0].KeyID != "key_b" || s.Limits[0].Account != "umbrella" || s.Limits[0].Mode != "test" ||
		s.Limits[0].Name != "key" || s.Limits[0].Limit != 10 || s.Limits[0].Remaining != 0 || s.Limits[1].Remaining != 7 || time.Until(s.Limits[0].ResetAt) > time.Hour {
		t.Errorf("limits %+v", s.Limits)
	}
	if s.Counters["store"] != "memory" || len(s.Counters) != 1 || s.Buffers["limit_bytes"] != 64<<20 {
		t.Errorf("counters %v, buffers %v", s.Counters, s.Buffers)
	}

	g.Write(t, "keys.json", "{")
	await.That(t, "the problem with the file", func() bool { return adminGet[adminState](t, g, "status").Source.Problem != "" })
}

// TestAdminShowsCopies: an operator sees whose client gives its key twice.
func TestAdminShowsCopies(t *testing.T) {
	g := startAdmin(t, "recent_events on", map[string]gatetest.Record{keyA: {"key_id": "key_a", "account": "acme", "mode": "test"}, keyB: {"key_id": "key_b"}})
	before := scrape(t, g)
	send(t, g, 1, keyB)
	for _, target := range []string{"/?x=" + keyA, "/" + keyA} {
		g.Do(t, gatetest.Request{Target: target, Header: http.Header{"X-Api-Key": {keyA}}})
	}
	s := adminGet[adminState](t, g, "status")
	if len(s.Copies) != 1 || fmt.Sprint(s.Copies[0]) != "{key_a acme test 2 [query path]}" {
		t.Errorf("status: %v", s.Copies)
	}
	for _, k := range adminGet[adminKeyList](t, g, "keys").Keys {
		if n := total(k.Copies); n != map[string]int{"key_a": 2}[k.KeyID] || n != len(k.CopiesIn) {
			t.Errorf("keys: %s: %d, %v", k.KeyID, n, k.CopiesIn)
		}
	}
	if e := adminGet[recentList](t, g, "recent").Events[0]; fmt.Sprint(e.Copies) != "[path]" || e.Path != "/key_a" {
		t.Errorf("recent: %+v", e)
	}
	if diff := cmp.Diff(map[string]float64{`{place="path"}`: 1, `{place="query"}`: 1}, grown(before, scrape(t, g), "ingest_auth_key_copies_total")); diff != "" {
		t.Errorf("metrics: %s", diff)
	}
}

// TestAdminListsAreThere: a list without elements is [] and not null, which pages
// and scripts fall over.
func TestAdminListsAreThere(t *testing.T) {
	t.Setenv("SECRET_OF_TEST", strings.Repeat("s", 32))
	for _, algorithm := range []string{"algorithm EdDSA", "algorithm HS256\nsecret {env.SECRET_OF_TEST}"} {
		g := startAdmin(t, "recent_events on\nsign {\n"+algorithm+"\n}", nil)
		for route, want := range map[string]string{
			"status": `"limits":[]`, "keys": `{"keys":[]}`, "recent": `{"events":[]}`, "jwks": `{"keys":[`, "ready": `{"status":"ready"}`, "live": `{"status":"live"}`,
		} {
			if body := adminDo(t, g, http.MethodGet, route, "", nil).Body; strings.Contains(body, "null") || !strings.Contains(body, want) {
				t.Errorf("%s: %s has %s, want %s", algorithm, route, body, want)
			}
		}
	}
}

func TestAdminStatusWithRedis(t *testing.T) {
	redis := redistest.Start(t)
	g := startAdmin(t, "counters redis://"+redis.Addr(), map[string]gatetest.Record{keyA: {}})
	if c := adminGet[adminState](t, g, "status").Counters; c["store"] != "redis" || c["up"] != true || c["outages"] != 0.0 || c["degraded"] != 0.0 {
		t.Errorf("counters %v", c)
	}
	redis.Kill()
	send(t, g, 1, keyA)
	if c := adminGet[adminState](t, g, "status").Counters; c["up"] != false || c["outages"] != 1.0 || c["degraded"] != 1.0 || !strings.Contains(fmt.Sprint(c["problem"]), "Redis") {
		t.Errorf("counters after an outage %v", c)
	}
}

// Readiness knows of Redis what the gate does without it.
func TestReadyWithoutRedis(t *testing.T) {
	redis := redistest.Start(t)
	redis.Kill()
	for onError, want := range map[string]string{
		"memory": `200 {"status":"ready","warnings":["Redis cannot be used; every gate counts for itself"]}`,
		"allow":  `200 {"status":"ready","warnings":["Redis cannot be used; limits are not applied"]}`,
		"deny":   `503 {"status":"not ready","problems":["Redis cannot be used; requests with limits are refused"]}`,
	} {
		t.Run(onError, func(t *testing.T) {
			g := gatetest.New(t, nil)
			g.Write(t, "keys.json", gatetest.Keys(nil))
			g.Run(t, withApp("counters redis://"+redis.Addr()+" {\non_error "+onError+"\n}")+":{{gate}} {\ningest_auth_health /ready\n}\n")
			resp := g.Do(t, gatetest.Request{Target: "/ready"})
			if got := fmt.Sprintf("%d %s", resp.Status, resp.Body); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestAdminKeys(t *testing.T) {
	records := map[string]gatetest.Record{
		keyA: {"key_id": "key_a", "env": "production", "successor": "key_b", "expires_at": "2100-01-01T00:00:00Z"},
		keyB: {"key_id": "key_b", "account": "umbrella", "mode": "test"},
		keyC: {"key_id": "key_c", "revoked_at": "2020-01-01T00:00:00Z"},
	}
	for i := range 1200 {
		records[fmt.Sprintf("key-that-nobody-uses-%d", i)] = gatetest.Record{"key_id": fmt.Sprintf("key_x%04d", i)}
	}
	g := startAdmin(t, "", records)
	send(t, g, 1, keyB)
	send(t, g, 2, keyA)
	send(t, g, 1, keyC)
	send(t, g, 11, keyB)
	list := adminGet[adminKeyList](t, g, "keys").Keys
	if len(list) != 1024 {
		t.Fatalf("%d keys, want 1024", len(list))
	}
	for i, want := range []string{"key_b umbrella test  active  10 2", "key_c acme live  revoked  0 1", "key_a acme live production active key_b 2 0"} {
		k := list[i]
		got := fmt.Sprintf("%s %s %s %s %s %s %d %d", k.KeyID, k.Account, k.Mode, k.Env, k.State, k.Successor, total(k.Allowed), total(k.Refused))
		if got != want || len(k.Allowed) != 60 || len(k.Refused) != 60 || time.Since(k.LastSeen).Abs() > time.Minute {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if list[2].ExpiresAt.Year() != 2100 || list[3].KeyID != "key_x0000" || !list[3].LastSeen.IsZero() || list[3].Allowed != nil {
		t.Errorf("%+v\n%+v", list[2], list[3])
	}
}

func TestAdminKeysShowTheRecordOfNow(t *testing.T) {
	g := startAdmin(t, "", map[string]gatetest.Record{keyA: {"key_id": "key_a"}})
	send(t, g, 1, keyA)
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {"key_id": "key_a", "revoked_at": "2020-01-01T00:00:00Z"}}))
	adminDo(t, g, http.MethodPost, "purge", `{"all":true}`, nil)
	if k := adminGet[adminKeyList](t, g, "keys").Keys; len(k) != 1 || k[0].State != "revoked" || total(k[0].Allowed) != 1 {
		t.Errorf("%+v", k)
	}
}

func TestAdminPurgeFile(t *testing.T) {
	g := startAdmin(t, "", map[string]gatetest.Record{keyA: {"key_id": "key_a"}, keyB: {"key_id": "key_b"}, keyC: {"key_id": "key_c", "account": "umbrella"}})
	for body, want := range map[string]string{
		`{"key_id":"key_a"}`: `{"purged":1}`, `{"key_id":"key_none"}`: `{"purged":0}`, `{"account":"acme"}`: `{"purged":2}`,
		` {"all":true} `: `{"purged":3}`, `{"key_id":null,"account":"umbrella"}`: `{"purged":1}`,
	} {
		if resp := adminDo(t, g, http.MethodPost, "purge", body, nil); resp.Status != http.StatusOK || resp.Body != want {
			t.Errorf("%s: %d %s, want %s", body, resp.Status, resp.Body, want)
		}
	}
	g.Write(t, "keys.json", gatetest.Keys(nil))
	adminDo(t, g, http.MethodPost, "purge", `{"key_id":"key_a"}`, nil)
	if resp := ask(t, g, keyA); resp.Status != http.StatusUnauthorized {
		t.Errorf("a key that was deleted from the file, after the purge: %d", resp.Status)
	}
	g.Write(t, "keys.json", `{"keys":[{"key":"canary-plain-text-key"}]}`)
	resp := adminDo(t, g, http.MethodPost, "purge", `{"all":true}`, nil)
	checkError(t, "a broken file", resp, http.StatusInternalServerError)
	if strings.Contains(resp.Body, "canary") {
		t.Errorf("the error quotes the file: %s", resp.Body)
	}
}

func TestAdminPurgeRefusesOtherBodies(t *testing.T) {
	g := startAdmin(t, "", map[string]gatetest.Record{keyA: {}})
	for _, body := range []string{
		"", "null", "{}", "[]", `"key_a"`, `{"key_id":""}`, `{"account":""}`, `{"all":false}`, `{"all":"true"}`, `{"key_id":1}`,
		`{"key_id":"key_a","all":true}`, `{"key_id":"key_a","account":"acme"}`, `{"canary":"x"}`, `{"key_id":"key_a","canary":1}`,
		`{"all":true}{"all":true}`, `{"all":true} canary`, `{"all":true`, `{"key_id":"` + strings.Repeat("canary", 2000) + `"}`,
	} {
		resp := adminDo(t, g, http.MethodPost, "purge", body, nil)
		checkError(t, body, resp, http.StatusBadRequest)
		if strings.Contains(resp.Body, "canary") {
			t.Errorf("%s: the error quotes the body: %s", body, resp.Body)
		}
	}
}

func TestAdminVault(t *testing.T) {
	g, server, store := vaultGate(t)
	create(t, store, keyA, "key_a")
	create(t, store, keyB, "key_b")
	g.Run(t, strings.Replace(strings.Replace(vaultSite, "fresh    2s", "fresh    1h", 1), "\trespond", "\tingest_auth_health /ready\n\trespond", 1))
	await.That(t, "the login", func() bool { return ask(t, g, keyA).Status == http.StatusOK && ask(t, g, keyB).Status == http.StatusOK })
	ask(t, g, "no-such-key")
	checkReady := func(status int, text string) {
		t.Helper()
		for where, resp := range map[string]gatetest.Response{
			"admin": adminDo(t, g, http.MethodGet, "ready", "", nil), "site": g.Do(t, gatetest.Request{Target: "/ready"}),
		} {
			if resp.Status != status || !strings.Contains(resp.Body, text) {
				t.Errorf("%s: %d %s, want %d with %s", where, resp.Status, resp.Body, status, text)
			}
		}
	}
	await.That(t, "the change feed", func() bool { return adminGet[adminState](t, g, "status").Source.Vault["changes_read_at"] != nil })
	s := adminGet[adminState](t, g, "status").Source
	if s.Kind != "vault" || s.Records != 2 || s.Problem != "" || s.Vault["unknown"] != 1.0 || s.Vault["reads"].(float64) < 3 || s.Vault["unusable_records"] != 0.0 {
		t.Errorf("source %+v", s)
	}
	if list := adminGet[adminKeyList](t, g, "keys").Keys; len(list) != 2 {
		t.Errorf("keys %+v", list)
	}
	checkReady(http.StatusOK, `{"status":"ready"}`)

	server.Kill()
	await.That(t, "the outage to be noticed", func() bool { return adminGet[adminState](t, g, "status").Source.Problem != "" })
	checkReady(http.StatusOK, "known keys are served from the cache")
	if resp := adminDo(t, g, http.MethodPost, "purge", `{"key_id":"key_a"}`, nil); resp.Body != `{"purged":1}` {
		t.Errorf("purge: %s", resp.Body)
	}
	if a, b := ask(t, g, keyA).Status, ask(t, g, keyB).Status; a != http.StatusServiceUnavailable || b != http.StatusOK {
		t.Errorf("after one key was dropped in an outage: %d and %d", a, b)
	}
	if resp := adminDo(t, g, http.MethodPost, "purge", `{"all":true}`, nil); resp.Body != `{"purged":1}` {
		t.Errorf("purge: %s", resp.Body)
	}
	checkReady(http.StatusServiceUnavailable, `{"status":"not ready","problems":["Vault cannot be read, and no key is in the cache"]}`)
	server.Restart()
	await.That(t, "readiness", func() bool { return g.Do(t, gatetest.Request{Target: "/ready"}).Status == http.StatusOK })
	if resp := ask(t, g, keyA); resp.Status != http.StatusOK {
		t.Errorf("a dropped key, when Vault is back: %d", resp.Status)
	}
	for route := range adminRoutes {
		if text := adminDo(t, g, http.MethodGet, route, "", nil).Body; strings.Contains(text, server.Root) {
			t.Errorf("%s shows the token", route)
		}
	}
}

func TestAdminRotate(t *testing.T) {
	g := startAdmin(t, "", map[string]gatetest.Record{keyA: {}})
	before := adminGet[adminState](t, g, "status").Signing
	var answers []string
	for range 2 { // the second finds a key that waits
		resp := adminDo(t, g, http.MethodPost, "rotate-signing-key", "", nil)
		var next struct {
			KID       string    `json:"kid"`
			SignsFrom time.Time `json:"signs_from"`
		}
		if err := json.Unmarshal([]byte(resp.Body), &next); err != nil || resp.Status != http.StatusOK {
			t.Fatalf("%d %s", resp.Status, resp.Body)
		}
		if d := time.Until(next.SignsFrom); d < 9*time.Minute || d > 12*time.Minute {
			t.Errorf("signs in %s, want about 11m: verifiers must have fetched it", d)
		}
		answers = append(answers, next.KID)
		s := adminGet[adminState](t, g, "status").Signing
		if s.KID != before.KID || s.NextKID != next.KID || !s.NextRotation.Equal(next.SignsFrom) {
			t.Errorf("%+v after %+v", s, next)
		}
	}
	published := keySet(t, "http://"+g.Admin+"/ingest_auth/jwks")
	if len(published) != 2 || answers[0] == before.KID || answers[0] != answers[1] || published[answers[0]].Kid == "" {
		t.Errorf("%d keys are published; new are %v, old is %s", len(published), answers, before.KID)
	}
}

func TestAdminRotateSecret(t *testing.T) {
	t.Setenv("SIGNING_SECRET", strings.Repeat("s3cr3t", 10))
	g := startAdmin(t, "sign {\nalgorithm HS256\nsecret {env.SIGNING_SECRET}\n}", map[string]gatetest.Record{keyA: {}})
	checkError(t, "HS256", adminDo(t, g, http.MethodPost, "rotate-signing-key", "", nil), http.StatusConflict)
	if s := adminGet[adminState](t, g, "status").Signing; s.Algorithm != "HS256" || s.KID != "" || !s.NextRotation.IsZero() {
		t.Errorf("%+v", s)
	}
	for route := range adminRoutes {
		if text := adminDo(t, g, http.MethodGet, route, "", nil).Body; strings.Contains(text, "s3cr3t") {
			t.Errorf("%s shows the secret", route)
		}
	}
}

func TestAdminPage(t *testing.T) {
	g := startAdmin(t, "", map[string]gatetest.Record{keyA: {}})
	resp := adminDo(t, g, http.MethodGet, "", "", nil)
	policy := resp.Header.Get("Content-Security-Policy")
	for _, element := range []string{"script", "style"} {
		found := regexp.MustCompile(`(?s)<`+element+`\b[^>]*>(.*?)</`+element+`>`).FindAllStringSubmatch(resp.Body, -1)
		if len(found) != 1 {
			t.Fatalf("%d elements %s, want 1", len(found), element)
		}
		sum := sha256.Sum256([]byte(found[0][1]))
		if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(policy, want) {
			t.Errorf("policy %s lacks %s", policy, want)
		}
	}
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %s lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", resp.Header)
	}
	for _, url := range regexp.MustCompile(`https?://[^'"\s]*`).FindAllString(resp.Body, -1) {
		if url != "http://www.w3.org/2000/svg" {
			t.Errorf("the page refers to %s", url)
		}
	}
	for _, risky := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick"} {
		if strings.Contains(resp.Body, risky) {
			t.Errorf("the page has %s", risky)
		}
	}
}

func TestReloadKeepsWhatWasSeen(t *testing.T) {
	g := startAdmin(t, "recent_events on", map[string]gatetest.Record{keyA: {"mode": "test"}})
	send(t, g, 2, keyA)
	reload := func(settings string) {
		t.Helper()
		if err := g.Load(adminSite(settings)); err != nil {
			t.Fatal(err)
		}
	}
	reload("recent_events on\nbuffer_memory 32MiB")
	if list := adminGet[adminKeyList](t, g, "keys").Keys; total(list[0].Allowed) != 2 {
		t.Errorf("%+v after a reload", list[0])
	}
	if got := adminGet[recentList](t, g, "recent").Events; len(got) != 2 {
		t.Errorf("%d events after a reload", len(got))
	}
	reload("")
	checkError(t, "events when they are off", adminDo(t, g, http.MethodGet, "recent", "", nil), http.StatusNotFound)
	reload("recent_events on")
	if got := adminGet[recentList](t, g, "recent").Events; len(got) != 0 {
		t.Errorf("%d events after they were off: they were kept", len(got))
	}
}

func TestHealth(t *testing.T) {
	g := startSite(t, "ingest_auth\ningest_auth_health /ready\ningest_auth_health /live live\nrespond ok", map[string]gatetest.Record{keyA: {}}, nil)
	for target, want := range map[string]string{"/ready": `{"status":"ready"}`, "/live": `{"status":"live"}`} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			resp := g.Do(t, gatetest.Request{Method: method, Target: target})
			switch {
			case method == http.MethodPost:
				if resp.Status != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
					t.Errorf("POST %s: %d", target, resp.Status)
				}
			case resp.Status != http.StatusOK || method == http.MethodGet && resp.Body != want || resp.Header.Get("Cache-Control") != "no-store":
				t.Errorf("%s %s without a key: %d %v %s", method, target, resp.Status, resp.Header, resp.Body)
			}
		}
	}
	if resp := g.Do(t, gatetest.Request{Target: "/other"}); resp.Status != http.StatusUnauthorized {
		t.Errorf("other paths: %d", resp.Status)
	}
	path := g.Write(t, "keys.json", "{")
	await.That(t, "the warning", func() bool { return strings.Contains(g.Do(t, gatetest.Request{Target: "/ready"}).Body, "warnings") })
	resp := g.Do(t, gatetest.Request{Target: "/ready"})
	if resp.Status != http.StatusOK || strings.Contains(resp.Body, path) {
		t.Errorf("with a broken file: %d %s", resp.Status, resp.Body)
	}
	if status := ask(t, g, keyA).Status; status != http.StatusOK {
		t.Errorf("a key of the last good content: %d", status)
	}
}

// TestHealthWhileStopping: from the beginning of shutdown_delay probes are told to send
// requests elsewhere, and those that come all the same are served.
func TestHealthWhileStopping(t *testing.T) {
	g := gatetest.New(t, nil)
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {}}))
	g.Run(t, strings.Replace(options, "auto_https off", "auto_https off\n\tshutdown_delay 2s", 1)+
		":{{gate}} {\ningest_auth\ningest_auth_health /ready\ningest_auth_health /live live\nrespond ok\n}\n")
	if resp := g.Do(t, gatetest.Request{Target: "/ready"}); resp.Status != http.StatusOK {
		t.Errorf("before: %d %s", resp.Status, resp.Body)
	}
	stopped := make(chan error)
	go func() { stopped <- caddy.Stop() }()
	await.That(t, "readiness to end", func() bool {
		resp := g.Do(t, gatetest.Request{Target: "/ready"})
		return resp.Status == http.StatusServiceUnavailable && resp.Body == `{"status":"stopping"}`
	})
	if resp := g.Do(t, gatetest.Request{Target: "/live"}); resp.Status != http.StatusOK {
		t.Errorf("live: %d %s", resp.Status, resp.Body)
	}
	if resp := ask(t, g, keyA); resp.Status != http.StatusOK {
		t.Errorf("a request with a good key: %d %s", resp.Status, resp.Body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestAdminRefusesForeignPages that Caddy lets through because their origin has no
// host.
func TestAdminRefusesForeignPages(t *testing.T) {
	g, _ := start(t, "", map[string]gatetest.Record{keyA: {}})
	for _, header := range []http.Header{{"Origin": {"file://"}}, {"Origin": {"evil"}}, {"Sec-Fetch-Site": {"cross-site"}}} {
		for method, path := range map[string]string{http.MethodPost: "purge", http.MethodGet: "status"} {
			if resp := adminDo(t, g, method, path, `{"all":true}`, header); resp.Status != http.StatusForbidden {
				t.Errorf("%s %s with %v: %d %s", method, path, header, resp.Status, resp.Body)
			}
		}
	}
}
