package bench

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestTheFrontIsWhatNothingDominates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Few values, so that many are equal.
		coordinate := rapid.Map(rapid.IntRange(0, 4), func(i int) float64 { return float64(i) })
		points := rapid.SliceOfN(rapid.SliceOfN(coordinate, 3, 3), 0, 12).Draw(t, "points")
		on := front(points)
		if len(points) > 0 && len(on) == 0 {
			t.Fatal("a front of nothing")
		}
		for i, p := range points {
			better := slices.IndexFunc(points, func(other []float64) bool { return dominates(other, p) })
			if slices.Contains(on, i) != (better < 0) {
				t.Fatalf("%v is on the front: %v; beaten by %d", p, slices.Contains(on, i), better)
			}
			// Who is not on the front is beaten by one that is.
			if better >= 0 && !slices.ContainsFunc(on, func(j int) bool { return dominates(points[j], p) }) {
				t.Fatalf("%v is beaten by none of the front %v", p, on)
			}
		}
	})
}

func TestDominationIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		coordinate := rapid.Map(rapid.IntRange(0, 2), func(i int) float64 { return float64(i) })
		point := rapid.SliceOfN(coordinate, 3, 3)
		a, b, c := point.Draw(t, "a"), point.Draw(t, "b"), point.Draw(t, "c")
		if dominates(a, a) || dominates(a, b) && dominates(b, a) {
			t.Fatal("it is not asymmetric")
		}
		if dominates(a, b) && dominates(b, c) && !dominates(a, c) {
			t.Fatal("it is not transitive")
		}
	})
}
