package limit

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// redisURL is a URL in its parts, credentials still percent-encoded. It is not
// a url.URL because that allows for one host only, and quotes the whole URL,
// password included, in its errors.
type redisURL struct {
	scheme, user, hosts, path, query string
}

// parseRedisURL turns a URL of one of the forms that RedisOptions.URL documents
// into options of the client. Errors never quote user, password or query.
func parseRedisURL(s string) (rueidis.ClientOption, error) {
	u, err := splitRedisURL(s)
	if err != nil {
		return rueidis.ClientOption{}, err
	}
	var o rueidis.ClientOption
	base, kind, _ := strings.Cut(u.scheme, "+")
	switch base {
	case "redis":
	case "rediss":
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		return o, fmt.Errorf("parsing Redis URL: unknown scheme %q: use redis, rediss (TLS), either with +sentinel or +cluster", u.scheme)
	}
	if o.Username, o.Password, err = parseUser(u.user); err != nil {
		return o, err
	}
	switch kind {
	case "":
		o.ForceSingleClient = true
		err = u.single(&o)
	case "sentinel":
		err = u.sentinel(&o)
	case "cluster":
		err = u.cluster(&o)
	default:
		err = fmt.Errorf("parsing Redis URL: unknown scheme %q: use %[2]s, %[2]s+sentinel or %[2]s+cluster", u.scheme, base)
	}
	return o, err
}

func splitRedisURL(s string) (u redisURL, err error) {
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

func (u *redisURL) single(o *rueidis.ClientOption) (err error) {
	if o.InitAddress, err = parseHosts(u.hosts, redisPort); err != nil {
		return err
	}
	if len(o.InitAddress) > 1 {
		return errors.New("parsing Redis URL: several hosts: use the scheme redis+sentinel or redis+cluster")
	}
	if u.query != "" {
		return errors.New("parsing Redis URL: parameters are not known for this scheme")
	}
	o.SelectDB, err = parseDatabase(u.path)
	return err
}

func (u *redisURL) sentinel(o *rueidis.ClientOption) (err error) {
	if o.InitAddress, err = parseHosts(u.hosts, sentinelPort); err != nil {
		return err
	}
	service, database, _ := strings.Cut(u.path, "/")
	if service == "" {
		return errors.New("parsing Redis URL: no service name: write redis+sentinel://host:port,host:port/service")
	}
	o.Sentinel.MasterSet = service
	o.Sentinel.TLSConfig = o.TLSConfig
	if o.Sentinel.Password, err = sentinelPassword(u.query); err != nil {
		return err
	}
	o.SelectDB, err = parseDatabase(database)
	return err
}

func (u *redisURL) cluster(o *rueidis.ClientOption) (err error) {
	if u.path != "" {
		return errors.New("parsing Redis URL: a cluster has no databases: end the URL after the hosts")
	}
	if u.query != "" {
		return errors.New("parsing Redis URL: parameters are not known for this scheme")
	}
	o.InitAddress, err = parseHosts(u.hosts, redisPort)
	return err
}

func parseUser(s string) (user, password string, err error) {
	user, password, _ = strings.Cut(s, ":")
	user, err1 := url.PathUnescape(user)
	password, err2 := url.PathUnescape(password)
	if err1 != nil || err2 != nil { // the errors quote what they found
		return "", "", errors.New("parsing Redis URL: user or password is not percent-encoded")
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
			return nil, errors.New("parsing Redis URL: a host is not of the form host:port")
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
		return 0, errors.New("parsing Redis URL: the database is not a number")
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
