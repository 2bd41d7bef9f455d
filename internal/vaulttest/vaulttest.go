// Package vaulttest starts a real Vault server for tests: vaultdev, a Vault core
// in a module of its own, which `make vault` builds.
package vaulttest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
)

// BinaryEnv names the environment variable with the path of vaultdev. Default:
// bin/vaultdev in the module's folder.
const BinaryEnv = "INGEST_AUTH_VAULTDEV"

// Server is a running Vault. KV version 2 is mounted at secret/.
type Server struct {
	// Addr is the address it listens on, host:port.
	Addr string

	// Root is its root token.
	Root string

	t      testing.TB
	binary string
	args   []string
	scheme string
	caCert string
	cmd    *exec.Cmd
	exited chan struct{}
}

// Start starts a server on a free port of the loopback address, with arguments
// for vaultdev, and stops it when the test ends. The test is skipped if there
// is no vaultdev.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, binary: find(t), args: args, scheme: "http"}
	s.run("127.0.0.1:0")
	t.Cleanup(s.Kill)
	return s
}

// StartOnDisk starts a server that keeps its data in a folder, so that it can be
// killed and started again with Restart.
func StartOnDisk(t testing.TB) *Server {
	t.Helper()
	dir := t.TempDir()
	return Start(t, "-dir", filepath.Join(dir, "data"), "-keys", filepath.Join(dir, "keys.json"))
}

// StartTLS starts a server with a certificate for localhost and 127.0.0.1. CACert
// returns the file of the certificate to trust.
func StartTLS(t testing.TB) *Server {
	t.Helper()
	cert, key := writeCertificate(t)
	s := &Server{
		t: t, binary: find(t), scheme: "https", caCert: cert,
		args: []string{"-tls-cert", cert, "-tls-key", key},
	}
	s.run("127.0.0.1:0")
	t.Cleanup(s.Kill)
	return s
}

// find returns the path of vaultdev.
func find(t testing.TB) string {
	t.Helper()
	path := os.Getenv(BinaryEnv)
	if path == "" {
		path = filepath.Join(moduleFolder(t), "bin", "vaultdev")
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("needs a Vault server: run `make vault`")
	}
	return path
}

// moduleFolder finds the folder of go.mod above the test's.
func moduleFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}

// run starts the process and waits until it answers.
func (s *Server) run(listen string) {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, append([]string{"-listen", listen, "-log-level", "error"}, s.args...)...)
	s.cmd.Stderr = logWriter{s.t}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("starting vaultdev: %v", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatalf("vaultdev ended before it listened: %v", errors.Join(err, s.cmd.Wait()))
	}
	if _, err := fmt.Sscanf(line, "listening %s root %s", &s.Addr, &s.Root); err != nil {
		s.t.Fatalf("vaultdev said %q", line)
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(s.cmd, s.exited)
	s.awaitHealthy()
}

func (s *Server) awaitHealthy() {
	s.t.Helper()
	c := s.Client()
	await.That(s.t, "vaultdev to be healthy", func() bool {
		h, err := c.Sys().Health()
		return err == nil && h.Initialized && (!h.Sealed || slices.Contains(s.args, "-no-unseal"))
	})
}

// URL returns the address as a URL.
func (s *Server) URL() string { return s.scheme + "://" + s.Addr }

// CACert returns the file of the certificate to trust, if the server was started
// with StartTLS.
func (s *Server) CACert() string { return s.caCert }

// Client returns a client with the root token that tries everything once.
func (s *Server) Client() *api.Client {
	s.t.Helper()
	cfg := api.DefaultConfig()
	cfg.Address, cfg.AgentAddress, cfg.MaxRetries, cfg.Timeout = s.URL(), "", 0, 10*time.Second
	if s.caCert != "" {
		if err := cfg.ConfigureTLS(&api.TLSConfig{CACert: s.caCert}); err != nil {
			s.t.Fatal(err)
		}
	}
	c, err := api.NewClient(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	c.SetToken(s.Root)
	s.t.Cleanup(cfg.HttpClient.CloseIdleConnections)
	return c
}

// Write writes to a path, such as sys/policies/acl/name, with the root token.
func (s *Server) Write(path string, data map[string]any) *api.Secret {
	s.t.Helper()
	secret, err := s.Client().Logical().Write(path, data)
	if err != nil {
		s.t.Fatalf("writing %s: %v", path, err)
	}
	return secret
}

// Policy writes a policy.
func (s *Server) Policy(name, rules string) {
	s.t.Helper()
	if err := s.Client().Sys().PutPolicy(name, rules); err != nil {
		s.t.Fatalf("writing policy %s: %v", name, err)
	}
}

// Pause stops the process with SIGSTOP: connections are taken and not answered.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

// Seal seals Vault. Restart unseals it.
func (s *Server) Seal() {
	s.t.Helper()
	if err := s.Client().Sys().Seal(); err != nil {
		s.t.Fatalf("sealing: %v", err)
	}
}

// Kill ends the process at once and waits for its end.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Restart ends the process and starts it again on the same address. The data is
// there again if the server was started with StartOnDisk.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.run(s.Addr)
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("sending %v to vaultdev: %v", sig, err)
	}
}

// logWriter writes Vault's own log to the test's.
type logWriter struct{ t testing.TB }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log("vault: " + strings.TrimSpace(string(b)))
	return len(b), nil
}
