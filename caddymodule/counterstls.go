package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// countersTLS is the result of the TLS settings of the counters.
type countersTLS struct {
	config                        *tls.Config // nil if there are no settings
	caCert, clientCert, clientKey []byte      // the files
}

// readTLS reads the files of the TLS settings. Errors name the setting and the file.
func readTLS(c config.Counters) (t countersTLS, err error) {
	if !c.HasTLS() {
		return t, nil
	}
	t.config = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CACert != "" {
		if err := t.trust(c.CACert); err != nil {
			return t, fmt.Errorf("ca_cert: %w", err)
		}
	}
	if c.ClientCert != "" {
		if err := t.present(c.ClientCert, c.ClientKey); err != nil {
			return t, fmt.Errorf("client_cert: %w", err)
		}
	}
	return t, nil
}

func (t *countersTLS) trust(file string) (err error) {
	if t.caCert, err = os.ReadFile(file); err != nil {
		return err
	}
	t.config.RootCAs = x509.NewCertPool()
	if !t.config.RootCAs.AppendCertsFromPEM(t.caCert) {
		return fmt.Errorf("%s: has no certificate in PEM form", file)
	}
	return nil
}

func (t *countersTLS) present(certFile, keyFile string) (err error) {
	if t.clientCert, err = os.ReadFile(certFile); err != nil {
		return err
	}
	if t.clientKey, err = os.ReadFile(keyFile); err != nil {
		return err
	}
	cert, err := tls.X509KeyPair(t.clientCert, t.clientKey)
	if err != nil {
		return fmt.Errorf("%s with %s: %w", certFile, keyFile, err)
	}
	t.config.Certificates = []tls.Certificate{cert}
	return nil
}
