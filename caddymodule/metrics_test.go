package caddymodule_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

// scrape returns our samples as Caddy's admin endpoint serves them, by series.
func scrape(t *testing.T, g *gatetest.Gate) map[string]float64 {
	t.Helper()
	samples := make(map[string]float64)
	for line := range strings.Lines(scrapeText(t, g)) {
		series, value, ok := cutLast(strings.TrimSpace(line), " ")
		if !ok || !strings.HasPrefix(series, "ingest_auth_") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		samples[series] = v
	}
	return samples
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func scrapeText(t *testing.T, g *gatetest.Gate) string {
	t.Helper()
	resp, err := http.Get("http://" + g.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("scraping: %d %v\n%s", resp.StatusCode, err, text)
	}
	return string(text)
}

// grown returns the series of a metric that grew between two scrapes, and by how
// much. Tests share a process, and with it all counters.
func grown(before, after map[string]float64, metric string) map[string]float64 {
	growth := make(map[string]float64)
	for series, v := range after {
		if strings.HasPrefix(series, metric+"{") && v != before[series] {
			growth[strings.TrimPrefix(series, metric)] = v - before[series]
		}
	}
	return growth
}

func judged(verdict, location, mode string, enforced bool) string {
	return fmt.Sprintf(`{enforced="%t",location="%s",mode="%s",verdict="%s"}`, enforced, location, mode, verdict)
}

func TestMetricsCountRequests(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	g := startSite(t, `handle /report/* {
			ingest_auth {
				enforce off
			}
			reverse_proxy {{upstream}}
		}
		handle {
			ingest_auth {
				mode live
			}
			reverse_proxy {{upstream}}
		}`,
		map[string]gatetest.Record{
			keyA: {"mode": "live"}, keyB: {"mode": "test"}, keyC: {}, keyD: {"mode": "live", "revoked_at": "2020-01-01T00:00:00Z"},
		}, gatetest.Vars{"upstream": up.Addr})
	before := scrape(t, g)
	json := http.Header{"Content-Type": {"application/json"}}
	for _, req := range []gatetest.Request{
		{Target: "/", Header: http.Header{"Authorization": {"Bearer " + keyA}}},
		get("/", keyA), get("/", keyA),
		{Target: "/?apiKey=" + keyA},
		{Target: "/", Header: json, Body: `{"token":"` + keyA + `"}`},
		{Target: "/", Header: json, Body: `{"token":`},
		get("/", keyB), get("/", keyD), get("/", "unknown"),
		{Target: "/"},
		{Target: "/?apiKey=" + keyB, Header: http.Header{"X-Api-Key": {keyA}}},
		get("/report/", keyB), get("/report/", keyC), get("/report/", keyD),
		{Target: "/report/"},
	} {
		g.Do(t, req)
	}
	after := scrape(t, g)
	want := map[string]float64{
		judged("allowed", "bearer", "live", true):           1,
		judged("allowed", "header", "live", true):           2,
		judged("allowed", "query", "live", true):            1,
		judged("allowed", "body", "live", true):             1,
		judged("malformed_body", "none", "", true):          1,
		judged("wrong_mode", "header", "test", true):        1,
		judged("revoked_key", "header", "live", true):       1,
		judged("unknown_key", "header", "", true):           1,
		judged("missing_key", "none", "", true):             1,
		judged("conflicting_credentials", "none", "", true): 1,
		judged("allowed", "header", "test", false):          1,
		judged("allowed", "header", "live", false):          1,
		judged("revoked_key", "header", "live", false):      1,
		judged("missing_key", "none", "", false):            1,
	}
	if diff := cmp.Diff(want, grown(before, after, "ingest_auth_requests_total")); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	want = map[string]float64{`{outcome="hit"}`: 12, `{outcome="unknown"}`: 1}
	if diff := cmp.Diff(want, grown(before, after, "ingest_auth_lookups_total")); diff != "" {
		t.Errorf("look-ups (-want +got):\n%s", diff)
	}
	want = map[string]float64{`{body="read"}`: 2, `{body="unread"}`: 13}
	if diff := cmp.Diff(want, grown(before, after, "ingest_auth_handler_duration_seconds_count")); diff != "" {
		t.Errorf("durations (-want +got):\n%s", diff)
	}
	for series, want := range map[string]float64{"ingest_auth_source_up": 1, "ingest_auth_file_records": 4, "ingest_auth_buffer_bytes": 0} {
		if got, ok := after[series]; !ok || got != want {
			t.Errorf("%s: %v, want %v", series, got, want)
		}
	}
	for series := range after {
		if strings.HasPrefix(series, "ingest_auth_key_requests") || strings.HasPrefix(series, "ingest_auth_redis_up") {
			t.Errorf("%s: was not asked for", series)
		}
	}
}

func TestMetricsOfAStreamedBody(t *testing.T) {
	g, _ := start(t, "max_body 1KiB", map[string]gatetest.Record{keyA: {}})
	before := scrape(t, g)
	resp, err := g.Try(gatetest.Request{
		Framing: gatetest.Chunked, Target: "/", Body: strings.Repeat("x", 4096),
		Header: http.Header{"X-Api-Key": {keyA}, "Content-Type": {"image/png"}},
	})
	if err != nil || resp.Status != http.StatusRequestEntityTooLarge {
		t.Fatalf("%d %v", resp.Status, err)
	}
	after := scrape(t, g)
	want := map[string]float64{judged("allowed", "header", "live", true): 1, judged("body_too_large", "header", "live", true): 1}
	if diff := cmp.Diff(want, grown(before, after, "ingest_auth_requests_total")); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	want = map[string]float64{`{body="unread"}`: 1}
	if diff := cmp.Diff(want, grown(before, after, "ingest_auth_handler_duration_seconds_count")); diff != "" {
		t.Errorf("durations (-want +got):\n%s", diff)
	}
}

func TestMetricsSurviveReload(t *testing.T) {
	site := limitSite("limit 2/" + year + " by key")
	g, _ := startLimits(t, "", "limit 2/"+year+" by key", nil)
	before := scrape(t, g)
	for range 3 {
		g.Do(t, get("/", keyA))
	}
	counted := scrape(t, g)
	if diff := cmp.Diff(map[string]float64{`{limit="key"}`: 2}, grown(before, counted, "ingest_auth_limit_takes_total")); diff != "" {
		t.Errorf("takes (-want +got):\n%s", diff)
	}
	reload(t, g, withApp("buffer_memory 8MiB\ncache {\nsize 10\n}\nsign {\nttl 30s\n}")+site)
	reloaded := scrape(t, g)
	for series, v := range counted {
		if strings.Contains(series, "_total") && reloaded[series] < v {
			t.Errorf("%s went back from %v to %v", series, v, reloaded[series])
		}
	}
	if got := reloaded["ingest_auth_buffer_limit_bytes"]; got != 8<<20 {
		t.Errorf("buffer limit of the new configuration: %v", got)
	}
	g.Do(t, get("/", keyA))
	want := map[string]float64{`{limit="key"}`: 2}
	if diff := cmp.Diff(want, grown(before, scrape(t, g), "ingest_auth_limit_refusals_total")); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
}

func TestMetricsOfLimits(t *testing.T) {
	g, _ := startLimits(t, "", "limit 2/"+year+" by key\nlimit wide 9/"+year+" by account\nlimit_failures 1/"+year+" by ip\nin_flight 5 by key", nil)
	before := scrape(t, g)
	for _, key := range []string{keyA, keyA, keyA, "unknown", "unknown"} {
		g.Do(t, get("/", key))
	}
	after := scrape(t, g)
	want := map[string]float64{`{limit="key"}`: 2, `{limit="wide"}`: 2, `{limit="limit_failures"}`: 1, `{limit="in_flight"}`: 3}
	if diff := cmp.Diff(want, grown(before, after, "ingest_auth_limit_takes_total")); diff != "" {
		t.Errorf("takes (-want +got):\n%s", diff)
	}
	want = map[string]float64{`{limit="key"}`: 1, `{limit="limit_failures"}`: 1}
	if diff := cmp.Diff(want, grown(before, after, "ingest_auth_limit_refusals_total")); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
}

func TestMetricsOfRedis(t *testing.T) {
	s := redistest.Start(t)
	app := "counters redis://" + s.Addr() + " {\ntimeout 10s\n}"
	g, _ := startLimits(t, app, "limit 9/"+year+" by key", nil)
	g.Do(t, get("/", keyA))
	before := scrape(t, g)
	if before["ingest_auth_redis_up"] != 1 {
		t.Errorf("Redis is up: %v", before["ingest_auth_redis_up"])
	}
	s.Kill()
	for range 3 {
		g.Do(t, get("/", keyA))
	}
	down := scrape(t, g)
	if up, ok := down["ingest_auth_redis_up"]; !ok || up != 0 {
		t.Errorf("Redis is down: %v", up)
	}
	for metric, want := range map[string]float64{"ingest_auth_redis_fallbacks_total": 3, "ingest_auth_redis_outages_total": 1} {
		if got := down[metric] - before[metric]; got != want {
			t.Errorf("%s grew by %v, want %v", metric, got, want)
		}
	}
	// Other settings make another client, which has counted nothing yet.
	reload(t, g, withApp(strings.Replace(app, "10s", "11s", 1))+limitSite("limit 9/"+year+" by key"))
	after := scrape(t, g)
	for _, metric := range []string{"ingest_auth_redis_fallbacks_total", "ingest_auth_redis_outages_total"} {
		if after[metric] < down[metric] {
			t.Errorf("%s went back from %v to %v", metric, down[metric], after[metric])
		}
	}
	s.Restart()
	await.That(t, "Redis to be back", func() bool { return scrape(t, g)["ingest_auth_redis_up"] == 1 })
}

func TestMetricsOfVault(t *testing.T) {
	g, server, store := vaultGate(t)
	create(t, store, keyA, "key_a")
	g.Run(t, vaultSite)
	await.That(t, "the login", func() bool { return ask(t, g, keyA).Status == http.StatusOK })
	await.That(t, "the change feed", func() bool { return scrape(t, g)["ingest_auth_change_feed_last_success_timestamp_seconds"] > 0 })
	up := scrape(t, g)
	if up["ingest_auth_source_up"] != 1 || up["ingest_auth_cache_records"] != 1 || up["ingest_auth_change_feed_lag_seconds"] > 10 {
		t.Errorf("Vault is up: %v", up)
	}
	if n := up[`ingest_auth_source_duration_seconds_count{result="ok"}`]; n < 1 {
		t.Errorf("%v reads", n)
	}
	server.Kill()
	await.That(t, "the outage to show", func() bool { return scrape(t, g)["ingest_auth_source_up"] == 0 })
	before := scrape(t, g)
	ask(t, g, "a-key-that-was-never-asked-for")
	await.That(t, "a stale record", func() bool {
		ask(t, g, keyA)
		return grown(before, scrape(t, g), "ingest_auth_lookups_total")[`{outcome="stale"}`] > 0
	})
	await.That(t, "the change feed to lag", func() bool { return scrape(t, g)["ingest_auth_change_feed_lag_seconds"] > 2 })
	if growth := grown(before, scrape(t, g), "ingest_auth_lookups_total"); growth[`{outcome="error"}`] != 1 {
		t.Errorf("look-ups in the outage: %v", growth)
	}
	server.Restart()
	await.That(t, "the outage to end", func() bool {
		s := scrape(t, g)
		return s["ingest_auth_source_up"] == 1 && s["ingest_auth_change_feed_lag_seconds"] < 2
	})
}

// TestMetricsPerKey uses more keys than are counted apart.
func TestMetricsPerKey(t *testing.T) {
	const bound, more = 1000, 5
	records := map[string]gatetest.Record{}
	for i := range bound + more {
		records[fmt.Sprintf("canary-%d", i)] = gatetest.Record{"key_id": fmt.Sprintf("key_%d", i)}
	}
	g := gatetest.New(t, nil)
	g.Write(t, "keys.json", gatetest.Keys(records))
	site := ":{{gate}} {\ningest_auth {\nscope s\n}\n}\n"
	g.Run(t, withApp("metrics per_key")+site)
	for i := range bound + more {
		g.Do(t, get("/", fmt.Sprintf("canary-%d", i)))
	}
	g.Do(t, get("/", "canary-unknown"))
	const metric = "ingest_auth_key_requests_total"
	got := grown(nil, scrape(t, g), metric)
	want := map[string]float64{}
	for i := range bound {
		want[fmt.Sprintf(`{key_id="key_%d",verdict="insufficient_scope"}`, i+more)] = 1
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests by key (-want +got):\n%s", diff)
	}
	if text := scrapeText(t, g); strings.Contains(text, "canary") || regexp.MustCompile(`[0-9a-f]{32}`).MatchString(text) {
		t.Error("the scrape holds a key or a digest")
	}
	reload(t, g, options+site)
	if got := grown(nil, scrape(t, g), metric); len(got) > 0 {
		t.Errorf("requests by key are shown though they are off: %v", got)
	}
}

// metricsTable reads the tables in docs/metrics.md: type and labels by name.
func metricsTable(t *testing.T) map[string]string {
	t.Helper()
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	table := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `(ingest_auth_[a-z_]+)` \\| (\\w+) \\| ([^|]*) \\|").FindAllStringSubmatch(string(doc), -1) {
		labels := regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[3], -1)
		table[row[1]] = row[2]
		for _, l := range labels {
			table[row[1]] += " " + l[1]
		}
	}
	return table
}

// scrapedTable is the same of what is served.
func scrapedTable(t *testing.T, g *gatetest.Gate) map[string]string {
	t.Helper()
	table := make(map[string]string)
	var name string
	scanner := bufio.NewScanner(strings.NewReader(scrapeText(t, g)))
	for scanner.Scan() {
		line := scanner.Text()
		if fields := strings.Fields(line); strings.HasPrefix(line, "# TYPE ingest_auth_") {
			name = fields[2]
			table[name] = fields[3]
			continue
		}
		if !strings.HasPrefix(line, "ingest_auth_") {
			continue
		}
		kind, _, _ := strings.Cut(table[name], " ")
		for _, l := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(line, -1) {
			if l[1] != "le" {
				kind += " " + l[1]
			}
		}
		table[name] = kind
	}
	return table
}

func TestMetricsAreDocumented(t *testing.T) {
	down := freeport.Addr(t)
	site := limitSite("limit 9/" + year + " by key")
	g, _ := startLimits(t, "metrics per_key", "limit 9/"+year+" by key", nil)
	g.Do(t, get("/", keyA))
	served := scrapedTable(t, g)
	t.Setenv("TEST_VAULT_TOKEN", "none")
	vault := "keys vault {\naddress http://" + down + "\nauth token {env.TEST_VAULT_TOKEN}\n}"
	reload(t, g, strings.Replace(withApp("counters redis://"+down), "keys file {{dir}}/keys.json", vault, 1)+site)
	maps.Copy(served, scrapedTable(t, g))
	if len(served) < 20 {
		t.Errorf("only %d metrics are served", len(served))
	}
	// Labels are served in alphabetical order, and documented in that of the text.
	if diff := cmp.Diff(sortedWords(served), sortedWords(metricsTable(t))); diff != "" {
		t.Errorf("docs/metrics.md (-served +documented):\n%s", diff)
	}
}

func sortedWords(table map[string]string) map[string][]string {
	sorted := make(map[string][]string)
	for name, text := range table {
		words := strings.Fields(text)
		slices.Sort(words[1:])
		sorted[name] = words
	}
	return sorted
}
