package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// urlSource reads a key set from a gate.
type urlSource struct {
	url    string
	client *http.Client
}

func newURLSource(url string, c *http.Client) *urlSource {
	client := *c
	client.CheckRedirect = sameHost
	return &urlSource{url, &client}
}

// sameHost follows only a few redirects, and none to another host.
func sameHost(r *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > 3 || r.URL.Scheme != first.Scheme || r.URL.Host != first.Host {
		return errors.New("redirected to another host, or too often")
	}
	return nil
}

func (*urlSource) gap() time.Duration { return fetchGap }

func (s *urlSource) load(ctx context.Context) (*keySet, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	set, err := parseKeySet(data)
	if err != nil {
		return nil, err
	}
	set.fresh = freshness(resp.Header)
	return set, nil
}

// freshness is half of the max-age of the answer (RFC 9111 section 5.2.2.1), within
// bounds.
func freshness(h http.Header) time.Duration {
	const shortest, longest = 10 * time.Second, 5 * time.Minute
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		value, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(directive)), "max-age=")
		if seconds, err := strconv.ParseUint(value, 10, 31); ok && err == nil {
			return min(max(time.Duration(seconds)*time.Second/2, shortest), longest)
		}
	}
	return longest
}

// fileSource is the path of a file with a key set.
type fileSource string

func (fileSource) gap() time.Duration { return time.Second }

func (s fileSource) load(context.Context) (*keySet, error) {
	f, err := os.Open(string(s))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	set, err := parseKeySet(data)
	if err != nil {
		return nil, err
	}
	set.fresh = s.gap()
	return set, nil
}
