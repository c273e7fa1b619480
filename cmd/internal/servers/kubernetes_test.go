package servers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/servers"
)

// kubernetesHelper makes this test binary a program that starts a server and
// waits to be killed.
const kubernetesHelper = "LOCKPROOF_TEST_START_KUBERNETES"

// kubernetesPatience is how long what must happen may take.
const kubernetesPatience = 90 * time.Second

// startKubernetes starts a server of our own, whatever the environment names.
func startKubernetes(t *testing.T) *servers.Kubernetes {
	t.Helper()
	t.Setenv("KUBECONFIG", "")
	srv, err := servers.StartKubernetes(t.Context(), servers.KubernetesConfig{})
	require.Server(t, "kubernetes", err)
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// ask makes one call with a configuration.
func ask(t *testing.T, config *rest.Config, verb, path, body string) (status int, answer string, err error) {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	defer utilnet.CloseIdleConnectionsFor(client.Transport)
	request, err := http.NewRequestWithContext(t.Context(), verb, config.Host+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

const leasesOfDefault = "/apis/coordination.k8s.io/v1/namespaces/default/leases"

func TestKubernetesKeepsAddressAndDataAcrossRestart(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	srv := startKubernetes(t)
	if !srv.Local() || !strings.Contains(srv.Describe(), servers.KubernetesVersion) || !strings.Contains(srv.Describe(), "etcd") {
		t.Errorf("it is described as %q", srv.Describe())
	}
	address := srv.Address()
	body := `{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"a"}}`
	if status, answer, err := ask(t, srv.RESTConfig(""), http.MethodPost, leasesOfDefault, body); status != http.StatusCreated {
		t.Fatal(status, answer, err)
	}
	srv.Shutdown()
	srv.Shutdown()
	refused(t, "http://"+address)
	for range 2 {
		if err := srv.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if srv.Address() != address {
		t.Errorf("after a restart it is at %s, it was at %s", srv.Address(), address)
	}
	if status, answer, err := ask(t, srv.RESTConfig(""), http.MethodGet, leasesOfDefault+"/a", ""); status != http.StatusOK {
		t.Error("after a restart:", status, answer, err)
	}
	for range 2 {
		if err := srv.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, "http://"+address)
	if err := srv.Start(t.Context()); err == nil {
		t.Error("started after Stop")
	}
	if left := left(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKubernetesKnowsItsUsers(t *testing.T) {
	srv := startKubernetes(t)
	if status, answer, err := ask(t, srv.NobodyConfig(""), http.MethodGet, leasesOfDefault, ""); status != http.StatusForbidden {
		t.Error("a user without rights:", status, answer, err)
	}
	stranger := srv.RESTConfig("")
	stranger.BearerToken = "made up"
	if status, answer, err := ask(t, stranger, http.MethodGet, leasesOfDefault, ""); status != http.StatusUnauthorized {
		t.Error("a stranger:", status, answer, err)
	}
	_, port, err := net.SplitHostPort(srv.Address())
	if err != nil {
		t.Fatal(err)
	}
	// All of 127.0.0.0/8 is this machine on Linux, but only 127.0.0.1 was asked
	// for: a server that listens everywhere would answer here too.
	if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.2", port)); err == nil {
		conn.Close()
		t.Error("it listens on more than 127.0.0.1")
	}
	// Through something else in its place, its own certificate is asked for.
	via := srv.RESTConfig("localhost:" + port)
	if status, answer, err := ask(t, via, http.MethodGet, leasesOfDefault, ""); via.ServerName != "127.0.0.1" || status != http.StatusOK {
		t.Error("through another name:", via.ServerName, status, answer, err)
	}
	impostor := httptest.NewUnstartedServer(http.NotFoundHandler())
	impostor.Config.ErrorLog = log.New(io.Discard, "", 0)
	impostor.StartTLS()
	defer impostor.Close()
	if _, _, err := ask(t, srv.RESTConfig(impostor.Listener.Addr().String()), http.MethodGet, "/", ""); err == nil {
		t.Error("another server was taken for it")
	}
}

func TestKubernetesDiesWithItsParentAndTidiesUp(t *testing.T) {
	if os.Getenv(kubernetesHelper) != "" {
		srv, err := servers.StartKubernetes(t.Context(), servers.KubernetesConfig{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("endpoint http://" + srv.Address())
		select {} // until killed
	}
	if !servers.KubernetesInstalled() {
		startKubernetes(t) // says why not
	}
	t.Setenv("TMPDIR", t.TempDir())
	parent := exec.Command(os.Args[0], "-test.run=^TestKubernetesDiesWithItsParentAndTidiesUp$", "-test.v")
	parent.Env = append(os.Environ(), kubernetesHelper+"=1", "KUBECONFIG=")
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var endpoint, said string
	for lines := bufio.NewScanner(stdout); endpoint == "" && lines.Scan(); {
		_, endpoint, _ = strings.Cut(lines.Text(), "endpoint ")
		said += lines.Text() + "\n"
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	if endpoint == "" {
		t.Fatal("the parent did not start a server:\n" + said)
	}
	refused(t, endpoint)
	for end := time.Now().Add(kubernetesPatience); len(left(t)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("left behind: %v", left(t))
		}
	}
}

func TestKubernetesPortInUseIsSaid(t *testing.T) {
	if !servers.KubernetesInstalled() {
		startKubernetes(t) // says why not
	}
	t.Setenv("KUBECONFIG", "")
	t.Setenv("TMPDIR", t.TempDir())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	_, err = servers.StartKubernetes(t.Context(), servers.KubernetesConfig{Port: port})
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(port)) || !strings.Contains(err.Error(), "address already in use") {
		t.Fatalf("want an error that names the port, got %v", err)
	}
	if left := left(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKubernetesConfigIsValidated(t *testing.T) {
	if _, err := servers.StartKubernetes(t.Context(), servers.KubernetesConfig{Port: 70000}); err == nil || !strings.Contains(err.Error(), "70000") {
		t.Fatalf("want an error that names the port, got %v", err)
	}
}

// kubeconfig writes a file for a server and returns its name.
func kubeconfig(t *testing.T, url string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c",
		"clusters":[{"name":"c","cluster":{"server":%q}}],"contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],"users":[{"name":"u","user":{}}]}`, url)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestKubeconfigIsUsedAndTheClusterLeftAlone(t *testing.T) {
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/k8s/version" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, `{"gitVersion":"v1.2.3"}`)
	}))
	defer own.Close()
	t.Setenv("KUBECONFIG", kubeconfig(t, own.URL+"/k8s"))
	srv, err := servers.StartKubernetes(t.Context(), servers.KubernetesConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if srv.Local() || srv.NobodyConfig("") != nil || srv.Address() != own.Listener.Addr().String() || srv.Describe() != "Kubernetes v1.2.3 at "+srv.Address() {
		t.Errorf("local %v, at %s: %s", srv.Local(), srv.Address(), srv.Describe())
	}
	if host := srv.RESTConfig("127.0.0.1:1").Host; host != "http://127.0.0.1:1/k8s" {
		t.Errorf("through a proxy it is %s", host)
	}
	srv.Shutdown()
	if err := errors.Join(srv.Start(t.Context()), srv.Restart(t.Context()), srv.Stop()); err != nil {
		t.Error(err)
	}
	response, err := http.Get(own.URL)
	if err != nil {
		t.Fatal("after Stop:", err)
	}
	response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

func TestKubeconfigThatDoesNotWorkIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, file := range []string{kubeconfig(t, "http://"+listener.Addr().String()), filepath.Join(t.TempDir(), "missing")} {
		t.Setenv("KUBECONFIG", file)
		_, err = servers.StartKubernetes(ctx, servers.KubernetesConfig{})
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "KUBECONFIG") {
			t.Errorf("want an error that names the file and the variable, got %v", err)
		}
	}
}

func TestKubernetesNotInstalledIsMissing(t *testing.T) {
	t.Setenv("KUBECONFIG", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := servers.StartKubernetes(t.Context(), servers.KubernetesConfig{})
	var missing *servers.MissingError
	if !errors.As(err, &missing) || !missing.Missing() || !strings.Contains(err.Error(), "servers get kubernetes") {
		t.Fatalf("want a MissingError with the command, got %v", err)
	}
}

func TestKubernetesToolsThatAreMissingAreNamed(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	fetch := func(says string) {
		t.Helper()
		var missing *servers.MissingError
		err := servers.GetKubernetes(t.Context(), nil)
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("want one line with %q, got %v", says, err)
		}
	}
	fetch("no go in PATH")
	program(t, bin, "go", `echo 'verifying module: checksum mismatch' >&2; exit 1`)
	if err := servers.GetKubernetes(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "checksum mismatch") {
		t.Errorf("want what go said, got %v", err)
	}
	program(t, bin, "go", `exit 0`)
	if err := servers.GetKubernetes(t.Context(), nil); err == nil || servers.KubernetesInstalled() {
		t.Errorf("a build without a program: %v", err)
	}
	t.Chdir(t.TempDir())
	fetch("checkout of the repository")
	if entries, err := os.ReadDir(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "lockproof")); err != nil || len(entries) != 0 {
		t.Errorf("failed builds left %v, %v", entries, err)
	}
}

func TestGetKubernetesTellsOfEachStep(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	bin := t.TempDir()
	program(t, bin, "go", `
echo 'go: downloading k8s.io/api v0.36.3' >&2
for i in $(seq 250); do echo "k8s.io/package$i" >&2; done
while [ "$1" != "-o" ]; do shift; done
mkdir -p "$(dirname "$2")" && echo program > "$2"`)
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	old := filepath.Join(os.Getenv("XDG_CACHE_HOME"), "lockproof", "kubernetes-"+servers.KubernetesVersion+"-old")
	if err := os.MkdirAll(old, 0o755); err != nil {
		t.Fatal(err)
	}
	var steps []string
	for range 2 {
		if err := servers.GetKubernetes(t.Context(), func(line string) { steps = append(steps, line) }); err != nil {
			t.Fatal(err)
		}
	}
	said := strings.Join(steps, "\n")
	if !servers.KubernetesInstalled() || len(steps) != 4 || !strings.Contains(said, "fetching k8s.io/api v0.36.3") || !strings.Contains(said, "compiled 200 packages") {
		t.Errorf("it said:\n%s", said)
	}
	if _, err := os.Stat(old); err != nil {
		t.Error("what was built from another source is gone:", err)
	}
	t.Chdir(t.TempDir())
	if !servers.KubernetesInstalled() {
		t.Error("outside a checkout what was built is not found")
	}
}

// The real thing compiles for minutes, so it runs where CI asks for it.
func TestGetKubernetesBuildsWhatStarts(t *testing.T) {
	if !require.Required("kubernetes") {
		t.Skip("set LOCKPROOF_REQUIRE=kubernetes to build the API server")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("GOCACHE") == "" {
		t.Setenv("GOCACHE", filepath.Join(cache, "go-build")) // what was compiled before stays
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if err := servers.GetKubernetes(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	startKubernetes(t)
}
