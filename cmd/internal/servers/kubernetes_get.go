package servers

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// KubernetesVersion is the release of Kubernetes that is built and started.
const KubernetesVersion = "v1.36.3"

const (
	// kubernetesSource is where a checkout has the module that is built.
	kubernetesSource = "docker/kubernetes"
	// kubernetesModule is that module's name.
	kubernetesModule = "github.com/lockproof/lockproof/docker/kubernetes"

	kubernetesRemedy   = "run `go run ./cmd/locksim servers get kubernetes` in a checkout of the repository (it needs Go and compiles for some minutes), or set " + kubeconfigVariable + " to the file of a running cluster"
	kubernetesCheckout = "run this in a checkout of the repository, or set " + kubeconfigVariable + " to the file of a running cluster"
	kubernetesGo       = "install Go (https://go.dev/dl), or set " + kubeconfigVariable + " to the file of a running cluster"
)

// KubernetesInstalled reports whether the Kubernetes API server was built.
func KubernetesInstalled() bool {
	_, err := kubernetesProgram()
	return err == nil
}

// kubernetesProgram returns the program, or a *MissingError. In a checkout it is
// the one that was built from this very source; elsewhere the newest. Others are
// left alone: they may belong to other checkouts.
func kubernetesProgram() (string, error) {
	missing := &MissingError{"kubernetes", "the API server of Kubernetes " + KubernetesVersion + " was not built", kubernetesRemedy}
	cache, err := serverCache()
	if err != nil {
		return "", err
	}
	pattern := filepath.Join(cache, kubernetesName("*"), kubernetesFile())
	if source, err := findKubernetesSource(); err == nil {
		sum, err := sumKubernetesSource(source)
		if err != nil {
			return "", fmt.Errorf("servers: Kubernetes: %w", err)
		}
		pattern = filepath.Join(cache, kubernetesName(sum), kubernetesFile())
	}
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		return "", missing
	}
	return newest(found), nil
}

// newest returns the file that was written last.
func newest(files []string) string {
	best, written := files[0], time.Time{}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.ModTime().After(written) {
			best, written = file, info.ModTime()
		}
	}
	return best
}

func kubernetesName(sum string) string { return "kubernetes-" + KubernetesVersion + "-" + sum }

func kubernetesFile() string {
	if runtime.GOOS == "windows" {
		return "kubernetes.exe"
	}
	return "kubernetes"
}

// serverCache is the folder of all that is fetched or built.
func serverCache() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("servers: no place to keep servers: %w", err)
	}
	return filepath.Join(cache, "lockproof"), nil
}

// findKubernetesSource looks for a checkout in the working directory and above.
// The module's source cannot be embedded here: it is a module of its own, so
// that its hundreds of requirements do not become this module's.
func findKubernetesSource() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("servers: Kubernetes: %w", err)
	}
	for {
		source := filepath.Join(dir, filepath.FromSlash(kubernetesSource))
		text, err := os.ReadFile(filepath.Join(source, "go.mod"))
		if first, _, _ := strings.Cut(string(text), "\n"); err == nil && strings.TrimSpace(first) == "module "+kubernetesModule {
			return source, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", &MissingError{"kubernetes", "its API server is built from " + kubernetesSource + ", which is neither here nor in a folder above", kubernetesCheckout}
		}
		dir = above
	}
}

// sumKubernetesSource names the state of the source, and the platform.
func sumKubernetesSource(source string) (string, error) {
	entries, err := os.ReadDir(source) // sorted
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s/%s %s\n", runtime.GOOS, runtime.GOARCH, strings.Join(kubernetesBuild, " "))
	for _, entry := range entries {
		name := entry.Name()
		built := strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") || name == "go.mod" || name == "go.sum"
		if !built || entry.IsDir() {
			continue
		}
		sum, err := fileSum(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %s\n", sum, name)
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

// kubernetesBuild is the command that builds, but for the file to write. The
// version is what the server answers when it is asked for it.
var kubernetesBuild = []string{"build", "-v", "-trimpath",
	"-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=" + KubernetesVersion}

// GetKubernetes builds the API server of Kubernetes, with etcd inside, from the
// module docker/kubernetes of a checkout, into the user's cache directory. It
// does nothing if that was done before for the same source. The go command
// fetches what is needed (some 100 MB) and checks it against the module's
// go.sum; the first build takes some minutes. progress, which may be nil, is
// told of each step, one line at a time.
//
// What is missing on the machine (a checkout, go) is a *MissingError. An
// interrupted or failed build leaves nothing that counts as installed.
func GetKubernetes(ctx context.Context, progress func(line string)) error {
	if progress == nil {
		progress = func(string) {}
	}
	source, err := findKubernetesSource()
	if err != nil {
		return err
	}
	if KubernetesInstalled() {
		return nil
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		return &MissingError{"kubernetes", "its API server is built with Go, and there is no go in PATH", kubernetesGo}
	}
	sum, err := sumKubernetesSource(source)
	if err != nil {
		return fmt.Errorf("servers: Kubernetes: %w", err)
	}
	cache, err := serverCache()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("servers: Kubernetes: %w", err)
	}
	work, err := os.MkdirTemp(cache, ".kubernetes-")
	if err != nil {
		return fmt.Errorf("servers: Kubernetes: %w", err)
	}
	defer os.RemoveAll(work)
	progress("building the API server of Kubernetes " + KubernetesVersion + "; the first time this takes some minutes")
	whole := filepath.Join(work, "whole")
	if err := buildKubernetes(ctx, tool, source, filepath.Join(whole, kubernetesFile()), progress); err != nil {
		return err
	}
	if err := os.Rename(whole, filepath.Join(cache, kubernetesName(sum))); err != nil && !KubernetesInstalled() {
		return fmt.Errorf("servers: Kubernetes: %w", err)
	}
	return nil // or another process was quicker
}

// buildKubernetes runs the go command. The user's settings (GOPROXY, GOCACHE)
// are used, but for those that would change what is built.
func buildKubernetes(ctx context.Context, tool, source, file string, progress func(string)) error {
	args := append(slices.Clone(kubernetesBuild), "-o", file, ".")
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir, cmd.WaitDelay = source, childGrace
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off", "CGO_ENABLED=0", "GOOS=", "GOARCH=")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("servers: go: %w", err)
	}
	kept := &childOutput{}
	cmd.Stdout = kept
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("servers: go: %w", err)
	}
	follow(io.TeeReader(stderr, kept), progress)
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("servers: Kubernetes %s could not be built: %w; go said:\n%s", KubernetesVersion, err, kept)
	}
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("servers: go build left no program; it said:\n%s", kept)
	}
	return nil
}

// compiledStep is after how many packages progress is told; there are some 2000.
const compiledStep = 100

// follow tells of the modules that are fetched, and counts compiled packages.
func follow(output io.Reader, progress func(string)) {
	compiled := 0
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if name, fetched := strings.CutPrefix(lines.Text(), "go: downloading "); fetched {
			progress("fetching " + name)
			continue
		}
		if compiled++; compiled%compiledStep == 0 {
			progress(fmt.Sprintf("compiled %d packages", compiled))
		}
	}
	_, _ = io.Copy(io.Discard, output) // what a line too long left
}
