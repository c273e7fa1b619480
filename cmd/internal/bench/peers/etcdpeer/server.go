// Package etcdpeer has an embedded etcd, a lock.Store on it for the reference
// lock, and etcd's own concurrency.Mutex as a contender.
package etcdpeer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/internal/tempdir"
)

// startTimeout bounds a start whose context has no deadline.
const startTimeout = 30 * time.Second

// dialTimeout bounds how long a new client waits for its connection.
const dialTimeout = 10 * time.Second

// Server is an etcd of one member inside this process, on a free port of the
// loopback interface and with a temporary directory. Writes are synced to disk
// before they are acknowledged, as etcd always does.
type Server struct {
	etcd     *embed.Etcd
	endpoint string
	dir      *tempdir.Dir
	stop     sync.Once
	stopped  error
}

// Start starts a server and returns once it serves. ctx bounds the start (30 s
// if it has no deadline). The caller calls Stop.
func Start(ctx context.Context) (*Server, error) {
	dir, err := tempdir.New("etcd")
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	s := &Server{dir: dir}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("etcd: %w", err), s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	anywhere, err := url.Parse("http://127.0.0.1:0")
	if err != nil {
		return err
	}
	config := embed.NewConfig()
	config.Dir = filepath.Join(s.dir.Path(), "data")
	config.Name = "lockproof"
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*anywhere}, []url.URL{*anywhere}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*anywhere}, []url.URL{*anywhere}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	if s.etcd, err = embed.StartEtcd(config); err != nil {
		return err
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
	case err := <-s.etcd.Err():
		return err
	case <-ctx.Done():
		return fmt.Errorf("it did not become ready: %w", context.Cause(ctx))
	}
	s.endpoint = "http://" + s.etcd.Clients[0].Addr().String()
	return nil
}

// Describe is the server's name and version.
func (s *Server) Describe() string {
	return "embedded etcd " + version.Version + ", one member, every write synced"
}

// Client opens a client of the server whose connections go through line.
func (s *Server) Client(line *arena.Line) (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{s.endpoint},
		DialTimeout: dialTimeout,
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(dialer(line)), grpc.WithBlock()}, //nolint:staticcheck // the only way to know that it is connected
		Logger:      zap.NewNop(),
	})
	if err != nil {
		return nil, fmt.Errorf("etcd: client of %s: %w", s.endpoint, err)
	}
	return client, nil
}

// dialer is line's dialer as gRPC wants it.
func dialer(line *arena.Line) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		return line.DialContext(ctx, "tcp", address)
	}
}

// Stop ends the server and removes its directory. It may be called more than
// once.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		if s.etcd != nil {
			s.etcd.Close()
		}
		s.stopped = s.dir.Remove()
	})
	return s.stopped
}
