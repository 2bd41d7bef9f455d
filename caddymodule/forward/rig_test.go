package forward_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"golang.org/x/sys/unix"

	_ "github.com/ingestauth/caddy-ingest-auth/caddymodule/forward"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
)

// The tests of this package compare. Every setting is there twice in one Caddy, as two sites
// that differ in the name of the directive only, each with backends of its own. What is sent
// to one is sent to the other, and what clients, backends and logs get has to be the same.

// side is one of the two that are compared.
type side int

const (
	oracle side = iota // reverse_proxy
	ours               // ingest_forward
)

func (s side) String() string { return [...]string{"reverse_proxy", "ingest_forward"}[s] }

// setting is a site.
type setting struct {
	name string

	// site is the block of the site. These words are replaced: {{proxy}} by the directive,
	// {{1}}, {{2}} and {{3}} by addresses of backends, {{dead}} by one that refuses
	// connections, {{dir}} by a folder of the side's own.
	site string

	// differs is the block of our side where it is not the same, in tests of the tests.
	differs string

	asks []exchange // what is sent beside what all settings get
	only bool       // and nothing else

	// noBody says that requests have none: backends of a second try may or may not get the
	// head of a request whose body the first has got.
	noBody bool

	options  string // of the server
	front    front  // what the client connects to
	unix     bool   // backends listen on Unix sockets
	lanes    int    // how many of it there are; default 1
	anyOrder bool   // which backend is taken is left to chance
}

type front string

const (
	overTCP  front = ""
	overIPv6 front = "[::1]"
	overUnix front = "unix"
	overTLS  front = "tls"
)

// lane is a setting that runs, for one exchange at a time.
type lane struct {
	*setting
	ends [2]*end

	// logs says that there is an access log. Requests with bodies go to lanes without one if there
	// is a race detector: Caddy counts the bytes of a body for its log while http.Transport may
	// still look for more of them.
	logs bool
}

// end is one side of a lane.
type end struct {
	*setting
	side     side
	dir      string
	network  string
	address  string // of the site
	backends []*backend
	dead     string
	logs     bool
	names    *strings.Replacer // of addresses, for what is compared

	stage
}

// rig is the Caddy of all lanes.
type rig struct {
	dir   string
	admin string
	lanes map[string][]*lane
	close []func()

	generation string       // the address of a site that says how many configurations were loaded
	loads      atomic.Int64 // how many there were
}

var theRig struct {
	sync.Mutex
	*rig
}

// start returns the rig, and starts it for the first test that asks.
func start(tb testing.TB) *rig {
	tb.Helper()
	theRig.Lock()
	defer theRig.Unlock()
	if theRig.rig == nil {
		theRig.rig = newRig(tb)
	}
	return theRig.rig
}

// lane returns the only lane of a setting.
func (r *rig) lane(tb testing.TB, name string) *lane {
	tb.Helper()
	if len(r.lanes[name]) == 0 {
		tb.Fatalf("there is no setting %q", name)
	}
	return r.lanes[name][0]
}

func newRig(tb testing.TB) *rig {
	tb.Helper()
	dir, err := os.MkdirTemp("", "forward")
	if err != nil {
		tb.Fatal(err)
	}
	r := &rig{dir: dir, admin: freeport.Addr(tb), lanes: map[string][]*lane{}}
	r.generation = r.reserve(tb)
	writeCertificate(tb, dir)
	for i := range settings {
		s := &settings[i]
		for k := range max(s.lanes, 1) {
			l := &lane{setting: s, logs: !raceDetector || (i+k)%2 == 0 || strings.Contains(s.site+s.differs, "log_append")}
			for _, side := range []side{oracle, ours} {
				l.ends[side] = r.newEnd(tb, l, side)
			}
			r.lanes[s.name] = append(r.lanes[s.name], l)
		}
	}
	if err := r.load(); err != nil {
		tb.Fatalf("loading the Caddyfile: %v", err)
	}
	return r
}

func (r *rig) newEnd(tb testing.TB, l *lane, side side) *end {
	tb.Helper()
	s := l.setting
	e := &end{setting: s, side: side, network: "tcp", logs: l.logs}
	var err error
	if e.dir, err = os.MkdirTemp(r.dir, ""); err != nil {
		tb.Fatal(err)
	}
	names := []string{e.dir, "DIR"}
	name := func(address, name string) { // of the same length, so that lengths stay right
		if _, port, err := net.SplitHostPort(address); err == nil {
			names = append(names, port, (name + "-----")[:len(port)])
		}
	}
	front := r.reserve(tb)
	_, port, _ := net.SplitHostPort(front)
	switch s.front {
	case overUnix:
		e.network, e.address = "unix", filepath.Join(e.dir, "front")
	case overIPv6:
		e.address = "[::1]:" + port
	default:
		e.address = front
	}
	name(front, "FRONT")
	for i := 1; strings.Contains(s.site, fmt.Sprintf("{{%d}}", i)); i++ {
		b := newBackend(tb, e, fmt.Sprint(i))
		e.backends = append(e.backends, b)
		r.close = append(r.close, b.close)
		name(b.address, fmt.Sprintf("BACK%d", i))
	}
	if strings.Contains(s.site, "{{dead}}") {
		e.dead = r.reserve(tb)
		name(e.dead, "DEAD")
	}
	e.names = strings.NewReplacer(names...)
	return e
}

func (r *rig) reserve(tb testing.TB) string {
	tb.Helper()
	address, free := reserve(tb)
	r.close = append(r.close, free)
	return address
}

// load loads the Caddyfile with all sites. It can be called again.
func (r *rig) load() error {
	var file strings.Builder
	file.WriteString("{\nauto_https off\ngrace_period 2s\nlog default {\noutput collected\nformat json\nlevel INFO\n}\n")
	r.each(func(e *end) {
		fmt.Fprintf(&file, "servers %s {\nprotocols h1 h2 h2c\n%s\n}\n", e.listener(), e.options)
	})
	file.WriteString("}\n")
	r.each(func(e *end) {
		scheme, more := "http", ""
		_, port, _ := net.SplitHostPort(e.address)
		switch e.front {
		case overTLS:
			scheme, more = "https", fmt.Sprintf("tls %s %s\n", filepath.Join(r.dir, "cert.pem"), filepath.Join(r.dir, "key.pem"))
		case overUnix:
			port = "80"
		default:
		}
		if e.logs {
			more += "log\n"
		}
		fmt.Fprintf(&file, "%s://:%s {\nbind %s\n%s%s\n}\n", scheme, port, e.binding(), more, e.block())
	})
	fmt.Fprintf(&file, "http://%s {\nrespond %d\n}\n", r.generation, r.loads.Add(1))
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(file.String()), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	var cfg map[string]any
	if err := json.Unmarshal(adapted, &cfg); err != nil {
		return err
	}
	cfg["admin"] = map[string]any{"listen": r.admin, "config": map[string]any{"persist": false}}
	cfg["storage"] = map[string]any{"module": "file_system", "root": filepath.Join(r.dir, "storage")}
	if adapted, err = json.Marshal(cfg); err != nil {
		return err
	}
	return caddy.Load(adapted, true)
}

func (r *rig) each(do func(*end)) {
	for i := range settings {
		for _, l := range r.lanes[settings[i].name] {
			do(l.ends[oracle])
			do(l.ends[ours])
		}
	}
}

func (e *end) binding() string {
	if e.network == "unix" {
		return "unix/" + e.address
	}
	host, _, _ := net.SplitHostPort(e.address)
	return host
}

func (e *end) listener() string {
	if e.network == "unix" {
		return "unix/" + e.address
	}
	return e.address
}

// block returns the site's block with the words replaced.
func (e *end) block() string {
	site := e.site
	if e.side == ours && e.differs != "" {
		site = e.differs
	}
	words := []string{"{{proxy}}", e.side.String(), "{{dir}}", e.dir, "{{dead}}", e.dead}
	for _, b := range e.backends {
		words = append(words, "{{"+b.name+"}}", b.upstream())
	}
	return strings.NewReplacer(words...).Replace(site)
}

func (r *rig) stop() error {
	err := caddy.Stop()
	for _, f := range r.close {
		f()
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// reserve returns an address that nobody else gets, and refuses connections until somebody
// listens on it who shares it, as Caddy does.
func reserve(tb testing.TB) (address string, free func()) {
	tb.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		tb.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		tb.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", bound.(*unix.SockaddrInet4).Port), func() { _ = unix.Close(fd) }
}
