package report

import (
	"reflect"
	"strings"
	"time"
	"unicode"

	lin "github.com/lockproof/lockproof/linearizability"
)

// counter is one count of a coverage, sample one set of its latencies. Key is the
// name in JSON ("hand_off"), Words the name for people ("hand off").
type counter struct {
	Key, Words string
	N          int64
}

type sample struct {
	Key, Words string
	Q          Quantiles
}

// coverageParts takes a coverage apart: its counts and its latencies, in the
// order in which it declares them. What is counted is decided where histories
// are judged; a count that is added there is reported without a change here.
func coverageParts(c *lin.Coverage) (counters []counter, samples []sample) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		key := snake(field.Name)
		words := strings.ReplaceAll(key, "_", " ")
		switch value := v.Field(i).Interface().(type) {
		case int:
			counters = append(counters, counter{key, words, int64(value)})
		case int64:
			counters = append(counters, counter{key, words, value})
		case []time.Duration:
			samples = append(samples, sample{key, words, QuantilesOf(value)})
		}
	}
	return counters, samples
}

// snake turns "HandOff" into "hand_off".
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func coverageFacts(c *lin.Coverage) []fact {
	counters, _ := coverageParts(c)
	var facts []fact
	for _, n := range counters {
		facts = append(facts, fact{n.Words, grouped(n.N)})
	}
	return facts
}

// latencyRows are the quantiles of each latency that was measured at all; that of
// a failover also in multiples of the ttl.
func latencyRows(c *lin.Coverage, ttl time.Duration) []quantileRow {
	_, samples := coverageParts(c)
	var rows []quantileRow
	for _, s := range samples {
		if s.Q.Count == 0 {
			continue
		}
		rows = append(rows, quantileRow{s.Words, s.Q.cells(roundedDuration)})
		if s.isFailover() && ttl > 0 {
			rows = append(rows, quantileRow{s.Words + " / ttl", s.Q.cells(func(d time.Duration) string { return ratio(d, ttl) })})
		}
	}
	return rows
}

func (s *sample) isFailover() bool { return strings.Contains(s.Key, "failover") }

func (q Quantiles) cells(write func(time.Duration) string) []string {
	return []string{grouped(int64(q.Count)), write(q.P50), write(q.P90), write(q.P99), write(q.Max)}
}

// ratio is d in multiples of the ttl, with two decimals.
func ratio(d, ttl time.Duration) string {
	hundredths := int64(d)/int64(ttl)*100 + (int64(d)%int64(ttl)*100+int64(ttl)/2)/int64(ttl)
	return fixed(hundredths)
}

func fixed(hundredths int64) string {
	whole, rest := hundredths/100, hundredths%100
	return grouped(whole) + "." + string(rune('0'+rest/10)) + string(rune('0'+rest%10))
}
