//go:build !linux

package main

import "time"

var started = time.Now()

// cpuTime returns the time since the start: CPU time is known on Linux only.
func cpuTime() time.Duration { return time.Since(started) }
