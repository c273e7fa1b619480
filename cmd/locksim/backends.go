package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/subjects"
)

// backends lists the worlds that a run can take place in.
func backends() []string {
	names := []string{harness.BackendSim}
	for _, k := range targets.All() {
		names = append(names, k.Name)
	}
	return names
}

// describeBackend is one line about a backend.
func describeBackend(name string) string {
	if name == harness.BackendSim {
		return "the deterministic simulator"
	}
	k, err := targets.Find(name)
	if err != nil {
		return ""
	}
	return k.Summary
}

// checkBackend says what there is if name is not among it.
func checkBackend(name string) error {
	if !slices.Contains(backends(), name) {
		return fmt.Errorf("unknown backend %q; there are %s", name, strings.Join(backends(), ", "))
	}
	return nil
}

// known is the lock that a scenario names, which can be run so on a backend that
// there is.
func known(s harness.Scenario) (subjects.Subject, error) {
	subject, err := subjects.Find(s.Subject)
	if err != nil {
		return subject, err
	}
	if err := checkBackend(s.Backend); err != nil {
		return subject, err
	}
	return subject, s.ValidateFor(subject)
}
