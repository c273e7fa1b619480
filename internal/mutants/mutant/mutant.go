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
// With LOCKPROOF_MUTANT_SECONDS the process ends with an error when it has used
// that much processor time: most mutants that hang are busy at it.
package mutant

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// The environment variables.
const (
	Variable      = "LOCKPROOF_MUTANT"
	TraceVariable = "LOCKPROOF_MUTANT_TRACE"
	LimitVariable = "LOCKPROOF_MUTANT_SECONDS"
)

// Overdrawn is what a process says that has used up its processor time.
const Overdrawn = "panic: more processor time than was given"

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
	limit, err := strconv.ParseFloat(os.Getenv(LimitVariable), 64)
	if err == nil && on != 0 {
		go watch(time.Duration(limit * float64(time.Second)))
	}
}

// watch ends with the process.
func watch(limit time.Duration) {
	for ProcessorTime() < limit {
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, Overdrawn)
	os.Exit(2)
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
