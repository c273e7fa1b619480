package servers_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/cmd/internal/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, config servers.NATSConfig) *servers.NATS {
	t.Helper()
	srv, err := servers.StartNATS(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

func bucket(t *testing.T, srv *servers.NATS, name string) jetstream.KeyValue {
	t.Helper()
	conn, err := srv.Connect(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateOrUpdateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func TestNATSKeepsAddressAndDataAcrossRestart(t *testing.T) {
	srv := start(t, servers.NATSConfig{SyncAlways: true})
	url := srv.URL()
	revision, err := bucket(t, srv, "before").Put(t.Context(), "k", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if srv.URL() != url {
		t.Fatalf("after a restart the URL is %s, it was %s", srv.URL(), url)
	}
	entry, err := bucket(t, srv, "after").Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if entry.Revision() != revision || string(entry.Value()) != "v" {
		t.Fatalf("after a restart k is %q at %d, it was v at %d", entry.Value(), entry.Revision(), revision)
	}
}

func TestNATSShutdownAndStartMayBeRepeated(t *testing.T) {
	srv := start(t, servers.NATSConfig{})
	srv.Shutdown()
	srv.Shutdown()
	if _, err := srv.Connect("while down"); err == nil {
		t.Fatal("a server that is shut down took a connection")
	}
	for range 2 {
		if err := srv.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNATSPortInUseIsSaidInOneLine(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	_, err = servers.StartNATS(t.Context(), servers.NATSConfig{Port: port})
	if err == nil {
		t.Fatal("started on a port in use")
	}
	if text := err.Error(); !strings.Contains(text, strconv.Itoa(port)) || strings.Contains(text, "\n") {
		t.Fatalf("want one line that names port %d, got %q", port, text)
	}
}

func TestNATSConfigIsValidated(t *testing.T) {
	if _, err := servers.StartNATS(t.Context(), servers.NATSConfig{Port: 70000}); err == nil || !strings.Contains(err.Error(), "70000") {
		t.Fatalf("want an error that names the port, got %v", err)
	}
}

func TestNATSStopRemovesItsOwnDirectoryOnly(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	own := start(t, servers.NATSConfig{})
	kept := t.TempDir()
	named := start(t, servers.NATSConfig{StoreDir: kept})
	bucket(t, named, "named")
	for range 2 {
		if err := own.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := named.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
	if err != nil || len(left) != 0 {
		t.Fatalf("left behind: %v %v", left, err)
	}
	if entries, err := os.ReadDir(kept); err != nil || len(entries) == 0 {
		t.Fatalf("the caller's directory was emptied: %v %v", entries, err)
	}
	if err := own.Start(context.Background()); err == nil {
		t.Fatal("started after Stop")
	}
}

func TestNATSURLIsWhatTheUserSet(t *testing.T) {
	t.Setenv("NATS_URL", "nats://example:4222")
	if got := servers.NATSURL(); got != "nats://example:4222" {
		t.Fatalf("got %q", got)
	}
}
