package bench

import "slices"

// front returns the indices of the points of which no other is as good or
// better in each coordinate and better in one; smaller is better. Points that
// are equal are all on the front. The order is that of the points.
func front(points [][]float64) []int {
	var kept []int
	for i, p := range points {
		if !slices.ContainsFunc(points, func(other []float64) bool { return dominates(other, p) }) {
			kept = append(kept, i)
		}
	}
	return kept
}

// dominates: is a at least as good as b everywhere and better somewhere?
func dominates(a, b []float64) bool {
	better := false
	for i := range a {
		if a[i] > b[i] {
			return false
		}
		better = better || a[i] < b[i]
	}
	return better
}
