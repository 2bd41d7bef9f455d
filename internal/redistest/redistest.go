// Package redistest runs redis-server in tests. Tests are skipped where there is
// none.
package redistest

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
)

// Server is a redis-server of a test, in a directory of its own.
type Server struct {
	t    testing.TB
	port int
	dir  string
	args []string
	cmd  *exec.Cmd
}

// Start starts a server on a free port. Arguments are those of redis-server
// in place of or in addition to the port; a configuration file comes first.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("needs redis-server: apt-get install redis-server")
	}
	s := &Server{t: t, port: freeport.Port(t), dir: t.TempDir(), args: args}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

// Restart starts the server again after Kill, empty, on the same port.
func (s *Server) Restart() {
	s.t.Helper()
	args := append(slices.Clone(s.args), "--port", strconv.Itoa(s.port), "--dir", s.dir, "--save", "", "--logfile", filepath.Join(s.dir, "log"))
	s.cmd = exec.Command("redis-server", args...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	await.That(s.t, "redis-server", func() bool { return s.Command("PING") != "" })
}

// Kill ends the server as SIGKILL does, if it is still there.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *Server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Suspend stops the server as SIGSTOP does: it keeps its connections, but does not
// answer.
func (s *Server) Suspend() { s.signal(syscall.SIGSTOP) }

// Resume undoes Suspend.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

// Addr returns host:port.
func (s *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// Command sends inline commands over one connection of its own and returns the
// first line of the last answer, and of a bulk string the string; or "" if that
// fails.
func (s *Server) Command(lines ...string) (answer string) {
	conn, err := net.DialTimeout("tcp", s.Addr(), time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	in := bufio.NewReader(conn)
	for _, line := range lines {
		fmt.Fprintf(conn, "%s\r\n", line)
		answer = readAnswer(in)
	}
	return answer
}

func readAnswer(in *bufio.Reader) string {
	line, _ := in.ReadString('\n')
	line = strings.TrimSpace(line)
	if size, ok := strings.CutPrefix(line, "$"); ok {
		if n, err := strconv.Atoi(size); err == nil && n > 0 {
			b := make([]byte, n+len("\r\n"))
			_, _ = io.ReadFull(in, b)
			return string(b[:n])
		}
	}
	return line
}

// OK runs a command that must succeed.
func (s *Server) OK(lines ...string) {
	s.t.Helper()
	if got := s.Command(lines...); got != "+OK" {
		s.t.Fatalf("%s: %s", lines[len(lines)-1], got)
	}
}

// StartBareSentinel starts a sentinel that watches nothing.
func StartBareSentinel(t testing.TB) *Server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return Start(t, config, "--sentinel")
}

// Watch makes a sentinel know the master, and no other, as "service". The password
// is that of the sentinel, if it has one.
func (s *Server) Watch(master *Server, password string) {
	s.t.Helper()
	login := "AUTH " + cmp.Or(password, "none")
	s.OK(login, "SENTINEL REMOVE service", "SENTINEL MONITOR service 127.0.0.1 "+strconv.Itoa(master.port)+" 1")
}

// StartSentinel starts a server, a replica of it, and a sentinel that watches
// them under the name "service".
func StartSentinel(t *testing.T) (sentinel, master *Server) {
	t.Helper()
	master = Start(t)
	replica := Start(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.port))
	await.That(t, "the replica", func() bool { return strings.Contains(replica.Command("INFO replication"), "master_link_status:up") })
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor service 127.0.0.1 %d 1\nsentinel down-after-milliseconds service 300\nsentinel failover-timeout service 2000\n", master.port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel = Start(t, config, "--sentinel")
	await.That(t, "the sentinel", func() bool { return strings.Contains(sentinel.Command("INFO sentinel"), "slaves=1") })
	return sentinel, master
}
