package redis

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parsed is a target that can be compared.
type parsed struct {
	Kind                      string
	Addresses                 []string
	User, Password            string
	Database                  int
	Service, SentinelPassword string
	TLS                       bool
}

func parsedOf(t target) parsed {
	return parsed{
		Kind: t.kind, Addresses: t.hosts, User: t.user, Password: t.password, Database: t.database,
		Service: t.service, SentinelPassword: t.sentinelPassword, TLS: t.tls != nil,
	}
}

func TestParseURL(t *testing.T) {
	for _, tc := range []struct {
		url  string
		want parsed
	}{
		{"redis://localhost", parsed{Addresses: []string{"localhost:6379"}}},
		{"redis://localhost/", parsed{Addresses: []string{"localhost:6379"}}},
		{"REDIS://h:7000/3", parsed{Addresses: []string{"h:7000"}, Database: 3}},
		{"redis://[::1]:7000", parsed{Addresses: []string{"[::1]:7000"}}},
		{"redis://[::1]", parsed{Addresses: []string{"[::1]:6379"}}},
		{"redis://:pw@h", parsed{Addresses: []string{"h:6379"}, Password: "pw"}},
		{"redis://u:p%40%2F%3A%3F@h", parsed{Addresses: []string{"h:6379"}, User: "u", Password: "p@/:?"}},
		{"redis://u:p@p@h", parsed{Addresses: []string{"h:6379"}, User: "u", Password: "p@p"}},
		{"rediss://h", parsed{Addresses: []string{"h:6379"}, TLS: true}},
		{"redis+sentinel://a,b:1,[::1]/service", parsed{Kind: "sentinel", Addresses: []string{"a:26379", "b:1", "[::1]:26379"}, Service: "service"}},
		{
			"rediss+sentinel://u:p@a/service/2?sentinel_password=s%26x",
			parsed{Kind: "sentinel", Addresses: []string{"a:26379"}, User: "u", Password: "p", Database: 2, Service: "service", SentinelPassword: "s&x", TLS: true},
		},
		{"redis+cluster://a:1,b:2,c", parsed{Kind: "cluster", Addresses: []string{"a:1", "b:2", "c:6379"}}},
		{"rediss+cluster://:pw@a/", parsed{Kind: "cluster", Addresses: []string{"a:6379"}, Password: "pw", TLS: true}},
	} {
		t.Run(tc.url, func(t *testing.T) {
			target, err := parseURL(tc.url)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, parsedOf(target)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseURLErrors(t *testing.T) {
	for _, tc := range []struct{ url, want string }{
		{"", "no scheme"},
		{"localhost:6379", "no scheme"},
		{"http://h", "unknown scheme"},
		{"redis+magic://h", "unknown scheme"},
		{"redis://", "host:port"},
		{"redis://:6379", "host:port"},
		{"redis://h:x", "host:port"},
		{"redis://h:0", "host:port"},
		{"redis://h:65536", "host:port"},
		{"redis://a,b", "several hosts"},
		{"redis+cluster://a,,b", "host:port"},
		{"redis://h/x", "not a number"},
		{"redis://h/-1", "not a number"},
		{"redis://h/1/2", "not a number"},
		{"redis://h?tls=1", "parameters"},
		{"redis://user@h", "without password"},
		{"redis://user:SECRET%zz@h", "percent-encoded"},
		{"redis://user:SECRET/x@h", "host:port"},
		{"redis+cluster://h/1", "no databases"},
		{"redis+cluster://h?x=SECRET", "parameters"},
		{"redis+sentinel://h", "no service"},
		{"redis+sentinel://h/s/x", "not a number"},
		{"redis+sentinel://h/s?password=SECRET", "unknown parameter"},
		{"redis+sentinel://h/s?sentinel_password=SECRET%zz", "percent-encoded"},
	} {
		t.Run(tc.url, func(t *testing.T) {
			_, err := New(Options{URL: tc.url})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

// FuzzParseURL: whatever the URL, no panic, no secret in the error, and
// addresses that can be dialled.
func FuzzParseURL(f *testing.F) {
	for _, s := range []string{
		"redis://h", "rediss://u:p@h:1/2", "redis+sentinel://a,b/s/1?sentinel_password=x",
		"redis+cluster://a:1,[::1]:2", "redis://[::1", "redis://u:%@h", "redis://h?%", "://", "redis+://h",
	} {
		f.Add(s, "hunter2-")
	}
	f.Fuzz(func(t *testing.T, s, secret string) {
		// Quoted as in an error: "\x10" + "000000" reads 10000000 there.
		if len(secret) < 8 || strings.Contains(strconv.Quote(strings.ToLower(s)), secret) || strings.ContainsAny(secret, "@/?,%") {
			return
		}
		if scheme, rest, ok := strings.Cut(s, "://"); ok && !strings.ContainsAny(rest, "@") {
			s = scheme + "://user:" + secret + "@" + rest
		}
		target, err := parseURL(s)
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("parsing %q: %v", s, err)
			}
			return
		}
		if len(target.hosts) == 0 {
			t.Errorf("%q: no address", s)
		}
		for _, a := range target.hosts {
			if i := strings.LastIndexByte(a, ':'); i <= 0 || i == len(a)-1 {
				t.Errorf("%q: address %q", s, a)
			}
		}
	})
}
