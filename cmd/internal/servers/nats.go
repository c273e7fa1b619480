package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/lockproof/lockproof/internal/tempdir"
)

// natsURLVariable names the environment variable by which users point a
// program at a NATS server of their own.
const natsURLVariable = "NATS_URL"

// natsHost is the only interface on which an embedded server listens.
const natsHost = "127.0.0.1"

// natsStartTimeout bounds a start whose context has no deadline.
const natsStartTimeout = 15 * time.Second

// natsReadyPoll is how often a starting server is asked whether it is ready.
const natsReadyPoll = 25 * time.Millisecond

// errNATSStopped is returned by what needs a server that Stop has ended.
var errNATSStopped = errors.New("servers: the NATS server was stopped for good")

// NATSURL returns the value of the environment variable NATS_URL, the server
// that the user wants used instead of an embedded one, or "".
func NATSURL() string { return os.Getenv(natsURLVariable) }

// NATSConfig configures an embedded NATS server. The zero value works.
type NATSConfig struct {
	// Port on 127.0.0.1; 0 lets the system choose a free one. The port stays
	// the same across Shutdown, Start and Restart.
	Port int
	// StoreDir is where JetStream keeps its data. If it is empty, the server
	// makes a temporary directory and Stop removes it; a directory that the
	// caller names is left alone.
	StoreDir string
	// SyncAlways syncs every write to disk before it is acknowledged
	// (sync_interval: always). The server's own default syncs every two
	// minutes, and loses what came after the last sync if the machine dies.
	SyncAlways bool
}

func (c NATSConfig) validate() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("servers: NATSConfig.Port %d is not between 0 and 65535", c.Port)
	}
	return nil
}

// NATS is a NATS server with JetStream inside this process. Its methods may be
// called from any goroutine.
type NATS struct {
	config NATSConfig
	dir    string
	own    *tempdir.Dir // nil if the caller named dir

	mu      sync.Mutex
	port    int            // fixed by the first start
	server  *server.Server // nil while shut down
	stopped bool
}

// StartNATS starts a server and returns once it answers. ctx bounds the start
// (15 seconds if it has no deadline), not the server's life: call Stop.
//
// A port in use is reported as such, before anything is started.
func StartNATS(ctx context.Context, config NATSConfig) (*NATS, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	n := &NATS{config: config, dir: config.StoreDir, port: config.Port}
	if n.dir == "" {
		dir, err := tempdir.New("nats")
		if err != nil {
			return nil, err
		}
		n.dir, n.own = dir.Path(), dir
	}
	if err := n.Start(ctx); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

// URL is the address for clients, nats://127.0.0.1:port.
func (n *NATS) URL() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return "nats://" + net.JoinHostPort(natsHost, strconv.Itoa(n.port))
}

// Connect opens a client connection of its own, called name in the server's
// lists. It reconnects for ever, every 50 ms, and prints nothing when it breaks
// (the client library's default is to print to standard error): what was under
// way reports that. opts are applied last and may change all this. The caller
// closes the connection.
func (n *NATS) Connect(name string, opts ...nats.Option) (*nats.Conn, error) {
	defaults := []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(50 * time.Millisecond),
		nats.ReconnectJitter(10*time.Millisecond, 10*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
	url := n.URL()
	conn, err := nats.Connect(url, append(defaults, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("servers: connect %q to NATS at %s: %w", name, url, err)
	}
	return conn, nil
}

// Start starts a server that was shut down, on the same port and data. It does
// nothing to a server that runs, and fails after Stop.
func (n *NATS) Start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopped {
		return errNATSStopped
	}
	if n.server != nil {
		return nil
	}
	if err := portFree(n.port); err != nil {
		return err
	}
	log := &natsLog{}
	srv, err := server.NewServer(n.options())
	if err != nil {
		return fmt.Errorf("servers: NATS: %w", err)
	}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start()
	if err := waitReady(ctx, srv, log); err != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
		return err
	}
	n.server = srv
	n.port = srv.Addr().(*net.TCPAddr).Port
	return nil
}

// Shutdown stops the server and keeps its port and data for Start. Clients see
// their connections close. It does nothing to a server that is not running.
func (n *NATS) Shutdown() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shutdown()
}

// Restart is Shutdown followed by Start.
func (n *NATS) Restart(ctx context.Context) error {
	n.Shutdown()
	return n.Start(ctx)
}

// Stop shuts the server down for good and removes the directory that it made.
// It may be called more than once.
func (n *NATS) Stop() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shutdown()
	if n.stopped {
		return nil
	}
	n.stopped = true
	if n.own == nil {
		return nil
	}
	return n.own.Remove()
}

// shutdown is called with n.mu held.
func (n *NATS) shutdown() {
	if n.server == nil {
		return
	}
	n.server.Shutdown()
	n.server.WaitForShutdown()
	n.server = nil
}

// options are built anew for each start: the server keeps and changes them.
func (n *NATS) options() *server.Options {
	port := n.port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return &server.Options{
		ServerName:            "lockproof",
		Host:                  natsHost,
		Port:                  port,
		JetStream:             true,
		StoreDir:              n.dir,
		SyncAlways:            n.config.SyncAlways,
		NoSigs:                true,
		DisableShortFirstPing: true,
	}
}

// waitReady returns nil once srv accepts connections, or says why it does not.
func waitReady(ctx context.Context, srv *server.Server, log *natsLog) error {
	ctx, cancel := context.WithTimeout(ctx, natsStartTimeout)
	defer cancel()
	for !srv.ReadyForConnections(natsReadyPoll) {
		if line := log.fatal(); line != "" {
			return fmt.Errorf("servers: NATS did not start: %s", line)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("servers: NATS did not start in time: %w", context.Cause(ctx))
		}
	}
	return nil
}

// portFree tells of a port in use in one line. The server itself would only
// log it and never become ready.
func portFree(port int) error {
	if port == 0 {
		return nil
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(natsHost, strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("servers: NATS port %d on %s is not free: %w; stop what holds it, or set Port 0 for a free one", port, natsHost, err)
	}
	return listener.Close()
}

// natsLog is the server's logger: silent, but it keeps the first fatal line,
// which is the reason why a server did not start.
type natsLog struct {
	mu    sync.Mutex
	first string
}

func (l *natsLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == "" {
		l.first = fmt.Sprintf(format, v...)
	}
}

func (l *natsLog) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

func (l *natsLog) Noticef(string, ...any) {}
func (l *natsLog) Warnf(string, ...any)   {}
func (l *natsLog) Errorf(string, ...any)  {}
func (l *natsLog) Debugf(string, ...any)  {}
func (l *natsLog) Tracef(string, ...any)  {}
