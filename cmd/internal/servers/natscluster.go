package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/lockproof/lockproof/internal/tempdir"
)

// natsClusterName is the name of the cluster, and the beginning of its servers'.
const natsClusterName = "lockproof"

// natsClusterTimeout bounds a start whose context has no earlier deadline: an
// election takes some seconds.
const natsClusterTimeout = 30 * time.Second

// NATSCluster is several NATS servers inside this process, which share one
// JetStream: what is kept with three replicas outlives one of them. Its methods
// may be called from any goroutine.
type NATSCluster struct {
	dir *tempdir.Dir

	mu      sync.Mutex
	nodes   []*natsNode
	stopped bool
}

// natsNode is one server of a cluster. Its ports stay, whether or not it runs.
type natsNode struct {
	name        string
	client      int // port
	route       int // port
	dir         string
	server      *server.Server // nil while shut down
	otherRoutes []*url.URL
}

// StartNATSCluster starts so many servers (three at least) on the loopback
// interface and returns once they have agreed on a leader. ctx bounds the start
// (30 seconds at most). Data lives in a temporary directory.
func StartNATSCluster(ctx context.Context, size int) (*NATSCluster, error) {
	if size < 3 {
		return nil, fmt.Errorf("servers: a NATS cluster of %d servers cannot lose one; it takes 3", size)
	}
	dir, err := tempdir.New("nats")
	if err != nil {
		return nil, err
	}
	c := &NATSCluster{dir: dir}
	ports, err := freePorts(2 * size)
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	for i := range size {
		name := fmt.Sprintf("%s-%d", natsClusterName, i)
		c.nodes = append(c.nodes, &natsNode{name: name, client: ports[2*i], route: ports[2*i+1], dir: filepath.Join(dir.Path(), name)})
	}
	for _, n := range c.nodes {
		for _, other := range c.nodes {
			if other != n {
				n.otherRoutes = append(n.otherRoutes, &url.URL{Scheme: "nats", Host: net.JoinHostPort(natsHost, strconv.Itoa(other.route))})
			}
		}
	}
	if err := c.Start(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// freePorts returns ports on the loopback interface that were free a moment ago.
// All are held until all are found, so that they differ.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(natsHost, "0"))
		if err != nil {
			return nil, fmt.Errorf("servers: a free port: %w", err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// URLs are the addresses for clients, one for each server.
func (c *NATSCluster) URLs() []string {
	var urls []string
	for _, n := range c.nodes {
		urls = append(urls, "nats://"+net.JoinHostPort(natsHost, strconv.Itoa(n.client)))
	}
	return urls
}

// Start starts every server that does not run, on its ports and data, and
// returns once the cluster can be used. It fails after Stop.
func (c *NATSCluster) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		if err := c.start(n); err != nil {
			return err
		}
	}
	return c.await(ctx)
}

// StartServer starts the server of that name, and returns once it takes part.
func (c *NATSCluster) StartServer(ctx context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.node(name)
	if err != nil {
		return err
	}
	if err := c.start(n); err != nil {
		return err
	}
	return c.await(ctx)
}

// ShutdownServer stops the server of that name, as reported by a stream's
// cluster info, and keeps its ports and data.
func (c *NATSCluster) ShutdownServer(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.node(name)
	if err == nil {
		n.shutdown()
	}
	return err
}

// Shutdown stops all servers and keeps their ports and data.
func (c *NATSCluster) Shutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		n.shutdown()
	}
}

// Stop shuts down for good and removes all data. It may be called more than
// once.
func (c *NATSCluster) Stop() error {
	c.Shutdown()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	return c.dir.Remove()
}

// node is called with c.mu held.
func (c *NATSCluster) node(name string) (*natsNode, error) {
	for _, n := range c.nodes {
		if n.name == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("servers: the NATS cluster has no server called %q", name)
}

// start is called with c.mu held.
func (c *NATSCluster) start(n *natsNode) error {
	if c.stopped {
		return errNATSStopped
	}
	if n.server != nil {
		return nil
	}
	for _, port := range []int{n.client, n.route} {
		if err := portFree(port); err != nil {
			return err
		}
	}
	srv, err := server.NewServer(&server.Options{
		ServerName: n.name, Host: natsHost, Port: n.client, JetStream: true, StoreDir: n.dir, NoSigs: true,
		DisableShortFirstPing: true,
		Cluster:               server.ClusterOpts{Name: natsClusterName, Host: natsHost, Port: n.route},
		Routes:                n.otherRoutes,
	})
	if err != nil {
		return fmt.Errorf("servers: NATS: %w", err)
	}
	srv.SetLoggerV2(&natsLog{}, false, false, false)
	srv.Start()
	n.server = srv
	return nil
}

func (n *natsNode) shutdown() {
	if n.server == nil {
		return
	}
	n.server.Shutdown()
	n.server.WaitForShutdown()
	n.server = nil
}

// await returns once each running server accepts connections and follows a
// leader of JetStream's meta group. It is called with c.mu held.
func (c *NATSCluster) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, natsClusterTimeout)
	defer cancel()
	for _, n := range c.nodes {
		for n.server != nil && (!n.server.ReadyForConnections(natsReadyPoll) || !n.server.JetStreamIsCurrent()) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("servers: NATS server %s did not join its cluster in time: %w", n.name, context.Cause(ctx))
			case <-time.After(natsReadyPoll):
			}
		}
	}
	return nil
}
