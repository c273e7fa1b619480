package benchreport_test

import (
	"fmt"
	"os"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/cmd/internal/benchreport"
)

func ExampleTerminal() {
	r := &bench.Result{
		Schema: bench.Schema, Kind: bench.Acquire, Command: "lockbench acquire",
		Date:    time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC),
		Machine: bench.Machine{OS: "linux", Arch: "amd64", Cores: 2, Go: "go1.26"},
		Cells: []bench.Cell{{
			Name:    "memory/uncontended",
			Labels:  []bench.Label{{Key: "server", Value: "none"}},
			Metrics: []bench.Metric{{Name: "acquire/CAS", Unit: "x", Value: 1.04, Low: 1.02, High: 1.07, Better: bench.LowerIsBetter}},
		}},
	}
	if err := benchreport.Terminal(os.Stdout, r, 100); err != nil {
		fmt.Println(err)
	}
	// Output:
	// What an acquire costs
	//   server   none
	//   cells    1
	//   command  lockbench acquire
	//   machine  2 cores, linux/amd64, go1.26
	//   date     2026-11-20 09:30 UTC
	//
	// Figures
	//  cell                acquire/CAS ↓
	// ───────────────────────────────────
	//  memory/uncontended          1.04x
	//                        1.02x–1.07x
	//
	// ↓ lower is better, ↑ higher is better; under a value, where it lies with 95 % confidence.
}
