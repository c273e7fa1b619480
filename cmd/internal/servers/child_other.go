//go:build !linux

package servers

import "os/exec"

// dieWithParent does nothing here: the child watches its standard input.
func dieWithParent(*exec.Cmd) {}
