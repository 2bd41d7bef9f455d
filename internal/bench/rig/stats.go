//go:build linux

package rig

import (
	"fmt"
	"slices"
)

// Quartiles are the values below which a quarter, a half and three quarters of a sample are.
type Quartiles struct{ Low, Median, High float64 }

// QuartilesOf returns the quartiles of values, with straight lines between values next to each other.
func QuartilesOf(values []float64) Quartiles {
	sorted := slices.Sorted(slices.Values(values))
	return Quartiles{quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)}
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// Format writes the median and, in brackets, the quartiles, with so many decimals.
func (q Quartiles) Format(decimals int) string {
	return fmt.Sprintf("%.[1]*[2]f (%.[1]*[3]f to %.[1]*[4]f)", decimals, q.Median, q.Low, q.High)
}

// Ratios divides, round by round: what is busy in a round is so for all that is measured in it.
func Ratios(values, references []float64) []float64 {
	ratios := make([]float64, len(values))
	for i := range values {
		ratios[i] = values[i] / references[i]
	}
	return ratios
}
