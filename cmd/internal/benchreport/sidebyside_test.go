package benchreport

import (
	"io"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

func TestLocksStandSideBySide(t *testing.T) {
	cell := func(lock string, metrics ...bench.Metric) bench.Cell {
		return bench.Cell{
			Name: "etcd/uncontended/lock=" + lock, Metrics: metrics, Notes: []string{"a remark", "not measured: no such lease"},
			Labels: []bench.Label{{Key: "server", Value: "etcd"}, {Key: "measure", Value: "uncontended"}, {Key: "lock", Value: lock}, {Key: "settings", Value: "same"}, {Key: "ttl", Value: "3s"}},
		}
	}
	r := &bench.Result{Schema: bench.Schema, Kind: bench.Compare, Cells: []bench.Cell{
		cell("lockproof", bench.Metric{Name: "acquire", Unit: "ns", Value: 400_000}),
		cell("etcd-mutex", bench.Metric{Name: "acquire", Unit: "ns", Value: 500_000}, bench.Metric{Name: "held by two", Unit: "times", Value: 0},
			bench.Metric{Name: "lockproof/peer acquire", Unit: "x", Value: 0.8, Low: 0.7, High: 0.9}),
		cell("other"),
	}}
	var b strings.Builder
	if err := Terminal(&b, r, 100); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"etcd, uncontended", "400µs", "500µs", "0.8x", "0.7x–0.9x", "held by two 0", "not measured: no such lease"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	r.Cells[0].Labels = nil
	if sideBySide(r) != nil {
		t.Error("a result with other labels was taken for one of the peers")
	}
}

// A comparison has a table for each server and measure. Its charts are of all of
// them, and stood over each.
func TestTheChartsOfAComparisonStandOnce(t *testing.T) {
	r := &bench.Result{Kind: bench.Compare}
	for _, server := range []string{"nats", "etcd"} {
		for _, lock := range []string{"ours", "theirs"} {
			r.Cells = append(r.Cells, bench.Cell{
				Name: server + "/uncontended/lock=" + lock,
				Labels: []bench.Label{{Key: labelServer, Value: server}, {Key: labelMeasure, Value: "uncontended"}, {Key: labelLock, Value: lock},
					{Key: "renew", Value: "666.666666ms"}, {Key: "module", Value: "example.com/" + server + "/" + lock}},
				Metrics: []bench.Metric{{Name: "acquire", Unit: "ns", Value: 1000, Low: 900, High: 1100}},
			})
		}
	}
	page := written(t, func(w io.Writer) error { return HTML(w, r) })
	if n := strings.Count(page, `id="chart-1-figures"`); n != 1 {
		t.Errorf("the chart of figures stands %d times", n)
	}
	if !strings.Contains(page, `"rows":["nats, ours","nats, theirs","etcd, ours","etcd, theirs"]`) {
		t.Error("the rows of a chart have more than what tells them apart")
	}
	if strings.Contains(page, "666.666") || !strings.Contains(page, "667ms") {
		t.Error("a length of time has more digits than anybody reads")
	}
}
