package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
)

// The classes of explained.txt.
const (
	// equivalent: nothing that anybody could see is different.
	equivalent = "equivalent"
	// accepted: something is different, and nothing that was promised.
	accepted = "accepted"
)

// explanation says of mutants why they survive. Its pattern is the name of a
// mutant in which [...] stands for anything.
type explanation struct {
	pattern, class, reason string
	line                   int
	used                   int
}

// readExplained reads explained.txt. An entry is a line with the pattern, and an
// indented one with the class and the reason:
//
//	lock/rules.go between: d <= 0 => d < 0
//		equivalent: with d = 0 the sum below is 0 too
func readExplained(path string) ([]*explanation, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []*explanation
	var waiting []*explanation // several patterns may share a reason
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		l := lines.Text()
		switch {
		case strings.TrimSpace(l) == "", strings.HasPrefix(l, "#"):
		case !strings.HasPrefix(l, "\t"):
			e := &explanation{pattern: l, line: n}
			all, waiting = append(all, e), append(waiting, e)
		default:
			class, reason, ok := strings.Cut(strings.TrimSpace(l), ": ")
			if !ok || class != equivalent && class != accepted || len(waiting) == 0 {
				return nil, fmt.Errorf("%s:%d: want a pattern, and below it a tab and %q or %q with a reason", path, n, equivalent+":", accepted+":")
			}
			for _, e := range waiting {
				e.class, e.reason = class, reason
			}
			waiting = nil
		}
	}
	if len(waiting) > 0 {
		return nil, fmt.Errorf("%s:%d: %q has no reason", path, waiting[0].line, waiting[0].pattern)
	}
	return all, lines.Err()
}

// matches compares name with a pattern. Go code is full of *, so [...] is what
// stands for anything.
func matches(pattern, name string) bool {
	return pattern == name || matchPieces(strings.Split(pattern, "[...]"), name)
}

// matchPieces: the pieces stand in name in this order, the first at its beginning
// and the last at its end.
func matchPieces(pieces []string, name string) bool {
	if len(pieces) == 1 {
		return pieces[0] == name
	}
	if !strings.HasPrefix(name, pieces[0]) {
		return false
	}
	name = name[len(pieces[0]):]
	for _, p := range pieces[1 : len(pieces)-1] {
		i := strings.Index(name, p)
		if i < 0 {
			return false
		}
		name = name[i+len(p):]
	}
	return strings.HasSuffix(name, pieces[len(pieces)-1])
}
