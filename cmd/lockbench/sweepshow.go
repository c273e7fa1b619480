package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/internal/plain"
)

// showSweep prints a sweep as a table, with the advice at its end.
func showSweep(w io.Writer, r *bench.Result) error {
	for _, note := range r.Notes {
		fmt.Fprintln(w, note)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "profile\tclients\tttl\trenew\t\tfailover p50\tp99\t\tfalse failovers\tat most (95 %)\ttwice as often\ttwice as long\trequests/h\tfront")
	slowest := 1.0
	for _, c := range r.Cells {
		slowest = max(slowest, valueOf(c, bench.FailoverP99Name))
	}
	for _, c := range r.Cells {
		falses, most, oftener, longer, front := "", "", "", "", ""
		if m, ok := c.Metric(bench.FalseFailoversName); ok {
			falses, most = bench.Rate(m.Value).String(), bench.Rate(m.High).String()
			oftener = bench.Rate(valueOf(c, bench.TwiceAsOftenName)).String()
			longer = bench.Rate(valueOf(c, bench.TwiceAsLongName)).String()
		}
		if valueOf(c, bench.OnFrontName) > 0 {
			front = "*"
		}
		p99 := valueOf(c, bench.FailoverP99Name)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f\t%s\n",
			c.Label("profile"), c.Label("clients"), c.Label("ttl"), period(c.Label("renew")), c.Label("source"),
			median(c), short(int64(p99)), strings.Repeat("█", int(12*p99/slowest)),
			falses, most, oftener, longer, valueOf(c, bench.RequestsName), front)
	}
	fmt.Fprintln(t)
	showCosts(t, r)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, r.Advice)
	return err
}

// valueOf is a metric's value, or 0.
func valueOf(c bench.Cell, name string) float64 {
	m, _ := c.Metric(name)
	return m.Value
}

func median(c bench.Cell) string {
	d, _ := c.Distribution(bench.FailoverName)
	q, _ := d.Quantile(0.5)
	return short(q.Value)
}

// showCosts prints what a store that bills requests would bill, if it is one.
func showCosts(w io.Writer, r *bench.Result) {
	head := false
	for _, c := range r.Cells {
		write, billed := c.Metric(bench.WriteUnitsName)
		if !billed {
			continue
		}
		if !head {
			head = true
			fmt.Fprintln(w, "cell\twrite units/h\tread units/h\tone lock a month")
		}
		cost := "no price was given"
		if m, ok := c.Metric(bench.CostName); ok {
			cost = fmt.Sprintf("%.4f %s", m.Value, m.Unit)
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%s\n", c.Name, write.Value, valueOf(c, bench.ReadUnitsName), cost)
	}
	if head {
		fmt.Fprintln(w)
	}
}

// short is a duration of nanoseconds to three digits or so.
func short(ns int64) string { return plain.Duration(time.Duration(ns)) }

// period is a label that is a duration, to three digits or so.
func period(label string) string {
	d, err := time.ParseDuration(label)
	if err != nil {
		return label
	}
	return plain.Duration(d)
}
