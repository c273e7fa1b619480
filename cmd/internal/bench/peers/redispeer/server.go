// Package redispeer has a Redis server, a lock.Store on it for the reference
// lock, and the lock libraries redsync and redislock as contenders.
package redispeer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/internal/tempdir"
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
	dir, err := tempdir.New("redis")
	if err != nil {
		return nil, err
	}
	process, err := servers.StartProcess(exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--dir", dir.Path(),
		"--save", "", "--appendonly", "no", "--daemonize", "no"))
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	s := &Server{address: net.JoinHostPort("127.0.0.1", port), stop: func() error {
		process.Stop()
		return dir.Remove()
	}}
	if s.describe, err = s.answers(ctx, process); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// answers waits until the server answers and returns what it is.
func (s *Server) answers(ctx context.Context, process *servers.Process) (describe string, err error) {
	client := s.Client(&arena.Line{})
	defer func() { _ = client.Close() }()
	for {
		info, err := client.Info(ctx, "server").Result()
		if err == nil {
			_, rest, _ := strings.Cut(info, "redis_version:")
			version, _, _ := strings.Cut(rest, "\r\n")
			return "redis-server " + version + ", one process, nothing kept on disk", nil
		}
		if err := process.Ended(); err != nil {
			return "", err
		}
		select {
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
