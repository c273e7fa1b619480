package cli

import (
	"bytes"
	"errors"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// try runs a command with two flags, one of which has a default.
func try(args ...string) (stdout string, err error) {
	root := &cobra.Command{Use: "tool"}
	leaf := &cobra.Command{Use: "do", RunE: func(*cobra.Command, []string) error { return nil }}
	leaf.Flags().String("name", "default", "a name")
	leaf.Flags().String("other", "", "another")
	leaf.Flags().Int("n", 0, "a number")
	root.AddCommand(leaf)
	Prepare(root)
	var out bytes.Buffer
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err = root.Execute()
	return out.String(), err
}

func TestACommandLineIsRefusedByName(t *testing.T) {
	for _, c := range []struct {
		args string
		says string
	}{
		{"do", ""}, {"do --name x --other y --n 0", ""}, {"help do", ""}, {"--version", ""}, {"completion bash", ""},
		{"do --name=", "--name is empty"}, {"do --other=", "--other is empty"}, {"undo", `unknown command "undo"; there are completion, do, help`},
		{"help undo", `unknown command "undo"`}, {"help do it", `"do it"`}, {"completion cmd.exe", `"cmd.exe"`}, {"do --nam x", "tool do takes --help, --n, --name, --other"},
	} {
		_, err := try(strings.Fields(c.args)...)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("tool %s: %v, want %q", c.args, err, c.says)
		}
	}
}

func TestVersionOf(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.1", Main: debug.Module{Version: "v1.2.3"}}
	if got := versionOf(info); got != "v1.2.3 go1.26.1" {
		t.Errorf("%q", got)
	}
	info.Settings = []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}
	info.Main.Version = ""
	if got := versionOf(info); got != "(devel) commit abc (modified) go1.26.1" {
		t.Errorf("%q", got)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestAnOutputRemembersThatItFailed(t *testing.T) {
	o := NewOutput(failing{})
	_, _ = o.Write([]byte("x"))
	if err := o.Err(); err == nil || !strings.Contains(err.Error(), "standard output: full") {
		t.Error(err)
	}
	if _, ok := Terminal(NewOutput(os.Stdin)); ok != func() bool { _, ok := Terminal(os.Stdin); return ok }() {
		t.Error("an output hides what it writes to")
	}
}
