//go:build linux || darwin || freebsd

package file_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/file"
	"github.com/lockproof/lockproof/lock"
)

// Children are this test binary again, told by the environment what to do.
const (
	jobEnv = "LOCKPROOF_FILE_TEST_JOB"
	dirEnv = "LOCKPROOF_FILE_TEST_DIR"
)

func runChild(job string) int {
	name, argument, _ := strings.Cut(job, " ")
	dir := os.Getenv(dirEnv)
	var err error
	switch name {
	case "increment":
		var times int
		if times, err = strconv.Atoi(argument); err == nil {
			err = childIncrements(dir, times)
		}
	case "hold":
		err = childHolds(dir)
	case "crash":
		err = file.ChildCrashes(dir, argument)
	case "small-files":
		err = childWritesTooMuch(dir)
	default:
		err = fmt.Errorf("no job %q", job)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// childIncrements adds one to the counter that often, or for ever if times is
// 0, and prints each value that was acknowledged.
func childIncrements(dir string, times int) error {
	store, err := file.Open(dir, file.Config{AllowVolatile: true, NoWatch: true})
	if err != nil {
		return err
	}
	defer store.Close()
	ctx := context.Background()
	for done := 0; times == 0 || done < times; {
		record, err := store.Get(ctx, "counter")
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(record.Value)))
		if err != nil {
			return err
		}
		_, err = store.CompareAndSwap(ctx, "counter", record.Revision, padded(n+1))
		if errors.Is(err, lock.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Println(n + 1); err != nil {
			return err
		}
		done++
	}
	return nil
}

// padded makes a value of several pages, so that a write takes its time.
func padded(n int) []byte { return fmt.Appendf(nil, "%20000d", n) }

func childHolds(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, ".lockproof-lock"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	fmt.Println("held")
	_, err = bufio.NewReader(os.Stdin).ReadByte() // until the parent ends
	return err
}

// child is a process that ends with the test.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	ended bool
}

func start(t *testing.T, job, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), jobEnv+"="+job, dirEnv+"="+dir, "GORACE=halt_on_error=1")
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // closed as the parent ends
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, lines: bufio.NewScanner(out)}
	t.Cleanup(func() {
		if !c.ended {
			c.kill(t)
		}
	})
	return c
}

func (c *child) expect(t *testing.T, line string) {
	t.Helper()
	if !c.lines.Scan() || c.lines.Text() != line {
		t.Fatalf("the child said %q, want %q (%v)", c.lines.Text(), line, c.lines.Err())
	}
}

// kill kills the process, as kill -9 does, and returns what it had said before.
func (c *child) kill(t *testing.T) (said []string) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	said, _ = c.wait()
	return said
}

// wait returns the rest of what the process says, and how it ended.
func (c *child) wait() (said []string, err error) {
	for c.lines.Scan() {
		said = append(said, c.lines.Text())
	}
	c.ended = true
	return said, c.cmd.Wait()
}

func newCounter(t *testing.T) (string, *file.Store) {
	t.Helper()
	dir := t.TempDir()
	store := open(t, dir, file.Config{})
	if _, err := store.Put(t.Context(), "counter", padded(0)); err != nil {
		t.Fatal(err)
	}
	return dir, store
}

func count(t *testing.T, store *file.Store) int {
	t.Helper()
	record, err := store.Get(t.Context(), "counter")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(record.Value)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTwoProcessesLoseNoUpdate(t *testing.T) {
	dir, store := newCounter(t)
	const times = 50
	children := []*child{start(t, "increment "+strconv.Itoa(times), dir), start(t, "increment "+strconv.Itoa(times), dir)}
	acknowledged := make(map[string]bool)
	for _, c := range children {
		said, err := c.wait()
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range said {
			if acknowledged[line] {
				t.Errorf("value %s was acknowledged twice", line)
			}
			acknowledged[line] = true
		}
	}
	if n := count(t, store); n != 2*times || len(acknowledged) != n {
		t.Errorf("the counter says %d after %d increments, %d acknowledged", n, 2*times, len(acknowledged))
	}
}

// moment returns somewhere within a write.
func moment(t *testing.T, kind int, random *rand.Rand, dir string, store *file.Store) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	switch kind {
	case 0: // soon after the last
		for range random.IntN(2000) {
			runtime.Gosched()
		}
	case 1: // while a temporary file is there
		for found := 0; found == 0 && time.Now().Before(deadline); {
			temp, _ := filepath.Glob(filepath.Join(dir, ".lockproof-temp-*"))
			found = len(temp)
		}
	case 2: // just after a rename, before the write is acknowledged
		for before := count(t, store); count(t, store) == before && time.Now().Before(deadline); {
			runtime.Gosched()
		}
	}
}

// Two processes increment; one is killed and replaced again and again. Each
// kill may leave one increment that was not acknowledged, and nothing else.
func TestKilledWritersLoseNothing(t *testing.T) {
	dir, store := newCounter(t)
	kills := 40
	if testing.Short() {
		kills = 8
	}
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	steady := start(t, "increment 0", dir)
	acknowledged := make(map[string]bool)
	note := func(lines ...string) {
		for _, line := range lines {
			if acknowledged[line] {
				t.Errorf("value %s was acknowledged twice: an update was lost", line)
			}
			acknowledged[line] = true
		}
	}
	for round := range kills {
		victim := start(t, "increment 0", dir)
		for range 1 + random.IntN(3) {
			if !victim.lines.Scan() {
				t.Fatal("the child ended by itself")
			}
			note(victim.lines.Text())
		}
		moment(t, random.IntN(3), random, dir, store)
		note(victim.kill(t)...)
		if round == kills/2 { // from here on the victim is alone
			note(steady.kill(t)...)
		}
		count(t, store) // no torn record
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := store.Put(ctx, "other", nil); err != nil {
			t.Fatal("after a kill the lock is not free:", err)
		}
		cancel()
	}
	n := count(t, store)
	if unacknowledged := n - len(acknowledged); unacknowledged < 0 || unacknowledged > kills+1 {
		t.Errorf("the counter says %d; %d increments were acknowledged and %d writers killed", n, len(acknowledged), kills+1)
	}
	t.Logf("%d kills; %d increments were acknowledged and %d were not", kills+1, len(acknowledged), n-len(acknowledged))
	open(t, dir, file.Config{})
	if temp, _ := filepath.Glob(filepath.Join(dir, ".lockproof-temp-*")); len(temp) != 0 {
		t.Errorf("opening left %v behind", temp)
	}
}
