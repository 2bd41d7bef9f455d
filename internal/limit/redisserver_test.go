package limit

import (
	"bufio"
	"context"
	"fmt"
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
)

// redisServer is a redis-server of a test, in a directory of its own.
type redisServer struct {
	t    testing.TB
	port int
	dir  string
	args []string
	cmd  *exec.Cmd
}

// startRedis starts a server on a free port. Arguments are those of redis-server
// in place of or in addition to the port; a configuration file comes first.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("needs redis-server: apt-get install redis-server")
	}
	s := &redisServer{t: t, port: freePort(t), dir: t.TempDir(), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *redisServer) start() {
	s.t.Helper()
	args := append(slices.Clone(s.args), "--port", strconv.Itoa(s.port), "--dir", s.dir, "--save", "", "--logfile", filepath.Join(s.dir, "log"))
	s.cmd = exec.Command("redis-server", args...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	await(s.t, "redis-server", func() bool { return s.command("PING") != "" })
}

// kill ends the server as SIGKILL does, if it is still there.
func (s *redisServer) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *redisServer) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func (s *redisServer) stop()   { s.signal(syscall.SIGSTOP) }
func (s *redisServer) resume() { s.signal(syscall.SIGCONT) }

func (s *redisServer) addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// command sends one inline command over a connection of its own and returns the
// first line of the answer, and of a bulk string the string; or "" if that fails.
func (s *redisServer) command(line string) string {
	conn, err := net.DialTimeout("tcp", s.addr(), time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprintf(conn, "%s\r\n", line)
	r := bufio.NewReader(conn)
	answer, _ := r.ReadString('\n')
	if n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(answer), "$")); err == nil && answer[0] == '$' && n > 0 {
		b, _ := r.Peek(n)
		return string(b)
	}
	return strings.TrimSpace(answer)
}

// freePort returns a port that is free, and whose cluster bus port is too.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if port+10_000 > 65_535 {
			continue
		}
		if bus, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+10_000)); err == nil {
			bus.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// await waits until a condition of another process holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: timed out", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// startCluster starts a cluster of three nodes without replicas.
func startCluster(t *testing.T) []*redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-cli"); err != nil {
		t.Skip("needs redis-cli: apt-get install redis-server")
	}
	args := []string{"--cluster", "create"}
	var nodes []*redisServer
	for range 3 {
		n := startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
		nodes = append(nodes, n)
		args = append(args, n.addr())
	}
	if out, err := exec.Command("redis-cli", append(args, "--cluster-yes")...).CombinedOutput(); err != nil {
		t.Fatalf("creating the cluster: %v\n%s", err, out)
	}
	for _, n := range nodes {
		await(t, "the cluster", func() bool { return strings.Contains(n.command("CLUSTER INFO"), "cluster_state:ok") })
	}
	return nodes
}

// startSentinel starts a server, a replica of it, and a sentinel that watches
// them under the name "service".
func startSentinel(t *testing.T) (sentinel, master *redisServer) {
	t.Helper()
	master = startRedis(t)
	replica := startRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.port))
	await(t, "the replica", func() bool { return strings.Contains(replica.command("INFO replication"), "master_link_status:up") })
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor service 127.0.0.1 %d 1\nsentinel down-after-milliseconds service 300\nsentinel failover-timeout service 2000\n", master.port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel = startRedis(t, config, "--sentinel")
	await(t, "the sentinel", func() bool { return strings.Contains(sentinel.command("INFO sentinel"), "slaves=1") })
	return sentinel, master
}
