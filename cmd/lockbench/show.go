package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/lockproof/lockproof/bench"
)

// show prints a result.
func show(w io.Writer, r *bench.Result) error {
	if r.Kind == bench.Sweep {
		return showSweep(w, r)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, note)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range r.Cells {
		fmt.Fprintf(t, "\n%s\n", c.Name)
		for _, d := range c.Distributions {
			fmt.Fprintf(t, "  %s\tn %d", d.Name, d.Count)
			for _, q := range d.Quantiles {
				fmt.Fprintf(t, "\tp%g %s", 100*q.Share, short(q.Value))
			}
			fmt.Fprintf(t, "\tmax %s\n", short(d.Max))
		}
		for _, m := range c.Metrics {
			fmt.Fprintf(t, "  %s\t%.4g %s", m.Name, m.Value, m.Unit)
			if m.High != 0 {
				fmt.Fprintf(t, "\t[%.4g, %.4g]", m.Low, m.High)
			}
			fmt.Fprintln(t)
		}
		for _, note := range c.Notes {
			fmt.Fprintln(t, "  note:", note)
		}
	}
	return t.Flush()
}

// short is a duration of nanoseconds to three digits or so.
func short(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d >= time.Second:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	if d >= 10*time.Microsecond {
		return d.Round(100 * time.Nanosecond).String()
	}
	return d.String()
}
