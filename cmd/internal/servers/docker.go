package servers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// dockerVariable names the environment variable that decides over Docker:
//
//	off      never asked
//	require  a server that Docker cannot run is not started in another way
//
// Unset or empty, Docker comes after the user's own server and before the way
// without Docker.
const dockerVariable = "LOCKPROOF_DOCKER"

const (
	// dockerAnswerTimeout bounds the question whether an engine is there. One
	// that is there answers it in milliseconds.
	dockerAnswerTimeout = 2 * time.Second
	ryukVariable        = "TESTCONTAINERS_RYUK_DISABLED"
)

// dockerClient talks to the engine that testcontainers uses.
type dockerClient = testcontainers.DockerClient

// engine returns a client of this machine's Docker engine, which the caller
// closes, or a *MissingError within two seconds. On a machine without Docker
// that takes no time: no socket is there to be asked.
func (i image) engine(ctx context.Context) (*dockerClient, error) {
	missing := func(detail, remedy string) error { return &MissingError{i.server, detail, remedy} }
	switch value := os.Getenv(dockerVariable); value {
	case "", "require":
	case "off":
		return nil, missing("Docker is switched off by "+dockerVariable, "unset "+dockerVariable)
	default:
		return nil, fmt.Errorf("servers: %s is %q, and may be off, require or unset", dockerVariable, value)
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, dockerAnswerTimeout)
	defer cancel()
	host, err := answeringHost(ctx)
	if caller.Err() != nil {
		return nil, context.Cause(caller)
	}
	if err != nil {
		return nil, missing("no Docker engine answers ("+oneLine(err)+")", "start Docker")
	}
	if !onThisMachine(host) {
		return nil, missing("the Docker engine at "+host+" publishes ports on its own loopback interface, not on this one",
			"set "+i.variable+" to a server that you started there")
	}
	engine, err := testcontainersClient(ctx)
	if err != nil {
		return nil, i.broken(err)
	}
	if within(ctx, engine) {
		_ = engine.Close()
		return nil, missing("this process runs in a container itself, where ports published on loopback are not seen",
			"set "+i.variable+" to a server that you started beside it")
	}
	return engine, nil
}

// broken is for what is there and does not work. It is not a *MissingError.
func (i image) broken(err error) error {
	return fmt.Errorf("servers: %s in Docker: %w (set %s=off to do without Docker)", i.server, err, dockerVariable)
}

// answeringHost returns the address of the first engine that answers.
// Testcontainers would look at the same places, but it has no limit on the time
// that this takes, and remembers a failure for the rest of the process.
func answeringHost(ctx context.Context) (string, error) {
	hosts := dockerHosts()
	if len(hosts) == 0 {
		return "", errors.New("there is no socket of one, and DOCKER_HOST is not set")
	}
	var failed []error
	for _, host := range hosts {
		if err := ping(ctx, host); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", host, err))
			continue
		}
		return host, nil
	}
	return "", errors.Join(failed...)
}

func ping(ctx context.Context, host string) error {
	c, err := client.New(client.FromEnv, client.WithHost(host))
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Ping(ctx, client.PingOptions{})
	return err
}

// dockerHosts returns DOCKER_HOST if that is set, and otherwise the sockets at
// which Docker and Docker without root are found.
func dockerHosts() []string {
	if host := os.Getenv(client.EnvOverrideHost); host != "" {
		return []string{host}
	}
	if runtime.GOOS == "windows" {
		return []string{client.DefaultDockerHost}
	}
	sockets := []string{strings.TrimPrefix(client.DefaultDockerHost, "unix://")}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		sockets = append(sockets, filepath.Join(dir, "docker.sock"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		sockets = append(sockets, filepath.Join(home, ".docker", "run", "docker.sock"), filepath.Join(home, ".docker", "desktop", "docker.sock"))
	}
	sockets = append(sockets, fmt.Sprintf("/run/user/%d/docker.sock", os.Getuid()))
	var hosts []string
	for _, socket := range sockets {
		if _, err := os.Stat(socket); err == nil {
			hosts = append(hosts, "unix://"+socket)
		}
	}
	return hosts
}

// within reports whether this process runs in a container of that engine, and
// there behind an interface of its own. A container's host name is the start of
// its id, unless somebody chose another one.
func within(ctx context.Context, engine *dockerClient) bool {
	name, err := os.Hostname()
	if err != nil {
		return false
	}
	found, err := engine.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	return err == nil && strings.HasPrefix(found.Container.ID, name) &&
		found.Container.HostConfig != nil && !found.Container.HostConfig.NetworkMode.IsHost()
}

// onThisMachine reports whether the engine's address is one of this machine, so
// that 127.0.0.1 is the same to both.
func onThisMachine(host string) bool {
	u, err := url.Parse(host)
	if err != nil {
		return false
	}
	if u.Scheme == "unix" || u.Scheme == "npipe" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// testcontainersOnce guards the settings that testcontainers reads once.
var testcontainersOnce sync.Mutex

// testcontainersClient connects as testcontainers does, in silence and without
// Ryuk. Ryuk is a container that removes others once their program is gone; its
// image would have to be pulled too, and it would be given the engine's socket.
// Our containers watch for themselves (see containerScript). Testcontainers
// takes this setting from the environment alone, once for a process; a user's
// own TESTCONTAINERS_RYUK_DISABLED is left as it is.
func testcontainersClient(ctx context.Context) (*dockerClient, error) {
	testcontainersOnce.Lock()
	defer testcontainersOnce.Unlock()
	if _, set := os.LookupEnv(ryukVariable); !set {
		if err := os.Setenv(ryukVariable, "true"); err != nil {
			return nil, err
		}
		defer func() { _ = os.Unsetenv(ryukVariable) }()
	}
	said := tclog.Default()
	tclog.SetDefault(tclog.NewNoopLogger())
	defer tclog.SetDefault(said)
	testcontainers.ReadConfig()
	return testcontainers.NewDockerClientWithOpts(ctx)
}

// pullImage pulls without credentials: the images are public.
func pullImage(ctx context.Context, engine *dockerClient, reference string, progress func(line string)) error {
	pull, err := engine.ImagePull(ctx, reference, client.ImagePullOptions{})
	if err != nil {
		return err
	}
	defer pull.Close()
	for message, err := range pull.JSONMessages(ctx) {
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case message.Error != nil:
			return message.Error
		case message.Status == "Pull complete" || message.Status == "Already exists":
			progress("layer " + message.ID + ": " + strings.ToLower(message.Status))
		}
	}
	return nil
}

// isMissing reports whether err says that something is not there.
func isMissing(err error) bool {
	var missing *MissingError
	return errors.As(err, &missing)
}

// alsoWithoutDocker joins the reasons why a server could be started neither in
// Docker nor without it. If one of them is not that something is missing, it is
// the error; who has switched Docker off is not told of it.
func alsoWithoutDocker(docker, local error) error {
	if dockerOff() {
		return local
	}
	var first, second *MissingError
	if !errors.As(local, &second) || !errors.As(docker, &first) {
		return cmp.Or(local, docker)
	}
	return &MissingError{second.Server, second.Detail + ", and " + first.Detail, second.Remedy + "; or " + first.Remedy}
}

// dockerOff reports whether LOCKPROOF_DOCKER forbids Docker.
func dockerOff() bool { return os.Getenv(dockerVariable) == "off" }

// dockerOnly reports whether LOCKPROOF_DOCKER forbids other ways.
func dockerOnly() bool { return os.Getenv(dockerVariable) == "require" }

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
