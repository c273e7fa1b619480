// Command sample is mutated by the tests of package schemata: each of its lines
// shows what one kind of mutant does.
package main

import (
	"errors"
	"fmt"
	"time"
)

const limit = 3

type kind int

const (
	first kind = iota
	second
)

type pair struct {
	n    int
	name string
}

var errOdd = errors.New("odd")

func edge(n int) bool {
	if n < limit {
		return true
	}
	return false
}

func both(a, b bool) bool { return a && b }

func sum(numbers []int) (total int) {
	for _, n := range numbers {
		if n == 0 {
			continue
		}
		total += n
	}
	return total
}

func even(n int) error {
	if n%2 == 0 {
		return nil
	}
	return errOdd
}

func named(k kind) string {
	switch k {
	case first:
		return "first"
	case second:
		return "second"
	}
	return ""
}

func deferred() (text string) {
	defer func() { text += "!" }()
	return "text"
}

func guarded(p *pair) bool { return p != nil && p.n == 1 }

func main() {
	p := pair{n: limit + len("x"), name: "x"}
	fmt.Println(edge(2), edge(3), both(true, false), sum([]int{1, 0, 2}), even(3), named(second), deferred(),
		p.n, max(1, p.n), guarded(nil), -1, time.Duration(2)*time.Second)
}
