package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

// TestTLS: the server must be who the CA says it is, and the client, too.
func TestTLS(t *testing.T) {
	_, files := redistest.StartTLS(t)
	pem, err := os.ReadFile(files.CACert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	cert, err := tls.LoadX509KeyPair(files.ClientCert, files.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	certs := []tls.Certificate{cert}
	for name, tc := range map[string]struct {
		config *tls.Config
		want   string // "" for none
	}{
		"everything":     {&tls.Config{RootCAs: roots, Certificates: certs}, ""},
		"name":           {&tls.Config{RootCAs: roots, Certificates: certs, ServerName: "redis.internal"}, ""},
		"other name":     {&tls.Config{RootCAs: roots, Certificates: certs, ServerName: "other.internal"}, "other.internal"},
		"system CAs":     {nil, "unknown authority"},
		"other CAs":      {&tls.Config{RootCAs: x509.NewCertPool(), Certificates: certs}, "unknown authority"},
		"no certificate": {&tls.Config{RootCAs: roots}, "certificate required"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Options{URL: "rediss://" + files.Addr, TLS: tc.config, Name: "test"})
			_, err := c.Connect(context.Background())
			if tc.want == "" {
				err = addOne(context.Background(), c)
			}
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := New(Options{URL: "redis://h", TLS: &tls.Config{}}); err == nil || !strings.Contains(err.Error(), "write rediss") {
		t.Errorf("TLS settings for a connection without TLS: %v", err)
	}
}
