package benchreport

import (
	"strings"
	"testing"

	"github.com/lockproof/lockproof/bench"
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
