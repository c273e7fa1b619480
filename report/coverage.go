package report

import (
	"time"

	lin "github.com/lockproof/lockproof/linearizability"
)

// coverageFacts are the counts of a coverage in words, those first that a run
// must not be without.
func coverageFacts(c *lin.Coverage) []fact {
	return []fact{
		{"acquires", grouped(int64(c.Acquires))}, {"grants", grouped(int64(c.Grants))},
		{"contended", grouped(int64(c.Contended))}, {"not granted", grouped(int64(c.Failed))},
		{"expired", grouped(int64(c.Expired))}, {"takeovers", grouped(int64(c.Takeovers))},
		{"told of a loss", grouped(int64(c.Lost))}, {"indefinite", grouped(int64(c.Indefinite))},
		{"crashes", grouped(int64(c.Crashes))}, {"hand-offs", grouped(int64(c.Handoffs))},
		{"renewals", grouped(int64(c.Renews))}, {"releases", grouped(int64(c.Releases))},
		{"accesses", grouped(int64(c.Accesses))}, {"rejected", grouped(int64(c.Rejected))},
	}
}

// latencyRows are the quantiles of each latency that was measured at all, and
// failover also in multiples of the ttl.
func latencyRows(c *lin.Coverage, ttl time.Duration) []quantileRow {
	var rows []quantileRow
	add := func(name string, q Quantiles, write func(time.Duration) string) {
		if q.Count > 0 {
			rows = append(rows, quantileRow{name, []string{grouped(int64(q.Count)), write(q.P50), write(q.P90), write(q.P99), write(q.Max)}})
		}
	}
	add("acquire, uncontended, healed", QuantilesOf(c.Calm), roundedDuration)
	add("acquire, uncontended", QuantilesOf(c.Uncontended), roundedDuration)
	add("acquire, contended", QuantilesOf(c.ContendedWait), roundedDuration)
	add("hand-off", QuantilesOf(c.Handoff), roundedDuration)
	failover := QuantilesOf(c.Failover)
	add("failover", failover, roundedDuration)
	if ttl > 0 {
		add("failover / ttl", failover, func(d time.Duration) string { return ratio(d, ttl) })
	}
	return rows
}

// ratio is d in multiples of the ttl, with two decimals.
func ratio(d, ttl time.Duration) string {
	hundredths := int64(d/ttl)*100 + (int64(d%ttl)*100+int64(ttl)/2)/int64(ttl)
	whole, rest := hundredths/100, hundredths%100
	return grouped(whole) + "." + string(rune('0'+rest/10)) + string(rune('0'+rest%10))
}
