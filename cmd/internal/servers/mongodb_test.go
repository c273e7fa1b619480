package servers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/servers"
)

// mongoHelperVariable makes this test binary a program that starts a server and
// waits to be killed.
const mongoHelperVariable = "LOCKPROOF_TEST_START_MONGODB"

// startMongo starts a mongo-java-server, whatever the environment names.
func startMongo(t *testing.T) *servers.MongoDB {
	t.Helper()
	t.Setenv("MONGODB_URI", "")
	srv, err := servers.StartMongoDB(t.Context(), servers.MongoDBConfig{})
	require.Server(t, "mongodb", err)
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

func connectMongo(t *testing.T, srv *servers.MongoDB) *mongo.Client {
	t.Helper()
	client, closeAll, err := srv.Connect("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeAll)
	return client
}

func TestMongoDBAnswersAndStops(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	srv := startMongo(t)
	if want := "mongo-java-server " + servers.MongoJavaServerVersion + " (wire-compatible, not MongoDB)"; !srv.Local() || srv.Describe() != want {
		t.Errorf("it is described as %q", srv.Describe())
	}
	if left := left(t); len(left) != 0 {
		t.Errorf("it keeps files while it runs: %v", left)
	}
	if err := connectMongo(t, srv).Ping(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := srv.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, srv.Address())
	if left := left(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := srv.Start(t.Context()); err == nil {
		t.Error("it starts after it was stopped for good")
	}
}

func TestMongoDBKeepsAddressAndDataOverARestart(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	srv := startMongo(t)
	address := srv.Address()
	collection := connectMongo(t, srv).Database("d").Collection("c")
	for i := range 3 {
		if _, err := collection.InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}, {Key: "data", Value: bson.Binary{Data: []byte{0xff}}}}); err != nil {
			t.Fatal(err)
		}
		if err := srv.Shutdown(); err != nil {
			t.Fatal(err)
		}
		if err := srv.Shutdown(); err != nil {
			t.Error("shut down again:", err)
		}
		refused(t, address)
		for range 2 {
			if err := srv.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if srv.Address() != address {
			t.Fatalf("it moved from %s to %s", address, srv.Address())
		}
		collection = connectMongo(t, srv).Database("d").Collection("c")
		n, err := collection.CountDocuments(t.Context(), bson.D{{Key: "data", Value: bson.Binary{Data: []byte{0xff}}}})
		if err != nil || n != int64(i+1) {
			t.Fatalf("%d documents of %d, %v", n, i+1, err)
		}
		if left := left(t); len(left) != 0 {
			t.Errorf("it keeps files while it runs: %v", left)
		}
	}
}

func TestMongoDBListensOnLoopbackOnly(t *testing.T) {
	_, port, err := net.SplitHostPort(startMongo(t).Address())
	if err != nil {
		t.Fatal(err)
	}
	// All of 127.0.0.0/8 is this machine on Linux, but only 127.0.0.1 was asked
	// for: a server that listens everywhere would answer here too.
	if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.2", port)); err == nil {
		conn.Close()
		t.Fatal("it listens on more than 127.0.0.1")
	}
}

func TestMongoDBDiesWithItsParent(t *testing.T) {
	if os.Getenv(mongoHelperVariable) != "" {
		srv, err := servers.StartMongoDB(context.Background(), servers.MongoDBConfig{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("address " + srv.Address())
		select {} // until killed
	}
	if !servers.MongoDBInstalled() {
		startMongo(t) // says why not
	}
	t.Setenv("TMPDIR", t.TempDir())
	parent := exec.Command(os.Args[0], "-test.run=^TestMongoDBDiesWithItsParent$", "-test.v")
	parent.Env = append(os.Environ(), mongoHelperVariable+"=1", "MONGODB_URI=")
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var address, said string
	for lines := bufio.NewScanner(stdout); address == "" && lines.Scan(); {
		_, address, _ = strings.Cut(lines.Text(), "address ")
		said += lines.Text() + "\n"
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	if address == "" {
		t.Fatal("the parent did not start a server:\n" + said)
	}
	refused(t, address)
	if left := left(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMongoDBPortInUseIsSaid(t *testing.T) {
	if !servers.MongoDBInstalled() {
		startMongo(t) // says why not
	}
	t.Setenv("MONGODB_URI", "")
	t.Setenv("TMPDIR", t.TempDir())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, err = servers.StartMongoDB(t.Context(), servers.MongoDBConfig{Port: listener.Addr().(*net.TCPAddr).Port})
	if err == nil || !strings.Contains(err.Error(), "Address already in use") {
		t.Fatalf("want what Java says of the port, got %v", err)
	}
	if left := left(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMongoDBConfigIsValidated(t *testing.T) {
	if _, err := servers.StartMongoDB(t.Context(), servers.MongoDBConfig{Port: -1}); err == nil || !strings.Contains(err.Error(), "-1") {
		t.Fatalf("want an error that names the port, got %v", err)
	}
}

func TestMongoDBURIIsUsedAndLeftAlone(t *testing.T) {
	local := startMongo(t)
	uri := "mongodb://" + local.Address() + "/?appName=x"
	t.Setenv("MONGODB_URI", uri)
	srv, err := servers.StartMongoDB(t.Context(), servers.MongoDBConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if srv.Local() || srv.Address() != local.Address() || srv.URI("") != uri || !strings.Contains(srv.Describe(), "standalone") {
		t.Errorf("local %v, address %s, URI %s, described as %q", srv.Local(), srv.Address(), srv.URI(""), srv.Describe())
	}
	for _, via := range []string{"", local.Address()} {
		client, closeAll, err := srv.Connect(via)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Ping(t.Context(), nil); err != nil {
			t.Errorf("via %q: %v", via, err)
		}
		closeAll()
	}
	if err := srv.Shutdown(); err == nil {
		t.Error("it was shut down")
	}
	if err := errors.Join(srv.Start(t.Context()), srv.Stop(), connectMongo(t, local).Ping(t.Context(), nil)); err != nil {
		t.Error("after Stop:", err)
	}
}

func TestMongoDBURIThatDoesNotAnswerIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	for uri, says := range map[string]string{
		"mongodb://" + listener.Addr().String() + "/?serverSelectionTimeoutMS=300": listener.Addr().String(),
		"http://localhost": "scheme",
	} {
		t.Setenv("MONGODB_URI", uri)
		_, err = servers.StartMongoDB(t.Context(), servers.MongoDBConfig{})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "MONGODB_URI") {
			t.Errorf("want an error that names %q and the variable, got %v", says, err)
		}
	}
}

func TestMongoDBNotInstalledIsMissing(t *testing.T) {
	t.Setenv("MONGODB_URI", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := servers.StartMongoDB(t.Context(), servers.MongoDBConfig{})
	var missing *servers.MissingError
	if !errors.As(err, &missing) || missing.Server != "mongodb" || !strings.Contains(err.Error(), "servers get mongodb") {
		t.Fatalf("want a MissingError with the command, got %v", err)
	}
}

func TestMongoDBToolsThatAreMissingAreNamed(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	for _, step := range []struct{ program, script, says string }{
		{"", "", "no java in PATH"},
		{"java", `echo '    java.specification.version = 1.8'`, "needs Java 11"},
		{"java", `echo '    java.specification.version = 11'`, "no mvn in PATH"},
		{"mvn", `echo 'the network is down'; exit 1`, "the network is down"},
	} {
		if step.program != "" {
			program(t, bin, step.program, step.script)
		}
		if err := servers.GetMongoDB(t.Context(), nil); err == nil || !strings.Contains(err.Error(), step.says) {
			t.Errorf("want %q, got %v", step.says, err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "lockproof")); err != nil || len(entries) != 0 {
		t.Errorf("failed fetches left %v, %v", entries, err)
	}
}

// The real thing takes Maven and the network, so it runs where CI asks for it.
func TestGetMongoDBFetchesWhatStarts(t *testing.T) {
	if !require.Required("mongodb") {
		t.Skip("set LOCKPROOF_REQUIRE=mongodb to fetch mongo-java-server with Maven")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	steps := 0
	for range 2 {
		if err := servers.GetMongoDB(t.Context(), func(string) { steps++ }); err != nil {
			t.Fatal(err)
		}
		if !servers.MongoDBInstalled() || steps < 3 {
			t.Fatalf("after %d steps it is not installed", steps)
		}
	}
	startMongo(t)
}
