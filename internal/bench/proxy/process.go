package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is Linux's USER_HZ, the unit of times in /proc/PID/stat.
const ticksPerSecond = 100

// process is a server that was started for the benchmark.
type process struct {
	cmd    *exec.Cmd
	stdout io.Reader
	stderr *bytes.Buffer // what it logged
	addr   string
}

func startProcess(ctx context.Context, env []string, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, program, args...), stderr: new(bytes.Buffer)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.stderr
	var err error
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s (make bench-proxy builds what it needs): %w", program, err)
	}
	return p, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// ready waits until the process answers, with whatever status.
func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr, http.NoBody)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(r); err == nil {
			return res.Body.Close()
		}
		select {
		case <-ctx.Done():
			p.stop()
			return fmt.Errorf("waiting for %s: no answer; it logged:\n%s", p.cmd.Path, p.stderr)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// cpuTime returns the CPU time that the process has used, user and system.
func (p *process) cpuTime() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading CPU time of %s: %w", p.cmd.Path, err)
	}
	return parseCPUTime(string(stat))
}

// parseCPUTime reads fields 14 and 15 of /proc/PID/stat (proc_pid_stat(5)). The second field,
// the name, may have spaces in it and ends with the last ')'.
func parseCPUTime(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading CPU time: %q is too short", stat)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading CPU time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// freeAddr returns an address on which nothing listens.
func freeAddr(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
