package redispeer

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the process when its parent ends.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
