package config

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"1000/1m": {1000, time.Minute}, "5/10s": {5, 10 * time.Second}, "600/1h": {600, time.Hour},
		"1/366d": {1, 366 * 24 * time.Hour}, "999999999/999999ms": {999_999_999, 999_999 * time.Millisecond},
	} {
		got, err := ParseRate(text)
		if err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("%s is written %s", text, got)
		}
	}
	if s := (Rate{1, 90 * time.Minute}).String(); s != "1/90m" {
		t.Errorf("90 minutes are written %s", s)
	}
	for _, text := range []string{
		"", "/", "1000", "1000/", "1000/m", "1000/1", "0/1m", "1/0m", "01/1m", "1/01m", "-1/1m", "+1/1m", "1.5/1m", "1/1.5m",
		"1/1w", "1/1M", "1/1m ", " 1/1m", "1 / 1m", "1/367d", "1/999999d", "1000000000/1m", "1/1000000s", "1/1m/1m", "1/ms", "1//m",
	} {
		if got, err := ParseRate(text); err == nil {
			t.Errorf("%q = %v, want an error", text, got)
		}
	}
}

func TestRateInJSON(t *testing.T) {
	var g Gate
	if err := json.Unmarshal([]byte(`{"limits":[{"rate":"10/1m","by":["key"]}],"limit_failures":"20/1m"}`), &g); err != nil {
		t.Fatal(err)
	}
	if g.Limits[0].Rate != (Rate{10, time.Minute}) || g.LimitFailures != (Rate{20, time.Minute}) {
		t.Errorf("%+v", g)
	}
	b, err := json.Marshal(Gate{Limits: g.Limits})
	if err != nil || string(b) != `{"limits":[{"rate":"10/1m","by":["key"]}]}` {
		t.Errorf("%s, %v", b, err)
	}
}

// FuzzParseRate checks that a rate is what it is written as, and that nothing
// overflows.
func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"1000/1m", "5/10s", "999999999/999999ms", "1/366d", "1/999999d", "0/1m", "1/01m", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRate(s)
		if err != nil {
			return
		}
		if r.N < 1 || r.Window < time.Millisecond || r.Window > maxWindow {
			t.Fatalf("%q = %v", s, r)
		}
		if again, err := ParseRate(r.String()); r.Window < 999_999*time.Millisecond && (err != nil || again != r) {
			t.Fatalf("%q = %v, written %s, read %v: %v", s, r, r, again, err)
		}
	})
}

func TestLimitNames(t *testing.T) {
	g := Gate{
		Resources: []Resource{{Name: "datasource", In: "query", At: "id"}},
		Limits: []Limit{
			{Rate: Rate{1, time.Minute}, By: []string{"datasource", "route"}},
			{Name: "daily", Rate: Rate{1, 24 * time.Hour}, By: []string{"key"}},
		},
	}
	g.SetDefaults()
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	if g.Limits[0].Name != "datasource_route" || g.Limits[1].Name != "daily" {
		t.Errorf("%+v", g.Limits)
	}
}

func TestLimitErrors(t *testing.T) {
	rate := Rate{1, time.Minute}
	for want, g := range map[string]Gate{
		"limit: the dimension is missing; write `by` and one or more of key, account, ip, route": {Limits: []Limit{{Rate: rate}}},
		"limit key: the rate is missing":                    {Limits: []Limit{{By: []string{"key"}}}},
		`limit colour: unknown dimension "colour"`:          {Limits: []Limit{{Rate: rate, By: []string{"colour"}}}},
		"limit key_key: key is given twice":                 {Limits: []Limit{{Rate: rate, By: []string{"key", "key"}}}},
		"limit x: is given twice":                           {Limits: []Limit{{Name: "x", Rate: rate, By: []string{"key"}}, {Name: "x", Rate: rate, By: []string{"ip"}}}},
		`limit key cost: "bytes" is not one of`:             {Limits: []Limit{{Rate: rate, By: []string{"key"}, Cost: "bytes"}}},
		`limit: "a b" is not a name`:                        {Limits: []Limit{{Name: "a b", Rate: rate, By: []string{"key"}}}},
		"ip is the name of both a dimension and a resource": {Resources: []Resource{{Name: "ip", In: "query", At: "a"}}, Limits: []Limit{{Rate: rate, By: []string{"ip"}}}},
		"in_flight: write":                                  {InFlight: InFlight{N: 1}},
		`in_flight: "route" is not one of`:                  {InFlight: InFlight{N: 1, By: "route"}},
		`limit_headers: "x" is not one of`:                  {LimitHeaders: "x"},
		"max_items: must be greater than zero":              {MaxItems: -1},
	} {
		if err := g.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", g, err, want)
		}
	}
}

func TestCountersErrors(t *testing.T) {
	redis := func(url string) App { return App{Counters: Counters{Store: "redis", URL: url}} }
	const (
		write  = "counters: write `memory`"
		secret = "counters: a URL with a user, a password"
		tls    = "counters: ca_cert, client_cert and server_name are for Redis with TLS; write `counters rediss://HOST`"
	)
	for _, tc := range []struct {
		app  App
		want string // "" for none
	}{
		{redis("redis://localhost"), ""},
		{redis("rediss+cluster://a:1,b:2"), ""},
		{redis("{env.REDIS}"), ""},
		{redis("{file./run/redis url}"), ""},
		{redis(""), write},
		{redis("localhost:6379"), write},
		{redis("http://localhost"), write},
		{redis("{http.request.host}"), write},
		{redis("{env.A}{env.B}"), write},
		{redis("redis://:hunter2@localhost"), secret},
		{redis("redis://u:hunter2@localhost"), secret},
		{redis("redis+sentinel://s/m?sentinel_password=hunter2"), secret},
		{redis("redis://:{env.hunter2}@localhost"), secret},
		{App{Counters: Counters{Store: "etcd"}}, `counters: "etcd" is not one of memory, redis`},
		{App{Counters: Counters{URL: "redis://localhost"}}, "counters: url, timeout and on_error are for Redis"},
		{App{Counters: Counters{Store: "memory", OnError: "deny"}}, "counters: url, timeout and on_error are for Redis"},
		{App{Counters: Counters{Store: "redis", URL: "{env.A}", Timeout: -1}}, "counters timeout: must be"},
		{App{Counters: Counters{Store: "redis", URL: "{env.A}", OnError: "panic"}}, `counters on_error: "panic" is not one`},
		{App{Counters: Counters{Store: "redis", URL: "rediss://a", CACert: "ca", ClientCert: "c", ClientKey: "k", ServerName: "s"}}, ""},
		{App{Counters: Counters{Store: "redis", URL: "rediss+cluster://a", ServerName: "s"}}, ""},
		{App{Counters: Counters{Store: "redis", URL: "{env.A}", CACert: "ca"}}, ""},
		{App{Counters: Counters{Store: "redis", URL: "redis://a", CACert: "ca"}}, tls},
		{App{Counters: Counters{Store: "redis", URL: "redis+sentinel://a/s", ServerName: "s"}}, tls},
		{App{Counters: Counters{Store: "redis", URL: "redis://a", ClientCert: "c", ClientKey: "k"}}, tls},
		{App{Counters: Counters{Store: "memory", CACert: "ca"}}, tls},
		{App{Counters: Counters{Store: "redis", URL: "rediss://a", ClientCert: "c"}}, "counters client_cert: write the certificate and its key"},
		{App{Counters: Counters{Store: "redis", URL: "rediss://a", ClientKey: "k"}}, "counters client_cert: write the certificate and its key"},
		{App{BufferMemory: 1 << 10}, "buffer_memory: 1024 bytes are too few"},
		{App{BufferMemory: -1}, "buffer_memory: -1 bytes are too few"},
	} {
		err := tc.app.Validate()
		switch {
		case tc.want == "" && err != nil, tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%+v: %v, want %q", tc.app, err, tc.want)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("error shows the password: %v", err)
		}
	}
}
