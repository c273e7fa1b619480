package servers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/servers"
)

// helperVariable makes this test binary a program that starts a server and
// waits to be killed.
const helperVariable = "LOCKPROOF_TEST_START_DYNAMODB"

// patience is how long what must happen may take.
const patience = 30 * time.Second

// startLocal starts a DynamoDB Local as a child process, whatever the
// environment names.
func startLocal(t *testing.T) *servers.DynamoDB {
	t.Helper()
	t.Setenv("LOCKPROOF_DOCKER", "off")
	t.Setenv("LOCKPROOF_DYNAMODB_ENDPOINT", "")
	srv, err := servers.StartDynamoDB(t.Context(), servers.DynamoDBConfig{})
	require.Server(t, "dynamodb", err)
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// refused waits until nothing listens at the endpoint.
func refused(t *testing.T, endpoint string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		conn, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
		if err != nil {
			return
		}
		conn.Close()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("still there: " + endpoint)
}

func left(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDynamoDBLocalAnswersAndStops(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	srv := startLocal(t)
	if !srv.Local() || !strings.Contains(srv.Describe(), servers.DynamoDBLocalVersion) {
		t.Errorf("it is described as %q", srv.Describe())
	}
	client, closeIdle := srv.Connect("")
	defer closeIdle()
	if _, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := srv.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, srv.Endpoint())
	if left := left(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDynamoDBInDockerAnswersAndStops(t *testing.T) {
	t.Setenv("LOCKPROOF_DYNAMODB_ENDPOINT", "")
	t.Setenv("LOCKPROOF_DOCKER", "require")
	srv, err := servers.StartDynamoDB(t.Context(), servers.DynamoDBConfig{})
	require.Server(t, "docker", err)
	if !srv.Local() || srv.Describe() != "DynamoDB Local "+servers.DynamoDBLocalVersion+" in Docker" {
		t.Errorf("it is described as %q", srv.Describe())
	}
	client, closeIdle := srv.Connect("")
	defer closeIdle()
	if _, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := srv.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, srv.Endpoint())
}

func TestDynamoDBLocalListensOnLoopbackOnly(t *testing.T) {
	srv := startLocal(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(srv.Endpoint(), "http://"))
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

func TestDynamoDBLocalDiesWithItsParent(t *testing.T) {
	if os.Getenv(helperVariable) != "" {
		srv, err := servers.StartDynamoDB(t.Context(), servers.DynamoDBConfig{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("endpoint " + srv.Endpoint())
		select {} // until killed
	}
	if !servers.DynamoDBInstalled() {
		startLocal(t) // says why not
	}
	t.Setenv("TMPDIR", t.TempDir())
	parent := exec.Command(os.Args[0], "-test.run=^TestDynamoDBLocalDiesWithItsParent$", "-test.v")
	parent.Env = append(os.Environ(), helperVariable+"=1", "LOCKPROOF_DYNAMODB_ENDPOINT=", "LOCKPROOF_DOCKER=off")
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
	if left := left(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDynamoDBPortInUseIsSaid(t *testing.T) {
	t.Setenv("LOCKPROOF_DOCKER", "off")
	if !servers.DynamoDBInstalled() {
		startLocal(t) // says why not
	}
	t.Setenv("LOCKPROOF_DYNAMODB_ENDPOINT", "")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, err = servers.StartDynamoDB(t.Context(), servers.DynamoDBConfig{Port: listener.Addr().(*net.TCPAddr).Port})
	if err == nil || !strings.Contains(err.Error(), "Address already in use") {
		t.Fatalf("want what Java says of the port, got %v", err)
	}
}

func TestDynamoDBConfigIsValidated(t *testing.T) {
	if _, err := servers.StartDynamoDB(t.Context(), servers.DynamoDBConfig{Port: -1}); err == nil || !strings.Contains(err.Error(), "-1") {
		t.Fatalf("want an error that names the port, got %v", err)
	}
}

func TestDynamoDBEndpointIsUsedAndLeftAlone(t *testing.T) {
	var target string
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target = r.Header.Get("X-Amz-Target")
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		fmt.Fprint(w, `{"TableNames":[]}`)
	}))
	defer own.Close()
	t.Setenv("LOCKPROOF_DYNAMODB_ENDPOINT", own.URL)
	srv, err := servers.StartDynamoDB(t.Context(), servers.DynamoDBConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if srv.Endpoint() != own.URL || srv.Local() || !strings.HasSuffix(target, ".ListTables") {
		t.Errorf("endpoint %s, local %v, asked for %q", srv.Endpoint(), srv.Local(), target)
	}
	if err := srv.Stop(); err != nil {
		t.Error(err)
	}
	if response, err := http.Get(own.URL); err != nil {
		t.Error("after Stop:", err)
	} else {
		response.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestDynamoDBEndpointThatDoesNotAnswerIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	t.Setenv("LOCKPROOF_DYNAMODB_ENDPOINT", "http://"+listener.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = servers.StartDynamoDB(ctx, servers.DynamoDBConfig{})
	if err == nil || !strings.Contains(err.Error(), listener.Addr().String()) || !strings.Contains(err.Error(), "LOCKPROOF_DYNAMODB_ENDPOINT") {
		t.Fatalf("want an error that names the address and the variable, got %v", err)
	}
}

func TestDynamoDBNotInstalledIsMissing(t *testing.T) {
	t.Setenv("LOCKPROOF_DOCKER", "off")
	t.Setenv("LOCKPROOF_DYNAMODB_ENDPOINT", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := servers.StartDynamoDB(t.Context(), servers.DynamoDBConfig{})
	var missing *servers.MissingError
	if !errors.As(err, &missing) || !missing.Missing() || !strings.Contains(err.Error(), "servers get dynamodb") {
		t.Fatalf("want a MissingError with the command, got %v", err)
	}
}

func TestDynamoDBToolsThatAreMissingAreNamed(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	fetch := func(says string) {
		t.Helper()
		var missing *servers.MissingError
		err := servers.GetDynamoDB(t.Context(), nil)
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("want one line with %q, got %v", says, err)
		}
	}
	fetch("no java in PATH")
	program(t, bin, "java", `echo '    java.specification.version = 11'`)
	fetch("is Java 11")
	program(t, bin, "java", `echo '    java.specification.version = 21'`)
	fetch("no mvn in PATH")
	program(t, bin, "mvn", `echo 'the network is down'; exit 1`)
	err := servers.GetDynamoDB(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "the network is down") {
		t.Errorf("want what Maven said, got %v", err)
	}
	if entries, err := os.ReadDir(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "lockproof")); err != nil || len(entries) != 0 {
		t.Errorf("failed fetches left %v, %v", entries, err)
	}
}

func program(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// The real thing takes Maven and the network, so it runs where CI asks for it.
func TestGetDynamoDBFetchesWhatStarts(t *testing.T) {
	if !require.Required("dynamodb") {
		t.Skip("set LOCKPROOF_REQUIRE=dynamodb to fetch DynamoDB Local with Maven")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	steps := 0
	for range 2 {
		if err := servers.GetDynamoDB(t.Context(), func(string) { steps++ }); err != nil {
			t.Fatal(err)
		}
		if !servers.DynamoDBInstalled() || steps < 3 {
			t.Fatalf("after %d steps it is not installed", steps)
		}
	}
	startLocal(t)
}
