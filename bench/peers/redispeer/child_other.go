//go:build !linux

package redispeer

import "os/exec"

// dieWithParent does nothing: a redis-server outlives a parent that is killed.
func dieWithParent(*exec.Cmd) {}
