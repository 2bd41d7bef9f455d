//go:build linux

package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is Linux's USER_HZ, the unit of times in /proc/PID/stat.
const ticksPerSecond = 100

// CPUTime returns the CPU time that the process and its children have used, user and system.
func (p *Process) CPUTime() (time.Duration, error) { return treeTime(strconv.Itoa(p.cmd.Process.Pid)) }

func treeTime(pid string) (time.Duration, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return 0, fmt.Errorf("reading CPU time: %w", err)
	}
	sum, err := parseCPUTime(string(stat))
	if err != nil {
		return 0, err
	}
	for _, child := range children(pid) {
		if t, err := treeTime(child); err == nil { // else it has just ended
			sum += t
		}
	}
	return sum, nil
}

// children returns the IDs of the processes that pid has started.
func children(pid string) (all []string) {
	lists, _ := filepath.Glob(filepath.Join("/proc", pid, "task", "*", "children"))
	for _, path := range lists {
		if list, err := os.ReadFile(path); err == nil {
			all = append(all, strings.Fields(string(list))...)
		}
	}
	return all
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

// Memory is what a process has in memory, in MiB.
type Memory struct {
	Resident, Peak float64
	Anonymous      float64 // what the kernel cannot take back without swap
}

// Memory returns what the process has in memory now.
func (p *Process) Memory() (Memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return Memory{}, fmt.Errorf("reading memory: %w", err)
	}
	return parseMemory(string(status))
}

func parseMemory(status string) (m Memory, err error) {
	for name, value := range map[string]*float64{"VmRSS:": &m.Resident, "VmHWM:": &m.Peak, "RssAnon:": &m.Anonymous} {
		_, rest, _ := strings.Cut(status, "\n"+name)
		kb, err := strconv.Atoi(strings.Fields(rest + " -")[0])
		if err != nil {
			return m, fmt.Errorf("reading memory: %s %w", name, err)
		}
		*value = float64(kb) / 1024
	}
	return m, nil
}

// ForgetUse makes FilePagesInUse count from now on.
func (p *Process) ForgetUse() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("1"), 0)
}

// FilePagesInUse returns how many MiB of mapped files, which is to say of the binary, the process
// has used since ForgetUse. The rest of what is resident the kernel drops when memory is short.
func (p *Process) FilePagesInUse() (float64, error) {
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	return parseFilePagesInUse(string(smaps))
}

// parseFilePagesInUse adds up "Referenced" of the mappings that have a path (proc_pid_smaps(5)).
func parseFilePagesInUse(smaps string) (float64, error) {
	file, sum := false, 0
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 2:
		case !strings.HasSuffix(fields[0], ":"):
			file = len(fields) > 5 && strings.HasPrefix(fields[5], "/")
		case file && fields[0] == "Referenced:":
			kb, err := strconv.Atoi(fields[1])
			if err != nil {
				return 0, fmt.Errorf("reading memory: %w", err)
			}
			sum += kb
		}
	}
	return float64(sum) / 1024, nil
}
