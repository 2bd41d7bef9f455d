//go:build linux

// Package rig starts the servers that benchmarks load, and reads what they use.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// The kernel ends a server when the thread that started it ends. So the main goroutine, which
// starts them, keeps the main thread: it ends with the benchmark, whatever kills that.
func init() { runtime.LockOSThread() }

// stopTime is how long a process may take to end when it is asked to.
const stopTime = 2 * time.Second

// Process is a server that was started for the benchmark. Only the main goroutine may start one.
type Process struct {
	Addrs  []string // where it listens
	cmd    *exec.Cmd
	stdout io.Reader // what it prints, if that was asked for
	stderr *bytes.Buffer
}

// Start runs a program in a process group of its own, so that its children end with it.
func Start(ctx context.Context, env []string, program string, args ...string) (*Process, error) {
	return start(newProcess(ctx, env, program, args...))
}

func newProcess(ctx context.Context, env []string, program string, args ...string) *Process {
	p := &Process{cmd: exec.CommandContext(ctx, program, args...), stderr: new(bytes.Buffer)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	p.cmd.Cancel = p.kill
	p.cmd.WaitDelay = 5 * time.Second
	return p
}

func start(p *Process) (*Process, error) {
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s (make builds what its bench targets need): %w", p.cmd.Path, err)
	}
	return p, nil
}

// kill ends the process and those that it started.
func (p *Process) kill() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

// Stop asks the process to end, and then kills what is left of it and of those that it started.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	for end := time.Now().Add(stopTime); !p.ended() && time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
	}
	_ = p.kill() // before Wait, which frees the ID for others
	_ = p.cmd.Wait()
}

// ended reports whether the process waits only for being asked how it ended.
func (p *Process) ended() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	return err != nil || strings.HasPrefix(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " Z ")
}

// Alive returns an error if the process has ended by itself.
func (p *Process) Alive() error {
	if p.ended() {
		return fmt.Errorf("%s has ended; it logged:\n%s", filepath.Base(p.cmd.Path), p.stderr)
	}
	return nil
}

// Ready waits until the process answers, with whatever status.
func (p *Process) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Addrs[0], http.NoBody)
		if err != nil {
			return err
		}
		if res, err := client.Do(r); err == nil {
			return res.Body.Close()
		}
		select {
		case <-ctx.Done():
			p.Stop()
			return fmt.Errorf("waiting for %s: no answer; it logged:\n%s", filepath.Base(p.cmd.Path), p.stderr)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Group stops what was started when the benchmark ends.
type Group struct{ running []*Process }

// Add takes the results of a function that starts a process.
func (g *Group) Add(p *Process, err error) (*Process, error) {
	if err != nil {
		return nil, err
	}
	g.running = append(g.running, p)
	return p, nil
}

// Stop ends all processes of the group.
func (g *Group) Stop() {
	for _, p := range g.running {
		p.Stop()
	}
	g.running = nil
}

// FreeAddr returns an address on which nothing listens.
func FreeAddr(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// newHome makes a folder for a server, and writes its configuration into it.
func newHome(dir, file string, content []byte) (path string, err error) {
	path = filepath.Join(dir, file)
	return path, errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(path, content, 0o600))
}
