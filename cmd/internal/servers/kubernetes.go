package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfigVariable names the environment variable by which users point a
// program at a Kubernetes cluster of their own.
const kubeconfigVariable = "KUBECONFIG"

const (
	// kubernetesStartTimeout bounds a start whose context has no earlier
	// deadline. On a busy machine it takes a quarter of this.
	kubernetesStartTimeout = 2 * time.Minute
	// kubernetesReadyPoll is how often a starting server is looked at.
	kubernetesReadyPoll = 20 * time.Millisecond
	// kubernetesLeave is how long the server may take to end in order.
	kubernetesLeave = 15 * time.Second
	// kubernetesHost is the only interface on which a server listens.
	kubernetesHost = "127.0.0.1"
)

// errKubernetesStopped is returned by what needs a server that Stop has ended.
var errKubernetesStopped = errors.New("servers: the Kubernetes API server was stopped for good")

// Kubeconfig returns the value of the environment variable KUBECONFIG, the
// file, or list of files, of the cluster that the user wants used, or "".
func Kubeconfig() string { return os.Getenv(kubeconfigVariable) }

// KubernetesConfig configures a Kubernetes API server. The zero value works.
type KubernetesConfig struct {
	// Port on 127.0.0.1; 0 lets the system choose a free one. The port stays
	// the same across Shutdown, Start and Restart.
	Port int
}

func (c KubernetesConfig) validate() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("servers: KubernetesConfig.Port %d is not between 0 and 65535", c.Port)
	}
	return nil
}

// Kubernetes is a Kubernetes API server: the user's own, or one that this
// process started. Its methods may be called from any goroutine.
type Kubernetes struct {
	program string       // "" for the user's own
	kind    *KindCluster // nil but for one that kind made
	dir     string
	version string

	mu      sync.Mutex
	port    int          // fixed by the first start
	admin   *rest.Config // may do everything, as far as we are asked
	nobody  *rest.Config // may do nothing; nil for the user's own
	local   *child       // nil while shut down, and for the user's own
	stopped bool
}

// StartKubernetes returns the server of the current context of KUBECONFIG, if
// that is set, and otherwise starts a kube-apiserver with an etcd inside, built
// by GetKubernetes, as a child process, once it answers. That server has no
// controllers and no nodes; what there is, is the real thing: storage, watches,
// conflicts, permissions. Its data lives in a temporary folder. ctx bounds the
// start (two minutes at most), not the server's life: call Stop. The server
// also ends with this process, however this process ends, and removes its
// folder then.
//
// If the server was not built, the command kind is asked for a cluster where it
// and a Docker engine are there: that takes a minute and outlives a process that
// is killed, which is why it comes last. Without either the error is a
// *MissingError.
func StartKubernetes(ctx context.Context, config KubernetesConfig) (*Kubernetes, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	if files := Kubeconfig(); files != "" {
		k, err := ownKubernetes(ctx, "")
		if err != nil {
			return nil, fmt.Errorf("servers: Kubernetes of %s, which %s names: %w", files, kubeconfigVariable, err)
		}
		return k, nil
	}
	program, err := kubernetesProgram()
	if err != nil {
		if k, noKind := kindKubernetes(ctx); noKind == nil || !isMissing(noKind) {
			return k, noKind
		}
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lockproof-kubernetes-")
	if err != nil {
		return nil, fmt.Errorf("servers: Kubernetes' folder: %w", err)
	}
	k := &Kubernetes{program: program, dir: dir, port: config.Port}
	if err := k.Start(ctx); err != nil {
		return nil, errors.Join(err, k.Stop())
	}
	return k, nil
}

// kindKubernetes has kind make a cluster.
func kindKubernetes(ctx context.Context) (*Kubernetes, error) {
	cluster, err := StartKindCluster(ctx)
	if err != nil {
		return nil, err
	}
	k, err := ownKubernetes(ctx, cluster.Kubeconfig())
	if err != nil {
		return nil, errors.Join(err, cluster.Stop())
	}
	k.kind = cluster
	return k, nil
}

// ownKubernetes uses the current context of file, or of the user's files if that
// is empty.
func ownKubernetes(ctx context.Context, file string) (*Kubernetes, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = file
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil)
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, err
	}
	k := &Kubernetes{admin: config}
	ctx, cancel := context.WithTimeout(ctx, kubernetesStartTimeout)
	defer cancel()
	k.version, err = askVersion(ctx, config)
	return k, err
}

// Start starts a server that was shut down, at the same address and with its
// data. It does nothing to a server that runs or that is the user's own, and
// fails after Stop.
func (k *Kubernetes) Start(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.program == "" || k.local != nil:
		return nil
	case k.stopped:
		return errKubernetesStopped
	}
	ctx, cancel := context.WithTimeout(ctx, kubernetesStartTimeout)
	defer cancel()
	local, err := startTidyChild(exec.Command(k.program, "-data", k.dir,
		"-listen", net.JoinHostPort(kubernetesHost, strconv.Itoa(k.port))))
	if err != nil {
		return fmt.Errorf("servers: Kubernetes: %w", err)
	}
	if err := k.waitReady(ctx, local); err != nil {
		local.leave("keep\n", 0)
		return fmt.Errorf("servers: Kubernetes did not start: %w", err)
	}
	k.local = local
	return nil
}

// waitReady returns nil once the server answers, or says why it does not.
func (k *Kubernetes) waitReady(ctx context.Context, local *child) error {
	tick := time.NewTicker(kubernetesReadyPoll)
	defer tick.Stop()
	for {
		if address, found := local.out.after("lockproof: listening on https://"); found {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return err
			}
			if k.port, err = strconv.Atoi(port); err != nil {
				return err
			}
			break
		}
		if err := local.ended(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w; it said:\n%s", context.Cause(ctx), local.out)
		}
	}
	if err := k.readUsers(); err != nil {
		return err
	}
	version, err := askVersion(ctx, k.admin)
	if err != nil {
		return fmt.Errorf("%w; it said:\n%s", err, local.out)
	}
	k.version = version
	return nil
}

// readUsers reads the file that the server wrote, with its two users.
func (k *Kubernetes) readUsers() error {
	file, err := clientcmd.LoadFromFile(filepath.Join(k.dir, "kubeconfig"))
	if err != nil {
		return err
	}
	if k.admin, err = userOf(file, "admin"); err != nil {
		return err
	}
	k.nobody, err = userOf(file, "nobody")
	return err
}

func userOf(file *clientcmdapi.Config, context string) (*rest.Config, error) {
	return clientcmd.NewDefaultClientConfig(*file, &clientcmd.ConfigOverrides{CurrentContext: context}).ClientConfig()
}

// askVersion asks the server which release it is.
func askVersion(ctx context.Context, config *rest.Config) (string, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return "", err
	}
	defer utilnet.CloseIdleConnectionsFor(client.Transport)
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("version").String(), nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	var version struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.Unmarshal(body, &version); response.StatusCode != http.StatusOK || err != nil {
		return "", fmt.Errorf("%s answered %s to a question for its version", config.Host, response.Status)
	}
	return version.GitVersion, nil
}

// Local reports whether the server was started here.
func (k *Kubernetes) Local() bool { return k.program != "" || k.kind != nil }

// Restarts reports whether Shutdown and Start keep address and data: so it is
// for the server that was built from source alone.
func (k *Kubernetes) Restarts() bool { return k.program != "" }

// Describe says in a few words what the server is.
func (k *Kubernetes) Describe() string {
	if k.kind != nil {
		return k.kind.Describe()
	}
	if !k.Local() {
		return "Kubernetes " + k.version + " at " + k.Address()
	}
	return "kube-apiserver " + k.version + " with etcd, without controllers"
}

// Address is the server's host and port, for a proxy before it.
func (k *Kubernetes) Address() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	base, _, err := rest.DefaultServerUrlFor(k.admin)
	if err != nil {
		return k.admin.Host
	}
	if base.Port() != "" {
		return base.Host
	}
	return net.JoinHostPort(base.Hostname(), "443")
}

// RESTConfig returns a configuration for clients, a fresh copy. via, if not
// empty, is the host and port to connect to in the server's place, for a proxy;
// the server's certificate is still verified, under its own name.
func (k *Kubernetes) RESTConfig(via string) *rest.Config {
	k.mu.Lock()
	defer k.mu.Unlock()
	return through(k.admin, via)
}

// NobodyConfig is RESTConfig for a user who is known and may do nothing. It is
// nil unless the server was started here.
func (k *Kubernetes) NobodyConfig(via string) *rest.Config {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.nobody == nil {
		return nil
	}
	return through(k.nobody, via)
}

func through(config *rest.Config, via string) *rest.Config {
	config = rest.CopyConfig(config)
	base, _, err := rest.DefaultServerUrlFor(config)
	if via == "" || err != nil {
		return config
	}
	if config.ServerName == "" && !config.Insecure {
		config.ServerName = base.Hostname()
	}
	config.Host = (&url.URL{Scheme: base.Scheme, Host: via, Path: base.Path}).String()
	return config
}

// Shutdown stops the server in an orderly way and keeps its address and data for
// Start. It does nothing to a server that is not running or is the user's own.
func (k *Kubernetes) Shutdown() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.local != nil {
		k.local.leave("keep\n", kubernetesLeave)
		k.local = nil
	}
}

// Restart is Shutdown followed by Start.
func (k *Kubernetes) Restart(ctx context.Context) error {
	k.Shutdown()
	return k.Start(ctx)
}

// Stop ends a server that was started here for good, with its data, and leaves
// the user's own alone. It returns when the process is gone and may be called
// more than once.
func (k *Kubernetes) Stop() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.local != nil {
		k.local.stop()
		k.local = nil
	}
	if k.kind != nil {
		return k.kind.Stop()
	}
	if k.stopped || k.dir == "" {
		return nil
	}
	k.stopped = true
	if err := os.RemoveAll(k.dir); err != nil {
		return fmt.Errorf("servers: Kubernetes' folder: %w", err)
	}
	return nil
}
