package servers

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
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/cmd/internal/require"
)

const (
	// containerHelperVariable makes this test binary a program that starts a
	// container and waits to be killed.
	containerHelperVariable = "LOCKPROOF_TEST_START_CONTAINER"
	containerPatience       = 30 * time.Second
)

// testEngine returns a client of the machine's engine, if it has the image of
// DynamoDB Local. Without them, the test is skipped in no time.
func testEngine(t *testing.T) *dockerClient {
	t.Helper()
	engine, err := dynamoDBImage.engine(t.Context())
	require.Server(t, "docker", err)
	t.Cleanup(func() { engine.Close() })
	require.Server(t, "docker", dynamoDBImage.present(t.Context(), engine))
	return engine
}

// removed waits until the engine knows no such container.
func removed(t *testing.T, engine *dockerClient, id string) {
	t.Helper()
	for end := time.Now().Add(containerPatience); time.Now().Before(end); time.Sleep(containerPoll) {
		if _, err := engine.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{}); errdefs.IsNotFound(err) {
			return
		}
	}
	t.Fatal("still there: " + id)
}

func TestNoEngineIsMissing(t *testing.T) {
	silent, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, c := range []struct{ name, docker, host, says string }{
		{"switched off", "off", "", "LOCKPROOF_DOCKER"},
		{"no socket", "", "unix:///nonexistent/docker.sock", "/nonexistent/docker.sock"},
		{"no such address", "require", "no such thing", "no such thing"},
		{"a socket that is silent", "", "unix://" + silent.Addr().String(), "no Docker engine answers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("LOCKPROOF_DOCKER", c.docker)
			t.Setenv("DOCKER_HOST", c.host)
			_, err := dynamoDBImage.startContainer(t.Context(), 0)
			var missing *MissingError
			if !errors.As(err, &missing) || missing.Server != "dynamodb" || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("want one line of a MissingError with %q, got %v", c.says, err)
			}
		})
	}
	t.Setenv("LOCKPROOF_DOCKER", "off")
	if err := GetImage(t.Context(), "dynamodb", nil); !isMissing(err) {
		t.Errorf("want a MissingError, got %v", err)
	}
}

func TestDockerVariableIsValidated(t *testing.T) {
	t.Setenv("LOCKPROOF_DOCKER", "perhaps")
	if _, err := dynamoDBImage.startContainer(t.Context(), 0); err == nil || isMissing(err) || !strings.Contains(err.Error(), "perhaps") {
		t.Errorf("want an error that names the value, got %v", err)
	}
}

func TestImageThatNobodyKnowsIsSaid(t *testing.T) {
	if err := GetImage(t.Context(), "paper", nil); err == nil || isMissing(err) || !strings.Contains(err.Error(), "paper") {
		t.Errorf("want an error that names it, got %v", err)
	}
}

func TestEngineOnAnotherMachineIsNotUsed(t *testing.T) {
	for host, want := range map[string]bool{
		"unix:///var/run/docker.sock": true, "npipe:////./pipe/docker_engine": true,
		"tcp://localhost:2375": true, "tcp://127.0.0.1:2375": true, "tcp://[::1]:2375": true,
		"tcp://docker:2375": false, "tcp://10.0.0.1:2376": false, "ssh://me@there": false, "%": false,
	} {
		if got := onThisMachine(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

func TestBothReasonsAreSaid(t *testing.T) {
	t.Setenv("LOCKPROOF_DOCKER", "")
	docker := &MissingError{"x", "no engine", "start Docker"}
	local := &MissingError{"x", "no java", "install java"}
	both := alsoWithoutDocker(docker, local)
	if !isMissing(both) || both.Error() != "servers: x: no java, and no engine; install java; or start Docker" {
		t.Error(both)
	}
	t.Setenv("LOCKPROOF_DOCKER", "off")
	if got := alsoWithoutDocker(docker, local); got != error(local) {
		t.Error(got)
	}
	t.Setenv("LOCKPROOF_DOCKER", "")
	broken := errors.New("broken")
	if got := alsoWithoutDocker(docker, broken); !errors.Is(got, broken) {
		t.Error(got)
	}
}

func TestContainerIsOnLoopbackAndIsRemoved(t *testing.T) {
	engine := testEngine(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	c, err := dynamoDBImage.startContainer(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	id := c.started.GetContainerID()
	inspected, err := engine.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	host, config := inspected.Container.HostConfig, inspected.Container.Config
	if host.Privileged || !host.AutoRemove || config.Labels[containerLabel] != "dynamodb" {
		t.Errorf("privileged %v, removed %v, labels %v", host.Privileged, host.AutoRemove, config.Labels)
	}
	for port, bindings := range inspected.Container.NetworkSettings.Ports {
		for _, b := range bindings {
			if b.HostIP.String() != "127.0.0.1" || "127.0.0.1:"+b.HostPort != c.address {
				t.Errorf("port %s is at %s:%s, want %s", port, b.HostIP, b.HostPort, c.address)
			}
		}
	}
	for range 2 {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	}
	if _, err := engine.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{}); !errdefs.IsNotFound(err) {
		t.Errorf("after stop: %v", err)
	}
	if conn, err := net.Dial("tcp", c.address); err == nil {
		conn.Close()
		t.Error("something still listens at " + c.address)
	}
}

// Which of them run depends on what the engine has: `docker compose
// -f docker/compose.yml pull` gets them all.
func TestEachImageStarts(t *testing.T) {
	testEngine(t)
	for _, i := range images() {
		t.Run(i.server, func(t *testing.T) {
			c, err := i.startContainer(t.Context(), 0)
			if isMissing(err) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", c.address)
			if err != nil {
				t.Error(err)
			} else {
				conn.Close()
			}
			if err := c.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestContainerDiesWithItsParent(t *testing.T) {
	if os.Getenv(containerHelperVariable) != "" {
		c, err := dynamoDBImage.startContainer(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("container " + c.started.GetContainerID())
		select {} // until killed
	}
	engine := testEngine(t)
	parent := exec.Command(os.Args[0], "-test.run=^TestContainerDiesWithItsParent$", "-test.v")
	parent.Env = append(os.Environ(), containerHelperVariable+"=1")
	var stderr childOutput
	parent.Stderr = &stderr
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var id, said string
	for lines := bufio.NewScanner(stdout); id == "" && lines.Scan(); {
		said += lines.Text() + "\n"
		_, id, _ = strings.Cut(lines.Text(), "container ")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	if id == "" {
		t.Fatalf("the parent did not start a container:\n%s%s", said, stderr.String())
	}
	removed(t, engine, id)
	if stderr.String() != "" || strings.Count(said, "\n") != 2 {
		t.Errorf("besides the test's own lines, it wrote:\n%s%s", said, stderr.String())
	}
}

func TestContainerEndsWhenItsServerDoes(t *testing.T) {
	engine := testEngine(t)
	c, err := dynamoDBImage.startContainer(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	}()
	if status, _, err := c.started.Exec(t.Context(), []string{"/bin/sh", "-c", "kill -KILL $(pidof java)"}); err != nil || status != 0 {
		t.Skipf("the image has no pidof: %d, %v", status, err)
	}
	removed(t, engine, c.started.GetContainerID())
}

func TestContainerThatEndsAtOnceSaysWhy(t *testing.T) {
	testEngine(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	i := dynamoDBImage
	i.command = []string{"-no-such-option"}
	for _, line := range []string{"", "what it never says"} {
		if i.readyLine = line; line != "" {
			i.readyPath = "" // waits for the line instead
		}
		_, err := i.startContainer(t.Context(), 0)
		if !errors.Is(err, errContainerEnded) || !strings.Contains(err.Error(), "no-such-option") || !strings.Contains(err.Error(), "LOCKPROOF_DOCKER=off") {
			t.Errorf("want what the server said, and the switch, got %v", err)
		}
	}
}

func TestContainerStartEndsWithItsContext(t *testing.T) {
	engine := testEngine(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	i := dynamoDBImage
	i.readyPath, i.readyLine = "", "what it never says"
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	id := make(chan string, 1)
	go func() {
		id <- aContainer(t, engine)
		cancel(enough)
	}()
	if _, err := i.startContainer(ctx, 0); !errors.Is(err, enough) {
		t.Errorf("want the cause, got %v", err)
	}
	removed(t, engine, <-id)
	if _, err := i.startContainer(ctx, 0); !errors.Is(err, enough) || isMissing(err) {
		t.Errorf("want the cause, got %v", err)
	}
}

// aContainer waits for a container of this test binary to run.
func aContainer(t *testing.T, engine *dockerClient) (id string) {
	for end := time.Now().Add(containerPatience); time.Now().Before(end); time.Sleep(containerPoll) {
		list, err := engine.ContainerList(t.Context(), client.ContainerListOptions{
			Filters: make(client.Filters).Add("label", containerLabel, "org.testcontainers.sessionId="+testcontainers.SessionID()),
		})
		if err == nil && len(list.Items) > 0 {
			return list.Items[0].ID
		}
	}
	t.Error("no container was started")
	return ""
}

func TestContainerPortInUseIsSaid(t *testing.T) {
	testEngine(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, err = dynamoDBImage.startContainer(t.Context(), listener.Addr().(*net.TCPAddr).Port)
	if err == nil || isMissing(err) || !strings.Contains(err.Error(), "already in use") && !strings.Contains(err.Error(), "already allocated") {
		t.Errorf("want what the engine says of the port, got %v", err)
	}
}

func TestImageThatIsNotThereIsMissing(t *testing.T) {
	testEngine(t)
	i := dynamoDBImage
	i.reference = "127.0.0.1:1/lockproof/none:1.0.0" // nothing listens on port 1
	if _, err := i.startContainer(t.Context(), 0); !isMissing(err) || !strings.Contains(err.Error(), "docker pull "+i.reference) {
		t.Errorf("want a MissingError with the command, got %v", err)
	}
	var said []string
	if err := i.pull(t.Context(), func(line string) { said = append(said, line) }); !isMissing(err) || !strings.Contains(err.Error(), "cannot pull "+i.reference) {
		t.Errorf("want a MissingError with the reason, got %v", err)
	}
	if len(said) != 1 || !strings.Contains(said[0], i.reference) {
		t.Errorf("progress was %q", said)
	}
	if err := GetImage(t.Context(), "dynamodb", func(line string) { t.Error("progress: " + line) }); err != nil {
		t.Errorf("of an image that is there: %v", err)
	}
}

func TestGetWithoutAnEngineGetsTheOtherWay(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	fails := &MissingError{"dynamodb", "no java", "install java"}
	for _, c := range []struct {
		docker string
		local  error
		says   string // of the error; "" for none
		lines  int
	}{
		{"", nil, "", 1},
		{"", fails, "no java, and no Docker engine answers", 1},
		{"off", fails, "no java; install java", 0},
		{"require", fails, "no Docker engine answers", 0},
	} {
		t.Setenv("LOCKPROOF_DOCKER", c.docker)
		lines := 0
		err := dynamoDBImage.pullOr(t.Context(), func(string) { lines++ }, func(context.Context, func(string)) error { return c.local })
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) || lines != c.lines {
			t.Errorf("%q: want %q after %d lines, got %v after %d", c.docker, c.says, c.lines, err, lines)
		}
	}
}
