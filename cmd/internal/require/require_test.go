package require

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

type missing bool

func (m missing) Error() string { return "start it like this" }
func (m missing) Missing() bool { return bool(m) }

func TestMissingServersSkipUnlessRequired(t *testing.T) {
	for _, c := range []struct {
		name     string
		variable string
		err      error
		skip     bool
		says     string
	}{
		{"missing", "", missing(true), true, "start it like this"},
		{"missing, wrapped", "", fmt.Errorf("open: %w", missing(true)), true, "start it like this"},
		{"missing, another is required", "nats,dynamodb2", missing(true), true, "start it like this"},
		{"missing and required", "nats, dynamodb", missing(true), false, "LOCKPROOF_REQUIRE contains dynamodb: start it like this"},
		{"broken", "", errors.New("port in use"), false, "port in use"},
		{"says that it is not missing", "", missing(false), false, "start it like this"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(variable, c.variable)
			skip, text := decide("dynamodb", c.err)
			if skip != c.skip || !strings.Contains(text, c.says) {
				t.Fatalf("skip %v, %q; want skip %v, %q", skip, text, c.skip, c.says)
			}
		})
	}
}

func TestNoErrorGoesOn(t *testing.T) {
	Server(t, "dynamodb", nil)
}
