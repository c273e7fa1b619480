package figures

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lockproof/lockproof/internal/plain"
)

// table writes what a comment asks for.
func (d *document) table(directive string) (string, error) {
	words := strings.Fields(directive)
	if len(words) != 2 || words[1] != "peers" {
		return "", errors.New("not of the form FILE peers")
	}
	v, err := d.decoded(words[0])
	if err != nil {
		return "", err
	}
	return peers(v)
}

// peers are the ratios of a comparison: a line for each lock and its settings, a
// column for each measure. Where there is no ratio it says why, or gives the time.
func peers(v any) (string, error) {
	cells, err := pick(v, "cells")
	list, ok := cells.([]any)
	if err != nil || !ok {
		return "", errors.New("not a comparison")
	}
	var rows, measures []string
	entries := make(map[string]string)
	for _, cell := range list {
		label := func(key string) string {
			s, _ := pick(cell, "labels["+key+"].value")
			text, _ := s.(string)
			return text
		}
		name, measure := label("lock"), label("measure")
		if name == "" || measure == "" {
			return "", errors.New("a cell of a comparison names no lock or no measure")
		}
		if name == "lockproof" {
			continue
		}
		row := name + ", " + label("settings")
		if !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
		if !slices.Contains(measures, measure) {
			measures = append(measures, measure)
		}
		entries[row+"|"+measure] = against(cell)
	}
	var b strings.Builder
	b.WriteString("| |")
	for _, m := range measures {
		fmt.Fprintf(&b, " %s |", m)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(measures)) + "\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s |", row)
		for _, m := range measures {
			e := entries[row+"|"+m]
			if e == "" {
				e = "-"
			}
			fmt.Fprintf(&b, " %s |", e)
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

// against is the first ratio of a cell; a lock that two held at once has none
// worth reading.
func against(cell any) string {
	fields, _ := cell.(map[string]any)
	metrics, _ := fields["metrics"].([]any)
	for _, m := range metrics {
		metric, _ := m.(map[string]any)
		if n, _ := metric["value"].(float64); metric["name"] == "held by two" && n > 0 {
			return "held by two at once"
		}
	}
	var measured string
	for _, m := range metrics {
		metric, _ := m.(map[string]any)
		name, _ := metric["name"].(string)
		if strings.HasPrefix(name, "lockproof/peer") {
			text, err := written(m, "number")
			if err != nil {
				return ""
			}
			return text
		}
		if n, ok := metric["value"].(float64); ok && measured == "" && metric["unit"] == "ns" {
			write, _ := writer("time")
			measured = "it takes " + write(n)
		}
	}
	return plain.Line(measured)
}
