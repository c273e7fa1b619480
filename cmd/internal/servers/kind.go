package servers

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// kindNode is the node image that kind v0.30.0 was released with. Kind asks
	// for the digest: the tag alone may be rebuilt for another release of kind.
	kindNode = "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"
	// kindStartTimeout bounds a start whose context has no earlier deadline. The
	// first one pulls a gigabyte.
	kindStartTimeout = 10 * time.Minute
	kindStopTimeout  = 2 * time.Minute
)

// kindConfig is docker/kind.yaml; a test compares them.
const kindConfig = `# A Kubernetes cluster of one node, its API on loopback alone.
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking:
  apiServerAddress: 127.0.0.1
nodes:
  - role: control-plane
    image: ` + kindNode + "\n"

// KindCluster is a Kubernetes cluster in Docker, made by the command kind. Its node is
// a privileged container, and unlike the other servers it outlives a process
// that is killed: `kind delete clusters --all`, or the name that is in
// `kind get clusters`, removes what such a process left.
type KindCluster struct {
	command string
	name    string
	dir     string
	once    sync.Once
	stopErr error
}

// StartKindCluster makes a cluster of a fresh name with the command kind and waits
// until its node is ready, ten minutes at most. It pulls the node's image if the
// engine does not have it: there is no other use of calling it.
//
// Without the command, or without a Docker engine, the error is a *MissingError.
func StartKindCluster(ctx context.Context) (*KindCluster, error) {
	command, err := findKind(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lockproof-kind-")
	if err != nil {
		return nil, fmt.Errorf("servers: kind: %w", err)
	}
	k := &KindCluster{command: command, name: "lockproof-" + strings.ToLower(rand.Text()[:8]), dir: dir}
	if err := k.create(ctx); err != nil {
		_ = k.Stop()
		return nil, err
	}
	return k, nil
}

// findKind returns the command, or a *MissingError if it or an engine is not
// there.
func findKind(ctx context.Context) (command string, err error) {
	command, err = exec.LookPath("kind")
	if err != nil {
		return "", &MissingError{"kubernetes", "there is no kind in PATH",
			"install it (go install sigs.k8s.io/kind@v0.30.0), or set KUBECONFIG to a running cluster"}
	}
	engine, err := image{server: "kubernetes", variable: kubeconfigVariable}.engine(ctx)
	if err != nil {
		return "", err
	}
	return command, engine.Close()
}

func (k *KindCluster) create(ctx context.Context) error {
	if err := os.WriteFile(k.configFile(), []byte(kindConfig), 0o600); err != nil {
		return fmt.Errorf("servers: kind: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, kindStartTimeout)
	defer cancel()
	return k.run(ctx, k.createArguments())
}

func (k *KindCluster) createArguments() []string {
	return []string{"create", "cluster", "--name", k.name, "--kubeconfig", k.Kubeconfig(), "--config", k.configFile(), "--wait", "5m", "--quiet"}
}

func (k *KindCluster) deleteArguments() []string {
	return []string{"delete", "cluster", "--name", k.name, "--kubeconfig", k.Kubeconfig(), "--quiet"}
}

func (k *KindCluster) run(ctx context.Context, arguments []string) error {
	cmd := exec.CommandContext(ctx, k.command, arguments...)
	cmd.WaitDelay = childGrace
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("servers: kind %s cluster: %w; it said:\n%s", arguments[0], err, bytes.TrimSpace(out))
}

func (k *KindCluster) configFile() string { return filepath.Join(k.dir, "kind.yaml") }

// Kubeconfig is the path of a file with the cluster's address and credentials.
// Stop removes it; the user's own is not touched.
func (k *KindCluster) Kubeconfig() string { return filepath.Join(k.dir, "kubeconfig") }

// Describe says in a few words what the server is.
func (k *KindCluster) Describe() string {
	node, _, _ := strings.Cut(kindNode, "@")
	return "Kubernetes in Docker by kind (" + node + ")"
}

// Stop deletes the cluster and may be called more than once.
func (k *KindCluster) Stop() error {
	k.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), kindStopTimeout)
		defer cancel()
		k.stopErr = k.run(ctx, k.deleteArguments())
		if err := os.RemoveAll(k.dir); err != nil && k.stopErr == nil {
			k.stopErr = fmt.Errorf("servers: kind: %w", err)
		}
	})
	return k.stopErr
}
