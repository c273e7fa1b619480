package bench

import "time"

// Describe is the distribution of times, for results that are measured outside
// this package; ok is false of nothing.
func Describe(name string, times []time.Duration) (d Distribution, ok bool) {
	return distribution(name, times)
}
