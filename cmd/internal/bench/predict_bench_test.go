package bench

import (
	"testing"
	"time"

	"github.com/lockproof/lockproof/subjects"
)

// BenchmarkPredict tells how many hours of four clients and one lock, ttl 6 s,
// are simulated in a second.
func BenchmarkPredict(b *testing.B) {
	p, err := Predict(b.Context(), PredictConfig{
		Settings: subjects.Settings{TTL: 6 * time.Second}, Clients: 4, Hours: b.N, Trials: 0,
		Store: StoreModel{Watch: true, ConflictReturnsCurrent: true}, Profile: Profiles()[1].Profile,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(p.Virtual.Hours()/b.Elapsed().Seconds(), "virtual-hours/s")
}
