package main

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// heapInUse returns the bytes that live objects take.
func heapInUse() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one has made free
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// peakMB returns the most memory this process ever had resident, in 10^6 bytes, or 0 where
// there is no /proc.
func peakMB() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, _ := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64)
	return kb * 1024 / 1e6
}

// quantile returns the value below which the part q of the values lies.
func quantile(values []float64, q float64) float64 {
	return slices.Sorted(slices.Values(values))[int(q*float64(len(values)-1))]
}

// grouped writes a number with commas: 1,000,000.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
