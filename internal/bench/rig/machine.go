//go:build linux

package rig

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// DescribeMachine says in one line what the figures depend on.
func DescribeMachine() string {
	return fmt.Sprintf("%s, %d cores, Linux %s, %s", cpuModel(), runtime.NumCPU(), kernel(), runtime.Version())
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of unknown version"
	}
	return strings.TrimSpace(string(release))
}

const (
	probeTime = time.Second // how long the machine is watched before a run
	tooBusy   = 0.05        // more than this share of its CPU time, and figures are doubtful
)

// WarnIfBusy prints how busy the machine is before anything is measured.
func WarnIfBusy(w io.Writer) error {
	before, err := readCPUs()
	if err != nil {
		return err
	}
	time.Sleep(probeTime)
	after, err := readCPUs()
	if err != nil {
		return err
	}
	average, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	busy := after.busySince(before)
	fmt.Fprintf(w, "load average %s; the CPUs are %.0f %% busy\n", strings.TrimSpace(string(average)), busy*100)
	if busy > tooBusy {
		fmt.Fprintln(w, "WARNING: the machine is not idle. Compare figures only within a table, and repeat the run when it is.")
	}
	return nil
}

// cpus is what /proc/stat says of all CPUs together, in ticks.
type cpus struct{ idle, total int64 }

func readCPUs() (cpus, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cpus{}, err
	}
	return parseCPUs(string(stat))
}

// parseCPUs reads the first line of /proc/stat (proc_stat(5)): user, nice, system, idle, iowait,
// irq, softirq, steal. Time that the host stole is not ours: it counts as busy.
func parseCPUs(stat string) (c cpus, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return c, errors.New("reading /proc/stat: the first line is not of the kind expected")
	}
	for i, field := range fields[1:9] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return c, fmt.Errorf("reading /proc/stat: %w", err)
		}
		c.total += n
		if i == 3 || i == 4 {
			c.idle += n
		}
	}
	return c, nil
}

func (c cpus) busySince(before cpus) float64 {
	if c.total == before.total {
		return 0
	}
	return 1 - float64(c.idle-before.idle)/float64(c.total-before.total)
}
