package subjects

import (
	"fmt"
	"strings"
)

// ReferenceName is the name of the lock that this project offers.
const ReferenceName = "reference"

// All returns every subject: the reference lock, the published protocols, the
// mutants.
func All() []Subject {
	all := []Subject{Reference(), NATSLock()}
	return append(all, mutants()...)
}

// Find returns the subject of that name.
func Find(name string) (Subject, error) {
	var names []string
	for _, s := range All() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Subject{}, fmt.Errorf("unknown subject %q; there are %s", name, strings.Join(names, ", "))
}
