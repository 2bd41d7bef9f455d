//go:build linux

package main

import (
	"bytes"
	"testing"
)

// TestRows: each row differs from the first in one thing, and no name is there twice.
func TestRows(t *testing.T) {
	all := rows("key")
	names := make(map[string]bool)
	for i, r := range all {
		if names[r.name] {
			t.Errorf("%q is there twice", r.name)
		}
		names[r.name] = true
		differences := 0
		for _, differs := range []bool{
			r.connections != all[0].connections, !bytes.Equal(r.request, all[0].request), len(r.limits) != 1, r.gates != 1,
		} {
			if differs {
				differences++
			}
		}
		if want := min(i, 1); differences != want {
			t.Errorf("%q differs in %d things", r.name, differences)
		}
	}
	if len(all) < 15 {
		t.Errorf("%d rows only", len(all))
	}
}

func TestWriteRow(t *testing.T) {
	stock := &candidate{cpu: []float64{100, 200, 300}, p50: []float64{1, 2, 3}, p99: []float64{9, 8, 7}}
	gate := &candidate{cpu: []float64{50, 120, 240}, p50: []float64{1, 1, 3}, p99: []float64{5, 6, 7}}
	var out bytes.Buffer
	if err := writeRow(&out, "a row", 1234.5, stock, gate); err != nil {
		t.Fatal(err)
	}
	if want := "| a row | 1234 | 200.0 | 120.0 | 0.60 (0.55 to 0.70) | 2.00 | 1.00 | 8.00 | 6.00 |\n"; out.String() != want {
		t.Errorf("got  %swant %s", out.String(), want)
	}
}
