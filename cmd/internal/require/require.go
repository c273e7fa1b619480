// Package require decides whether a test without its server is skipped or
// fails.
//
// Set LOCKPROOF_REQUIRE to the servers that must be there, separated by commas
// ("nats,dynamodb"), as CI does; a test that cannot have one of them fails.
// Without that, it is skipped and says what to start. A server that is there
// and does not work fails a test in any case.
package require

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

const variable = "LOCKPROOF_REQUIRE"

// Required reports whether LOCKPROOF_REQUIRE names the server.
func Required(server string) bool {
	for name := range strings.SplitSeq(os.Getenv(variable), ",") {
		if strings.TrimSpace(name) == server {
			return true
		}
	}
	return false
}

// Server ends the test unless err, the outcome of starting the server, is nil.
// If err says that the server is missing (it, or one that it wraps, has a
// method Missing that returns true), the test is skipped, or fails where the
// server is required; any other error fails it.
func Server(t testing.TB, server string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if skip, text := decide(server, err); skip {
		t.Skip(text)
	} else {
		t.Fatal(text)
	}
}

func decide(server string, err error) (skip bool, text string) {
	var missing interface {
		error
		Missing() bool
	}
	switch {
	case !errors.As(err, &missing) || !missing.Missing():
		return false, err.Error()
	case Required(server):
		return false, fmt.Sprintf("%s contains %s: %v", variable, server, err)
	}
	return true, err.Error()
}
