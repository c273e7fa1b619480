package plain

import (
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// Line makes text that came from a history, a file or a server safe for a
// terminal and keeps it on one line: control characters, escape sequences among
// them, are replaced, and so is what would reorder the text around it.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0 || bidi(r):
			return '\uFFFD'
		}
		return r
	}, s)
}

// bidi tells whether r would reorder the text around it.
func bidi(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f
}

// Columns is how many columns of a terminal text takes.
func Columns(s string) int { return (&runewidth.Condition{}).StringWidth(s) }

// cut is as much of the start of a word as fits, and at least one rune of it.
func cut(word string, width int) string {
	head := (&runewidth.Condition{}).Truncate(word, width, "")
	if head == "" {
		_, n := utf8.DecodeRuneInString(word)
		head = word[:n]
	}
	return head
}

// Wrap breaks text between words, and a word only if it is wider than a line.
func Wrap(s string, width int) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		for Columns(word) > width {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			head := cut(word, width)
			lines, word = append(lines, head), word[len(head):]
		}
		switch {
		case line == "":
			line = word
		case Columns(line)+1+Columns(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return strings.Join(append(lines, line), "\n")
}
