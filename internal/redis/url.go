package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// target is what a URL says.
type target struct {
	kind             string      // "", "sentinel" or "cluster"
	hosts            []string    // host:port, of the sentinels if there are any
	user, password   string      // of the data nodes
	database         int         // 0 in a cluster
	service          string      // what the sentinels call the master
	sentinelPassword string      // of the sentinels
	tls              *tls.Config // nil without TLS
}

// rawURL is a URL in its parts, credentials still percent-encoded. It is not
// a url.URL because that allows for one host only, and quotes the whole URL,
// password included, in its errors.
type rawURL struct {
	scheme, user, hosts, path, query string
}

// parseURL reads a URL of one of the forms that Options.URL documents.
// Errors never quote user, password or query.
func parseURL(s string) (target, error) {
	u, err := splitURL(s)
	if err != nil {
		return target{}, err
	}
	var t target
	base, kind, _ := strings.Cut(u.scheme, "+")
	t.kind = kind
	switch base {
	case "redis":
	case "rediss":
		t.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		return t, fmt.Errorf("parsing Redis URL: unknown scheme %q: use redis, rediss (TLS), either with +sentinel or +cluster", u.scheme)
	}
	if t.user, t.password, err = parseUser(u.user); err != nil {
		return t, err
	}
	switch kind {
	case "":
		err = u.single(&t)
	case "sentinel":
		err = u.sentinel(&t)
	case "cluster":
		err = u.cluster(&t)
	default:
		err = fmt.Errorf("parsing Redis URL: unknown scheme %q: use %[2]s, %[2]s+sentinel or %[2]s+cluster", u.scheme, base)
	}
	return t, err
}

// CheckURL reports what is wrong with a URL that Options.URL is to be. It does not
// connect, and the error does not quote the URL.
func CheckURL(s string) error {
	_, err := parseURL(s)
	return err
}

func splitURL(s string) (u rawURL, err error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return u, errors.New("parsing Redis URL: no scheme: write redis://host:port")
	}
	u.scheme = strings.ToLower(scheme)
	rest, u.query, _ = strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	u.path = path
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		u.user, authority = authority[:i], authority[i+1:]
	}
	u.hosts = authority
	return u, nil
}

func (u *rawURL) single(t *target) (err error) {
	if t.hosts, err = parseHosts(u.hosts, redisPort); err != nil {
		return err
	}
	if len(t.hosts) > 1 {
		return errors.New("parsing Redis URL: several hosts: use the scheme redis+sentinel or redis+cluster")
	}
	if u.query != "" {
		return errors.New("parsing Redis URL: this scheme takes no parameters: remove them")
	}
	t.database, err = parseDatabase(u.path)
	return err
}

func (u *rawURL) sentinel(t *target) (err error) {
	if t.hosts, err = parseHosts(u.hosts, sentinelPort); err != nil {
		return err
	}
	service, database, _ := strings.Cut(u.path, "/")
	if service == "" {
		return errors.New("parsing Redis URL: no service name: write redis+sentinel://host:port,host:port/service")
	}
	t.service = service
	if t.sentinelPassword, err = sentinelPassword(u.query); err != nil {
		return err
	}
	t.database, err = parseDatabase(database)
	return err
}

func (u *rawURL) cluster(t *target) (err error) {
	if u.path != "" {
		return errors.New("parsing Redis URL: a cluster has no databases: end the URL after the hosts")
	}
	if u.query != "" {
		return errors.New("parsing Redis URL: this scheme takes no parameters: remove them")
	}
	t.hosts, err = parseHosts(u.hosts, redisPort)
	return err
}

func parseUser(s string) (user, password string, err error) {
	user, password, _ = strings.Cut(s, ":")
	user, err1 := url.PathUnescape(user)
	password, err2 := url.PathUnescape(password)
	if err1 != nil || err2 != nil { // the errors quote what they found
		return "", "", errors.New("parsing Redis URL: user or password is not percent-encoded: write %25 for a percent sign")
	}
	if user != "" && password == "" {
		return "", "", errors.New("parsing Redis URL: user without password: write user:password@ or :password@")
	}
	return user, password, nil
}

func parseHosts(s, defaultPort string) ([]string, error) {
	var addresses []string
	for hostPort := range strings.SplitSeq(s, ",") {
		host, port, err := net.SplitHostPort(hostPort)
		if err != nil {
			host, port = strings.Trim(hostPort, "[]"), defaultPort
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "@/[] ") {
			return nil, errors.New("parsing Redis URL: a host does not have the form host:port")
		}
		addresses = append(addresses, net.JoinHostPort(host, port))
	}
	return addresses, nil
}

func parseDatabase(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, errors.New("parsing Redis URL: the database is not a number; if a slash is part of the password, write %2F, and percent-encode all other special characters")
	}
	return int(n), nil
}

func sentinelPassword(query string) (string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", errors.New("parsing Redis URL: parameters are not percent-encoded")
	}
	for name := range values {
		if name != "sentinel_password" {
			return "", errors.New("parsing Redis URL: unknown parameter: only sentinel_password is known")
		}
	}
	return values.Get("sentinel_password"), nil
}
