package forward_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	caddy.RegisterModule(new(logOutput))
	log.SetOutput(io.Discard) // http.Transport complains of what the backends do
	code := m.Run()
	if theRig.rig != nil {
		if err := theRig.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping Caddy:", err)
			code = 1
		}
	}
	if code == 0 {
		if err := goleak.Find(leakedByCaddy...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// leakedByCaddy are goroutines that are started once for a process.
var leakedByCaddy = []goleak.Option{
	goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
	goleak.IgnoreAnyFunction("github.com/caddyserver/caddy/v2.replaceLocalAdminServer.func2"),
}

// logOutput sends a log of Caddy to the sink.
type logOutput struct{}

func (*logOutput) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.writers.collected", New: func() caddy.Module { return new(logOutput) }}
}

func (*logOutput) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}
func (*logOutput) String() string                      { return "collected" }
func (*logOutput) WriterKey() string                   { return "collected" }
func (*logOutput) OpenWriter() (io.WriteCloser, error) { return collected, nil }

// writeCertificate writes a certificate for localhost and its key into a folder.
func writeCertificate(tb testing.TB, dir string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: encoded},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}
