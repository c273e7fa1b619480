package harness

import (
	"fmt"
	"slices"
	"strings"
)

// Backends lists the worlds that a scenario can run in.
func Backends() []string { return []string{BackendSim, "memory", "nats"} }

// CheckBackend says what there is if name is not among it.
func CheckBackend(name string) error {
	if slices.Contains(Backends(), name) {
		return nil
	}
	return fmt.Errorf("unknown backend %q; there are %s", name, strings.Join(Backends(), ", "))
}
