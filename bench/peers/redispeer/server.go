// Package redispeer has a Redis server, a lock.Store on it for the reference
// lock, and the lock libraries redsync and redislock as contenders.
package redispeer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/lockproof/lockproof/bench/peers/arena"
)

// startTimeout bounds a start.
const startTimeout = 20 * time.Second

// startTries is how often a start is tried on another port: redis-server cannot
// choose a free one, and somebody may take the one that was free a moment ago.
const startTries = 3

// Server is redis-server as a child process, or miniredis inside this process.
type Server struct {
	address  string
	describe string
	stop     func() error
}

// Start starts redis-server if it is installed, and miniredis if it is not. The
// caller calls Stop.
func Start(ctx context.Context) (*Server, error) {
	program, err := exec.LookPath("redis-server")
	if errors.Is(err, exec.ErrNotFound) {
		return StartMini()
	}
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	return StartReal(ctx, program)
}

// quiet switches off go-redis's log, which is one for all clients and would
// print each dial of a crashed client to standard error.
func quiet() { redis.SetLogger(&logging.VoidLogger{}) }

// StartMini starts miniredis, a stand-in that keeps no time of its own: leases
// end because a goroutine tells it every few milliseconds how much has passed.
func StartMini() (*Server, error) {
	quiet()
	mini := miniredis.NewMiniRedis()
	if err := mini.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("redis: miniredis: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var clock sync.WaitGroup
	clock.Go(func() { passTime(ctx, mini) })
	var once sync.Once
	return &Server{
		address:  mini.Addr(),
		describe: "miniredis 2.40.0, a stand-in for Redis inside this process",
		stop: func() error {
			once.Do(func() {
				cancel()
				clock.Wait()
				mini.Close()
			})
			return nil
		},
	}, nil
}

// passTime lets keys expire as time passes, to 5 ms.
func passTime(ctx context.Context, mini *miniredis.Miniredis) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := time.Now()
			mini.FastForward(now.Sub(last))
			last = now
		}
	}
}

// StartReal starts program, a redis-server, on a free port of the loopback
// interface. It keeps nothing on disk, and dies with this process.
func StartReal(ctx context.Context, program string) (*Server, error) {
	quiet()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var err error
	for range startTries {
		var s *Server
		if s, err = startOnce(ctx, program); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("redis: %s: %w", program, err)
}

func startOnce(ctx context.Context, program string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lockproof-redis-")
	if err != nil {
		return nil, err
	}
	child, err := startChild(exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &Server{address: net.JoinHostPort("127.0.0.1", port), stop: func() error {
		child.end()
		return os.RemoveAll(dir)
	}}
	if s.describe, err = s.answers(ctx, child); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// answers waits until the server answers and returns what it is.
func (s *Server) answers(ctx context.Context, child *child) (describe string, err error) {
	client := s.Client(&arena.Line{})
	defer func() { _ = client.Close() }()
	for {
		info, err := client.Info(ctx, "server").Result()
		if err == nil {
			_, rest, _ := strings.Cut(info, "redis_version:")
			version, _, _ := strings.Cut(rest, "\r\n")
			return "redis-server " + version + ", one process, nothing kept on disk", nil
		}
		select {
		case <-child.done:
			return "", fmt.Errorf("it ended: %w; it said: %s", child.err, child.said())
		case <-ctx.Done():
			return "", fmt.Errorf("it does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Describe is the server's name and version, honest about what it is.
func (s *Server) Describe() string { return s.describe }

// Client opens a client of the server whose connections go through line. The
// client's own retries are off: they would make a conflict of a success.
func (s *Server) Client(line *arena.Line) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: s.address, Dialer: line.DialContext, ContextTimeoutEnabled: true, MaxRetries: -1, DisableIdentity: true,
	})
}

// Stop ends the server and removes its directory. It may be called more than
// once.
func (s *Server) Stop() error { return s.stop() }

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

// child is a process that the kernel kills when this one ends (on Linux).
type child struct {
	cmd  *exec.Cmd
	out  strings.Builder // read it once done is closed
	done chan struct{}
	err  error
}

// startChild keeps the thread that starts the process to itself until the
// process has ended, for on Linux that thread's end counts as the parent's.
func startChild(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &c.out, &c.out, 2*time.Second
	dieWithParent(cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

func (c *child) end() {
	_ = c.cmd.Process.Kill()
	<-c.done
}

// said is the end of what an ended process wrote.
func (c *child) said() string {
	s := strings.TrimSpace(c.out.String())
	return s[max(0, len(s)-500):]
}
