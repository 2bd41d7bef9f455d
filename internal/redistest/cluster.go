package redistest

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
)

// StartCluster starts a cluster of three nodes without replicas.
func StartCluster(t testing.TB, args ...string) []*Server {
	t.Helper()
	if _, err := exec.LookPath("redis-cli"); err != nil {
		t.Skip("needs redis-cli: apt-get install redis-server")
	}
	create := []string{"--cluster", "create"}
	var nodes []*Server
	for range 3 {
		n := Start(t, append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "1000"}, args...)...)
		nodes = append(nodes, n)
		create = append(create, n.Addr())
	}
	if out, err := exec.Command("redis-cli", append(create, "--cluster-yes")...).CombinedOutput(); err != nil {
		t.Fatalf("creating the cluster: %v\n%s", err, out)
	}
	for _, n := range nodes {
		await.That(t, "the cluster", func() bool { return strings.Contains(n.Command("CLUSTER INFO"), "cluster_state:ok") })
	}
	return nodes
}

// Move is a slot on its way from one node of a cluster to another.
type Move struct {
	Slot     string
	From, To *Server
}

// BeginMove begins to move the slot of a hash tag.
func BeginMove(tag string, from, to *Server) Move {
	m := Move{strings.TrimPrefix(from.Command("CLUSTER KEYSLOT {"+tag+"}"), ":"), from, to}
	to.OK("CLUSTER SETSLOT " + m.Slot + " IMPORTING " + from.Command("CLUSTER MYID"))
	from.OK("CLUSTER SETSLOT " + m.Slot + " MIGRATING " + to.Command("CLUSTER MYID"))
	return m
}

// Keys returns at most so many keys that have not been moved yet.
func (m Move) Keys(most int) []string {
	m.From.t.Helper()
	out, err := exec.Command("redis-cli", "-p", strconv.Itoa(m.From.port), "CLUSTER", "GETKEYSINSLOT", m.Slot, strconv.Itoa(most)).Output()
	if err != nil {
		m.From.t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// Carry moves the keys.
func (m Move) Carry(keys []string) {
	m.From.t.Helper()
	m.From.OK("MIGRATE 127.0.0.1 " + strconv.Itoa(m.To.port) + ` "" 0 5000 KEYS ` + strings.Join(keys, " "))
}

// End makes the slot the other node's when all keys are there.
func (m Move) End() {
	m.From.t.Helper()
	for keys := m.Keys(1000); len(keys) > 0; keys = m.Keys(1000) {
		m.Carry(keys)
	}
	for _, n := range []*Server{m.To, m.From} {
		n.OK("CLUSTER SETSLOT " + m.Slot + " NODE " + m.To.Command("CLUSTER MYID"))
	}
}
