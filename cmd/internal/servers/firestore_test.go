package servers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/servers"
)

// firestoreHelperVariable makes this test binary a program that starts an
// emulator and waits to be killed.
const firestoreHelperVariable = "LOCKPROOF_TEST_START_FIRESTORE"

// startEmulator starts the Cloud SDK's emulator, whatever the environment names.
func startEmulator(t *testing.T) *servers.Firestore {
	t.Helper()
	t.Setenv("FIRESTORE_EMULATOR_HOST", "")
	srv, err := servers.StartFirestore(t.Context(), servers.FirestoreConfig{})
	require.Server(t, "firestore", err)
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// look asks the emulator over HTTP for a document that does not exist.
func look(t *testing.T, host string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"http://"+host+"/v1/projects/p/databases/(default)/documents/c/d", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "NOT_FOUND") {
		t.Fatalf("status %d, %s, %v", response.StatusCode, body, err)
	}
}

func TestFirestoreAnswersAndStops(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	srv := startEmulator(t)
	if !srv.Local() || !strings.HasPrefix(srv.Describe(), "Firestore emulator ") {
		t.Errorf("it is described as %q", srv.Describe())
	}
	look(t, srv.Host())
	if left := left(t); len(left) != 0 {
		t.Errorf("while it runs, there is %v", left)
	}
	for range 2 {
		if err := srv.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, srv.Host())
	if left := left(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFirestoreListensOnLoopbackOnly(t *testing.T) {
	srv := startEmulator(t)
	_, port, err := net.SplitHostPort(srv.Host())
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.2", port)); err == nil {
		conn.Close()
		t.Fatal("it listens on more than 127.0.0.1")
	}
}

func TestFirestoreDiesWithItsParent(t *testing.T) {
	if os.Getenv(firestoreHelperVariable) != "" {
		srv, err := servers.StartFirestore(t.Context(), servers.FirestoreConfig{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("endpoint " + srv.Host())
		select {} // until killed
	}
	if !servers.FirestoreInstalled() {
		startEmulator(t) // says why not
	}
	t.Setenv("TMPDIR", t.TempDir())
	parent := exec.Command(os.Args[0], "-test.run=^TestFirestoreDiesWithItsParent$", "-test.v")
	parent.Env = append(os.Environ(), firestoreHelperVariable+"=1", "FIRESTORE_EMULATOR_HOST=")
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var host, said string
	for lines := bufio.NewScanner(stdout); host == "" && lines.Scan(); {
		_, host, _ = strings.Cut(lines.Text(), "endpoint ")
		said += lines.Text() + "\n"
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	if host == "" {
		t.Fatalf("the emulator did not start:\n%s", said)
	}
	refused(t, host)
	if left := left(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFirestorePortInUseIsSaid(t *testing.T) {
	if !servers.FirestoreInstalled() {
		startEmulator(t) // says why not
	}
	t.Setenv("FIRESTORE_EMULATOR_HOST", "")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, err = servers.StartFirestore(t.Context(), servers.FirestoreConfig{Port: listener.Addr().(*net.TCPAddr).Port})
	if err == nil || !strings.Contains(err.Error(), "not free") || strings.Contains(err.Error(), "NATS") {
		t.Fatalf("want an error that names the port, got %v", err)
	}
}

func TestFirestoreConfigIsValidated(t *testing.T) {
	if _, err := servers.StartFirestore(t.Context(), servers.FirestoreConfig{Port: -1}); err == nil || !strings.Contains(err.Error(), "-1") {
		t.Fatalf("want an error that names the port, got %v", err)
	}
}

func TestFirestoreHostIsUsedAndLeftAlone(t *testing.T) {
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Ok") }))
	defer own.Close()
	host := strings.TrimPrefix(own.URL, "http://")
	t.Setenv("FIRESTORE_EMULATOR_HOST", host)
	srv, err := servers.StartFirestore(t.Context(), servers.FirestoreConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if srv.Host() != host || srv.Local() || servers.FirestoreHost() != host || !strings.Contains(srv.Describe(), host) {
		t.Errorf("host %s, local %v, described as %q", srv.Host(), srv.Local(), srv.Describe())
	}
	if err := srv.Stop(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", host); err != nil {
		t.Error("after Stop:", err)
	} else {
		conn.Close()
	}
}

func TestAFirestoreHostThatIsNoneIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for _, host := range []string{listener.Addr().String(), strings.TrimPrefix(other.URL, "http://")} {
		t.Setenv("FIRESTORE_EMULATOR_HOST", host)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err = servers.StartFirestore(ctx, servers.FirestoreConfig{})
		if err == nil || !strings.Contains(err.Error(), host) || !strings.Contains(err.Error(), "FIRESTORE_EMULATOR_HOST") {
			t.Errorf("want an error that names the address and the variable, got %v", err)
		}
	}
}

func TestFirestoreNotInstalledIsMissing(t *testing.T) {
	t.Setenv("FIRESTORE_EMULATOR_HOST", "")
	t.Setenv("JAVA_HOME", "")
	bin, sdk := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin)
	missing := func(root, says string) {
		t.Helper()
		t.Setenv("CLOUDSDK_ROOT_DIR", root)
		_, err := servers.StartFirestore(t.Context(), servers.FirestoreConfig{})
		var missing *servers.MissingError
		if !errors.As(err, &missing) || missing.Server != "firestore" || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("want one line with %q, got %v", says, err)
		}
	}
	missing("", "no gcloud in PATH")
	missing(sdk, "components install cloud-firestore-emulator")
	dir := filepath.Join(sdk, "platform", "cloud-firestore-emulator")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cloud-firestore-emulator.jar"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	missing(sdk, "no java in PATH")
	program(t, bin, "java", `echo 'no such class'; exit 1`)
	_, err := servers.StartFirestore(t.Context(), servers.FirestoreConfig{})
	if err == nil || !strings.Contains(err.Error(), "no such class") {
		t.Errorf("want what Java said, got %v", err)
	}
}
