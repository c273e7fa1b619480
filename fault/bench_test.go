package fault

import "testing"

// BenchmarkGenerate is one plan of all kinds, which every seed of a sweep draws.
func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	for i := range b.N {
		Generate(newSeeded(uint64(i)), sound())
	}
}
