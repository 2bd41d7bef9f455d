package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// describeMachine says in one line what the figures depend on.
func describeMachine(ctx context.Context) string {
	return fmt.Sprintf("%s, %d cores, Linux %s, %s, %s",
		cpuModel(), runtime.NumCPU(), kernel(), runtime.Version(), wrkVersion(ctx))
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

// wrkVersion takes the first words of what wrk says, which it says with status 1.
func wrkVersion(ctx context.Context) string {
	out, _ := exec.CommandContext(ctx, "wrk", "-v").CombinedOutput()
	version, _, _ := strings.Cut(string(out), " [")
	return strings.TrimSpace(version)
}
