package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

const (
	// containerStartTimeout bounds a start whose context has no earlier deadline.
	containerStartTimeout = 60 * time.Second
	// containerStopTimeout is how long the engine may take to remove one.
	containerStopTimeout = 30 * time.Second
	// containerPoll is how often a container is looked at.
	containerPoll = 50 * time.Millisecond
	// containerLabel marks our containers:
	// docker ps --all --filter label=lockproof.server
	containerLabel = "lockproof.server"
)

// containerScript runs its arguments, and ends when they end or when standard
// input does, whichever is first. Our end of that input is a connection to the
// engine, which the kernel closes when this process dies, however it dies; the
// engine then closes the input. With process 1 all others in the container are
// killed, and the engine removes it. It needs sh and nothing else of the image.
const containerScript = `exec 3<&0
"$@" </dev/null 3<&- &
server=$!
(while read -r ignored; do :; done; kill -KILL $server) <&3 &
exec 3<&-
wait $server`

// runningContainer is a server in a container that ends with this process.
type runningContainer struct {
	image   image
	engine  *dockerClient
	started testcontainers.Container // nil until it was created
	input   *client.HijackedResponse // its standard streams, nil until attached
	out     *childOutput
	drained chan struct{} // closed when the output is read to its end
	address string
	once    sync.Once
	stopErr error
}

// startContainer runs the image on a port of 127.0.0.1, 0 for any free one, and
// returns when the server in it is ready. ctx bounds the start alone. It never
// pulls: an image that is not there, as an engine that is not there, is a
// *MissingError.
func (i image) startContainer(ctx context.Context, hostPort int) (*runningContainer, error) {
	ctx, cancel := context.WithTimeout(ctx, containerStartTimeout)
	defer cancel()
	engine, err := i.engine(ctx)
	if err != nil {
		return nil, err
	}
	c := &runningContainer{image: i, engine: engine, out: &childOutput{}, drained: make(chan struct{})}
	if err := c.start(ctx, hostPort); err != nil {
		if c.input != nil && ctx.Err() == nil {
			c.lastWords()
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		said := c.out.String()
		_ = c.stop()
		switch {
		case isMissing(err):
			return nil, err
		case said != "":
			err = fmt.Errorf("%w; it said:\n%s", err, said)
		}
		return nil, i.broken(err)
	}
	return c, nil
}

func (c *runningContainer) start(ctx context.Context, hostPort int) error {
	if err := c.image.present(ctx, c.engine); err != nil {
		return err
	}
	inspected, err := c.engine.ImageInspect(ctx, c.image.reference)
	if err != nil {
		return err
	}
	if inspected.Config == nil {
		return errors.New("the image has no configuration")
	}
	command := slices.Concat(inspected.Config.Entrypoint, c.image.command)
	port, err := network.ParsePort(c.image.exposed())
	if err != nil {
		return err
	}
	memory := make(map[string]string)
	for _, folder := range c.image.memory {
		memory[folder] = "rw"
	}
	request := testcontainers.GenericContainerRequest{
		Started: true,
		Logger:  tclog.NewNoopLogger(),
		ContainerRequest: testcontainers.ContainerRequest{
			Image:        c.image.reference,
			Entrypoint:   []string{"/bin/sh", "-c", containerScript, "lockproof"},
			Cmd:          command,
			ExposedPorts: []string{c.image.exposed()},
			Tmpfs:        memory,
			Labels:       map[string]string{containerLabel: c.image.server},
			WaitingFor:   readiness{c.image.ready(), c.drained},
			ConfigModifier: func(config *container.Config) {
				config.OpenStdin, config.StdinOnce, config.AttachStdin = true, true, true
			},
			HostConfigModifier: func(config *container.HostConfig) {
				config.AutoRemove = true
				config.PortBindings = network.PortMap{port: {{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(hostPort)}}}
			},
			LifecycleHooks: []testcontainers.ContainerLifecycleHooks{{
				PostCreates: []testcontainers.ContainerHook{c.attach},
			}},
		},
	}
	started, err := testcontainers.GenericContainer(ctx, request)
	c.started = started
	if err != nil {
		return err
	}
	mapped, err := started.MappedPort(ctx, c.image.exposed())
	if err != nil {
		return err
	}
	c.address = net.JoinHostPort("127.0.0.1", mapped.Port())
	return nil
}

// attach connects to the container's streams before it is started, so that from
// its first moment on it ends with this process.
func (c *runningContainer) attach(ctx context.Context, created testcontainers.Container) error {
	c.started = created
	attached, err := c.engine.ContainerAttach(ctx, created.GetContainerID(), client.ContainerAttachOptions{
		Stream: true, Stdin: true, Stdout: true, Stderr: true,
	})
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	c.input = &attached.HijackedResponse
	// It ends when the container does, or when stop closes the connection; stop
	// waits for it.
	go func() {
		defer close(c.drained)
		_, _ = stdcopy.StdCopy(c.out, c.out, attached.Reader)
	}()
	return nil
}

// lastWords waits for the output of a container that has ended, for a moment.
func (c *runningContainer) lastWords() {
	select {
	case <-c.drained:
	case <-time.After(childGrace):
	}
}

// stop ends the container and returns when it is removed. It may be called more
// than once.
func (c *runningContainer) stop() error {
	c.once.Do(func() {
		if err := c.remove(); err != nil {
			c.stopErr = c.image.broken(err)
		}
	})
	return c.stopErr
}

func (c *runningContainer) remove() error {
	defer c.engine.Close()
	if c.input != nil {
		c.input.Close()
		<-c.drained
	}
	if c.started == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), containerStopTimeout)
	defer cancel()
	// The engine may be removing it already; that is not an error here.
	if err := testcontainers.TerminateContainer(c.started, testcontainers.StopContext(ctx), testcontainers.StopTimeout(0)); err != nil {
		return err
	}
	tick := time.NewTicker(containerPoll)
	defer tick.Stop()
	for {
		_, err := c.engine.ContainerInspect(ctx, c.started.GetContainerID(), client.ContainerInspectOptions{})
		switch {
		case errdefs.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("container %.12s is still there: %w", c.started.GetContainerID(), context.Cause(ctx))
		}
	}
}

// exposed is the port as Docker writes it.
func (i image) exposed() string { return strconv.Itoa(int(i.port)) + "/tcp" }
