package servers

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// childOutputKept is how many bytes of a child's latest output are kept for
// error messages.
const childOutputKept = 8 << 10

// childGrace is how long after a child's end its output may still be read.
const childGrace = 2 * time.Second

// child is a process that ends with this one, even if this one is killed with
// signal 9: its standard input is a pipe that the kernel then closes, which the
// child must watch for, and on Linux the kernel kills it besides.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *childOutput
	done  chan struct{} // closed when the process is gone and its output read
	err   error         // how it ended; valid once done is closed
}

// startChild starts cmd, whose standard streams it sets. The goroutine that it
// starts ends when the process does.
func startChild(cmd *exec.Cmd) (*child, error) {
	dieWithParent(cmd)
	return startTidyChild(cmd)
}

// startTidyChild is startChild for a process that must not be killed with this
// one, since it has something to put in order first. It ends by itself when its
// standard input is closed.
func startTidyChild(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, out: &childOutput{}, done: make(chan struct{})}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	c.stdin = stdin
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = c.out, c.out, childGrace
	started := make(chan error)
	go c.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// run keeps the thread that starts the process to itself until the process has
// ended: Linux sends the signal of a parent's death when the thread that forked
// dies, and the Go runtime ends threads as it likes.
func (c *child) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	c.err = c.cmd.Wait()
	close(c.done)
}

// stop kills the process and waits until it is gone. It may be called more than
// once.
func (c *child) stop() {
	_ = c.cmd.Process.Kill()
	_ = c.stdin.Close()
	<-c.done
}

// leave says something to the process, closes its standard input and waits until
// it is gone; one that takes longer than patience is killed.
func (c *child) leave(say string, patience time.Duration) {
	_, _ = io.WriteString(c.stdin, say) // it may be gone already
	_ = c.stdin.Close()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		c.stop()
	}
}

// ended returns how the process ended, with what it said last, or nil if it
// runs.
func (c *child) ended() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	err := c.err
	if err == nil {
		err = errors.New("it ended by itself")
	}
	return fmt.Errorf("%w; it said:\n%s", err, c.out)
}

// childOutput keeps the end of what a process writes.
type childOutput struct {
	mu   sync.Mutex
	kept []byte
}

func (o *childOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, p...)
	if over := len(o.kept) - childOutputKept; over > 0 {
		o.kept = append(o.kept[:0], o.kept[over:]...)
	}
	return len(p), nil
}

func (o *childOutput) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.kept))
}

// after returns the rest of the first complete line that starts with prefix.
func (o *childOutput) after(prefix string) (rest string, found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range strings.Lines(string(o.kept)) {
		if rest, found := strings.CutPrefix(line, prefix); found && strings.HasSuffix(rest, "\n") {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}
