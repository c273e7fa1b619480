package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockproof/lockproof/internal/mutants/mutant"
)

// unit is the test binary of one package.
type unit struct {
	Pkg, Dir, Path string
	Tests          []test // the fastest first
}

// test is a test of a package, how long it takes, and which mutants make a
// difference in it.
type test struct {
	Name    string
	Took    time.Duration
	Reaches map[int]bool
}

// quick tests are run together: to start a process for each would take longer.
const quick = 300 * time.Millisecond

// measure runs each test of the original alone. One that fails is an error.
func (u *unit) measure(ctx context.Context, skip *regexp.Regexp) error {
	cmd := exec.CommandContext(ctx, u.Path, "-test.list", ".")
	cmd.Dir = u.Dir
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s -test.list: %w", u.Path, err)
	}
	u.Tests = nil
	for _, name := range strings.Fields(string(out)) {
		if strings.HasPrefix(name, "Benchmark") || skip != nil && skip.MatchString(name) {
			continue
		}
		t := test{Name: name, Reaches: map[int]bool{}}
		file := u.Path + ".trace"
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := u.time(ctx, &t, file); err != nil {
			return err
		}
		if err := t.read(file); err != nil {
			return err
		}
		u.Tests = append(u.Tests, t)
	}
	slices.SortStableFunc(u.Tests, func(a, b test) int { return cmp.Compare(a.Took, b.Took) })
	return nil
}

// time runs a test of the original, and once more if it fails.
func (u *unit) time(ctx context.Context, t *test, trace string) error {
	env := append(asMutant(0), mutant.TraceVariable+"="+trace)
	for try := range 3 {
		started := time.Now()
		failed, err := u.exec(ctx, env, 10*time.Minute, t.Name)
		switch {
		case err != nil:
			return err
		case failed == "":
			t.Took = time.Since(started)
			return nil
		case try == 2:
			return fmt.Errorf("the original does not pass %s %s: %s", u.Pkg, t.Name, failed)
		}
		say("%s %s failed, and is run again: %s", u.Pkg, t.Name, failed)
	}
	return nil
}

func (t *test) read(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // it comes by none
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		t.Reaches[n] = true
	}
	return lines.Err()
}

// check runs the tests in which mutant id makes a difference, and returns which
// failed, or "".
func (u *unit) check(ctx context.Context, id int) (string, error) {
	var together []string
	var slow []test
	var took time.Duration
	for _, t := range u.Tests {
		switch {
		case !t.Reaches[id]:
		case t.Took < quick:
			together = append(together, t.Name)
			took += t.Took
		default:
			slow = append(slow, t)
		}
	}
	if failed, err := u.surely(ctx, id, took, together); err != nil || failed != "" {
		return failed, err
	}
	for _, t := range slow {
		if failed, err := u.surely(ctx, id, t.Took, []string{t.Name}); err != nil || failed != "" {
			return failed, err
		}
	}
	return "", nil
}

// surely runs tests as a mutant, and one that failed again: a test that fails
// now and then by itself has not caught anything.
func (u *unit) surely(ctx context.Context, id int, took time.Duration, tests []string) (string, error) {
	patience := 20*time.Second + 10*took
	env := append(asMutant(id), fmt.Sprintf("%s=%d", mutant.LimitVariable, 3+4*int(took.Seconds())))
	for len(tests) > 0 {
		failed, err := u.exec(ctx, env, patience, tests...)
		name, _, _ := strings.Cut(failed, "/")
		if err != nil || failed == "" || !slices.Contains(tests, name) {
			return failed, err
		}
		if again, err := u.exec(ctx, env, patience, name); err != nil || again != "" {
			return failed, err
		}
		tests = slices.DeleteFunc(tests, func(t string) bool { return t == name })
	}
	return "", nil
}

var failedTest = regexp.MustCompile(`--- FAIL: (\S+)`)

// exec runs tests in a process of their own, and returns which failed, or "".
func (u *unit) exec(ctx context.Context, env []string, patience time.Duration, tests ...string) (string, error) {
	cmd := exec.CommandContext(ctx, u.Path, "-test.failfast", "-test.timeout", patience.String(), "-test.run", "^("+strings.Join(tests, "|")+")$")
	cmd.Dir, cmd.Env = u.Dir, env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.As(err, &exit) && exit.ExitCode() < 0: // killed
		return "hang", nil
	case errors.As(err, &exit):
		return failure(out.String()), nil
	}
	return "", err
}

// failure finds the first test that a run of tests says failed.
func failure(out string) string {
	if strings.Contains(out, "panic: test timed out") {
		return "hang"
	}
	if m := failedTest.FindStringSubmatch(out); m != nil {
		return m[1]
	}
	for _, l := range strings.Split(out, "\n") {
		if strings.HasPrefix(l, "panic:") || strings.HasPrefix(l, "fatal error:") {
			return firstLine(l)
		}
	}
	return firstLine(out)
}
