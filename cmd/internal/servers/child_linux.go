package servers

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the process when the thread that started it
// dies. Go's Start also covers a parent that died before this took effect.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
