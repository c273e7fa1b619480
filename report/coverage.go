package report

import (
	"time"

	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

// coverageFacts are the counts of a coverage in words, those first that a run
// must not be without.
func coverageFacts(c *lin.Coverage) []fact {
	return []fact{
		{"acquires", plain.Count(int64(c.Acquires))}, {"grants", plain.Count(int64(c.Grants))},
		{"contended", plain.Count(int64(c.Contended))}, {"not granted", plain.Count(int64(c.Failed))},
		{"expired", plain.Count(int64(c.Expired))}, {"takeovers", plain.Count(int64(c.Takeovers))},
		{"told of a loss", plain.Count(int64(c.Lost))}, {"indefinite", plain.Count(int64(c.Indefinite))},
		{"crashes", plain.Count(int64(c.Crashes))}, {"hand-offs", plain.Count(int64(c.Handoffs))},
		{"renewals", plain.Count(int64(c.Renews))}, {"releases", plain.Count(int64(c.Releases))},
		{"accesses", plain.Count(int64(c.Accesses))}, {"rejected", plain.Count(int64(c.Rejected))},
	}
}

// latencyRows are the quantiles of each latency that was measured at all, and
// failover also in multiples of the ttl.
func latencyRows(c *lin.Coverage, ttl time.Duration) []quantileRow {
	var rows []quantileRow
	add := func(name string, q Quantiles, write func(time.Duration) string) {
		if q.Count > 0 {
			rows = append(rows, quantileRow{name, []string{plain.Count(int64(q.Count)), write(q.P50), write(q.P90), write(q.P99), write(q.Max)}})
		}
	}
	add("acquire, uncontended, healed", QuantilesOf(c.Calm), plain.Duration)
	add("acquire, uncontended", QuantilesOf(c.Uncontended), plain.Duration)
	add("acquire, contended", QuantilesOf(c.ContendedWait), plain.Duration)
	add("hand-off", QuantilesOf(c.Handoff), plain.Duration)
	failover := QuantilesOf(c.Failover)
	add("failover", failover, plain.Duration)
	if ttl > 0 {
		add("failover / ttl", failover, func(d time.Duration) string { return ratio(d, ttl) })
	}
	return rows
}

// ratio is d in multiples of the ttl, with two decimals.
func ratio(d, ttl time.Duration) string {
	hundredths := int64(d/ttl)*100 + (int64(d%ttl)*100+int64(ttl)/2)/int64(ttl)
	whole, rest := hundredths/100, hundredths%100
	return plain.Count(whole) + "." + string(rune('0'+rest/10)) + string(rune('0'+rest%10))
}
