// Command vaultdev runs a real Vault core for tests, on loopback and with only
// the backends the tests use: KV, transit, AppRole, userpass, JWT, Kubernetes
// and file audit. It initializes and unseals itself, mounts KV version 2 at
// secret/, and prints one line when it listens:
//
//	listening 127.0.0.1:41234 root hvs.… startup 120ms
//
// It keeps everything in memory, or in a folder (-dir) so that it can be killed
// and started again. It is no server for production: the unseal key and root
// token lie beside the data.
//
// It is a module of its own because the dependencies of Vault are many and old.
// It builds with Vault 1.13 (MPL-2.0), and to try another version with 1.21
// (BUSL-1.1):
//
//	go build -modfile=vault-1.21.mod -tags=minimal,vault121 .
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/vault"
)

type options struct {
	listen      string
	rootToken   string
	dir         string
	keyFile     string
	noUnseal    bool
	tlsCert     string
	tlsKey      string
	experiments string
	logLevel    string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("vaultdev: ")
	if err := run(parseFlags()); err != nil {
		log.Fatal(err)
	}
}

func parseFlags() options {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` to listen on; port 0 takes a free one")
	flag.StringVar(&o.rootToken, "root-token", "", "root `token` to make (default: a random one)")
	flag.StringVar(&o.dir, "dir", "", "`folder` to keep the data in (default: in memory)")
	flag.StringVar(&o.keyFile, "keys", "", "`file` for unseal key and root token (default: keys.json beside -dir)")
	flag.BoolVar(&o.noUnseal, "no-unseal", false, "stay sealed")
	flag.StringVar(&o.tlsCert, "tls-cert", "", "`file` with the certificate; with -tls-key, serve HTTPS")
	flag.StringVar(&o.tlsKey, "tls-key", "", "`file` with the certificate's private key")
	flag.StringVar(&o.experiments, "experiments", "", "`names` of Vault experiments to switch on, with commas between them")
	flag.StringVar(&o.logLevel, "log-level", "warn", "lowest `level` of Vault's own log on standard error")
	flag.Parse()
	if o.keyFile == "" && o.dir != "" {
		o.keyFile = filepath.Join(o.dir, "..", "keys.json")
	}
	return o
}

func run(o options) error {
	start := time.Now()
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.LevelFromString(o.logLevel), Output: os.Stderr})
	core, err := newCore(o, logger)
	if err != nil {
		return fmt.Errorf("making the core: %w", err)
	}
	root, err := setUp(context.Background(), core, o)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	fmt.Printf("listening %s root %s startup %s\n", ln.Addr(), root, time.Since(start).Round(time.Millisecond))
	return serve(core, ln, o)
}

// serve answers requests until the process is told to stop.
func serve(core *vault.Core, ln net.Listener, o options) error {
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	listener := &configutil.Listener{Type: "tcp", Address: ln.Addr().String()}
	srv := &http.Server{
		Handler:           vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: listener}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() {
		if o.tlsCert != "" {
			failed <- srv.ServeTLS(ln, o.tlsCert, o.tlsKey)
		} else {
			failed <- srv.Serve(ln)
		}
	}()
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
		return errors.Join(srv.Close(), core.Shutdown())
	}
}

func (o options) experimentList() []string {
	if o.experiments == "" {
		return nil
	}
	return strings.Split(o.experiments, ",")
}
