// Package mutant is what mutated code asks which of its mutants it is. Only the
// files that package schemata writes import it, and the program that judges them;
// they exist for one build and are never part of what users get.
//
// A binary holds every mutant of a package at once. The environment variable
// LOCKPROOF_MUTANT names, by number, the one that this process is; without it the
// process behaves as the original. With LOCKPROOF_MUTANT_TRACE it notes which
// mutants would have made a difference: those whose place was come by, and of
// those whose value can be computed beside the original's, those where it
// differs. The variable names a file to which each is added as soon as it is
// known; with a dash, Noted returns them.
//
// With LOCKPROOF_MUTANT_SECONDS the system kills the process when it has used that
// much processor time: most mutants that hang are busy at it. (A goroutine that
// watched it would be a leak to tests that look for one.)
package mutant

import (
	"os"
	"strconv"
	"sync/atomic"
)

// The environment variables.
const (
	Variable      = "LOCKPROOF_MUTANT"
	TraceVariable = "LOCKPROOF_MUTANT_TRACE"
	LimitVariable = "LOCKPROOF_MUTANT_SECONDS"
)

// InMemory is the value of TraceVariable with which no file is written.
const InMemory = "-"

// Most is how many mutants there can be.
const Most = 1 << 14

// Tracing reports whether this process takes notes.
var Tracing = os.Getenv(TraceVariable) != ""

var (
	on   = number()
	seen [Most]atomic.Bool
)

func init() {
	limit, err := strconv.ParseUint(os.Getenv(LimitVariable), 10, 32)
	if err != nil || on == 0 {
		return
	}
	if err := limitProcessor(limit); err != nil {
		panic(err)
	}
}

// Is reports whether this process is mutant n, and notes that it was asked.
func Is(n int) bool {
	if Tracing {
		note(n)
	}
	return n == on
}

// On reports whether this process is mutant n. It is asked where Compare tells
// whether that makes a difference.
func On(n int) bool { return n == on }

// Compare notes whether mutant n differs here. To compute it may be what the
// original was careful not to do; then it surely differs.
func Compare(n int, differs func() bool) {
	if seen[n].Load() {
		return
	}
	defer func() {
		if recover() != nil {
			note(n)
		}
	}()
	if differs() {
		note(n)
	}
}

func note(n int) {
	if seen[n].Load() || seen[n].Swap(true) {
		return
	}
	path := os.Getenv(TraceVariable)
	if path == InMemory {
		return
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = out.WriteString(strconv.Itoa(n) + "\n")
		_ = out.Close() // the write is what counts
	}
	if err != nil {
		panic(err)
	}
}

// Noted returns what was noted since it was last called.
func Noted() []int {
	var noted []int
	for n := range seen {
		if seen[n].Swap(false) {
			noted = append(noted, n)
		}
	}
	return noted
}

func number() int {
	text := os.Getenv(Variable)
	if text == "" {
		return 0 // mutants count from 1
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(Variable + " is no number: " + text)
	}
	return n
}
