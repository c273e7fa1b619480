package bench

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Here begins a result: of what was measured, on which machine, with which
// version of the code, when.
func Here(kind Kind) *Result {
	return &Result{Schema: Schema, Kind: kind, Commit: commit(), Date: time.Now().UTC().Truncate(time.Second), Machine: machine()}
}

func machine() Machine {
	return Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: processor(), Cores: runtime.NumCPU(), Go: runtime.Version()}
}

// processor is the name that Linux gives it; elsewhere empty.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// commit is what the build was stamped with or, as `go run` stamps nothing, what
// git says of the folder that the sources are in. "+dirty" marks changes.
func commit() string {
	var revision, dirty string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "+dirty"
			}
		}
	}
	if revision != "" {
		return revision + dirty
	}
	_, source, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(source) {
		return ""
	}
	git := func(args ...string) string {
		out, err := exec.Command("git", append([]string{"-C", filepath.Dir(source)}, args...)...).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	if revision = git("rev-parse", "HEAD"); revision != "" && git("status", "--porcelain", "--untracked-files=no") != "" {
		dirty = "+dirty"
	}
	return revision + dirty
}
