package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/lockproof/lockproof/internal/plain"
)

// columns is a table that keeps to the width of a terminal: one of its columns,
// the one with sentences, is wrapped to what the others leave.
type columns struct {
	header  []string
	wrapped int
	rows    [][]string
}

const (
	tableWidth = 80
	tableGap   = 2
)

func (c *columns) add(cells ...string) { c.rows = append(c.rows, cells) }

func (c *columns) print(w io.Writer) error {
	widths := make([]int, len(c.header))
	left := tableWidth - tableGap*(len(c.header)-1)
	for i := range widths {
		if i == c.wrapped {
			continue
		}
		for _, row := range append([][]string{c.header}, c.rows...) {
			widths[i] = max(widths[i], plain.Columns(row[i]))
		}
		left -= widths[i]
	}
	widths[c.wrapped] = left
	var b strings.Builder
	for _, row := range append([][]string{c.header}, c.rows...) {
		c.row(&b, row, widths)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// row writes a row in as many lines as its sentence needs.
func (c *columns) row(b *strings.Builder, row []string, widths []int) {
	for n, part := range strings.Split(plain.Wrap(plain.Line(row[c.wrapped]), widths[c.wrapped]), "\n") {
		line := ""
		for i, cell := range row {
			switch {
			case i == c.wrapped:
				cell = part
			case n > 0:
				cell = ""
			}
			line += cell + strings.Repeat(" ", max(0, widths[i]-plain.Columns(cell))+tableGap)
		}
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
}
