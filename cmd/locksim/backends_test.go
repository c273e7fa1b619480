package main

import (
	"strings"
	"testing"

	"github.com/lockproof/lockproof/harness"
)

func TestBackendsAreDescribed(t *testing.T) {
	for _, name := range backends() {
		if describeBackend(name) == "" || checkBackend(name) != nil {
			t.Errorf("%s: %q, %v", name, describeBackend(name), checkBackend(name))
		}
	}
	if describeBackend("paper") != "" || checkBackend("paper") == nil {
		t.Error("there is a backend of paper")
	}
}

// A scenario may name what no command knows; then it says what there is.
func TestAnUnknownNameIsAnsweredWithThoseThereAre(t *testing.T) {
	for _, c := range []struct {
		s    harness.Scenario
		want []string
	}{
		{harness.Scenario{Subject: "nobody", Backend: "sim"}, []string{"nobody", "reference", "natslock"}},
		{harness.Scenario{Subject: "reference", Backend: "paper"}, []string{"paper", "sim", "memory", "nats"}},
	} {
		_, err := known(c.s)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s on %s: %v does not name %s", c.s.Subject, c.s.Backend, err, want)
			}
		}
	}
}
