package servers

import "os/exec"

// This file is for what starts servers outside this package, such as the
// comparison with other lock libraries.

// Process is a child process that on Linux ends with this one, even if this one
// is killed with signal 9. Elsewhere it must watch its standard input.
type Process struct{ child *child }

// StartProcess starts cmd, whose standard streams it sets. The caller calls
// Stop.
func StartProcess(cmd *exec.Cmd) (*Process, error) {
	c, err := startChild(cmd)
	if err != nil {
		return nil, err
	}
	return &Process{child: c}, nil
}

// Ended returns how the process ended, with what it said last, or nil if it
// runs.
func (p *Process) Ended() error { return p.child.ended() }

// Stop kills the process and waits until it is gone. It may be called more than
// once.
func (p *Process) Stop() { p.child.stop() }
