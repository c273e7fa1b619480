package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mongoDBURIVariable names the environment variable by which users point a
// program at a MongoDB of their own.
const mongoDBURIVariable = "MONGODB_URI"

const (
	// mongoDBStartTimeout bounds a start whose context has no earlier deadline.
	mongoDBStartTimeout = 60 * time.Second
	// mongoDBStopTimeout bounds how long a server may take to save its data.
	mongoDBStopTimeout = 30 * time.Second
	// mongoDBReadyPoll is how often a starting server is looked at.
	mongoDBReadyPoll = 20 * time.Millisecond
	// mongoDBHeap is far more than the records of any test.
	mongoDBHeap = "256m"
)

// errMongoDBStopped is returned by what needs a server that Stop has ended.
var errMongoDBStopped = errors.New("servers: the MongoDB server was stopped for good")

// errMongoDBNotOurs is returned by what would stop a server of the user's own.
var errMongoDBNotOurs = errors.New("servers: the MongoDB that " + mongoDBURIVariable + " names is not ours to stop")

// MongoDBURI returns the value of MONGODB_URI, the server that the user wants
// used ("mongodb://127.0.0.1:27017"), or "".
func MongoDBURI() string { return os.Getenv(mongoDBURIVariable) }

// MongoDBConfig configures a server that is started here. The zero value works.
type MongoDBConfig struct {
	// Port on 127.0.0.1; 0 lets the system choose a free one. The port stays
	// the same across Shutdown, Start and Restart.
	Port int
	// ChangeStreams makes mongo-java-server keep an oplog in memory, without
	// which its change streams are always empty. It looks through all of it each
	// time that a stream asks, so this is for tests that are short.
	ChangeStreams bool
}

func (c MongoDBConfig) validate() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("servers: MongoDBConfig.Port %d is not between 0 and 65535", c.Port)
	}
	return nil
}

// MongoDB is a server that speaks MongoDB's protocol: the user's own, or a
// mongo-java-server that this process started. Its methods may be called from
// any goroutine.
type MongoDB struct {
	config   MongoDBConfig
	own      string            // the URI of the user's, or of the one in Docker, or ""
	box      *runningContainer // of the one in Docker
	describe string
	address  string // of the user's own: the primary
	dir      string // of a local one: where it saves its data when shut down

	mu      sync.Mutex
	port    int    // of a local one, fixed by the first start
	local   *child // nil for the user's own, and while shut down
	stopped bool
}

// StartMongoDB returns the server that MONGODB_URI names if that is set, and
// otherwise starts one, once it answers: MongoDB in Docker, as a replica set of
// one, if an engine answers that has the image, else mongo-java-server as a
// child process (LOCKPROOF_DOCKER is as in StartDynamoDB). That
// one keeps its data in memory, and across Shutdown and Start. ctx bounds the
// start (one minute at most), not the server's life: call Stop. The server also
// ends with this process, however this process ends.
//
// If there is neither, the error is a *MissingError. Nothing is fetched here.
func StartMongoDB(ctx context.Context, config MongoDBConfig) (*MongoDB, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, mongoDBStartTimeout)
	defer cancel()
	if uri := MongoDBURI(); uri != "" {
		return useMongoDB(ctx, config, uri)
	}
	m, noDocker := startMongoContainer(ctx, config)
	if noDocker == nil || !isMissing(noDocker) || dockerOnly() {
		return m, noDocker
	}
	m, err := startMongoJava(ctx, config)
	if err != nil {
		return nil, alsoWithoutDocker(noDocker, err)
	}
	return m, nil
}

func startMongoJava(ctx context.Context, config MongoDBConfig) (*MongoDB, error) {
	if _, err := mongoJavaRelease().installation(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lockproof-mongodb-")
	if err != nil {
		return nil, fmt.Errorf("servers: mongo-java-server's directory: %w", err)
	}
	m := &MongoDB{
		config: config, dir: dir, port: config.Port,
		describe: "mongo-java-server " + MongoJavaServerVersion + " (wire-compatible, not MongoDB)",
	}
	if err := m.Start(ctx); err != nil {
		return nil, errors.Join(err, m.Stop())
	}
	return m, nil
}

// Start starts a local server that was shut down, on the same port and data. It
// does nothing to a server that runs or is the user's own, and fails after Stop.
func (m *MongoDB) Start(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.stopped:
		return errMongoDBStopped
	case m.own != "" || m.local != nil:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, mongoDBStartTimeout)
	defer cancel()
	if err := m.launch(); err != nil {
		return err
	}
	if err := m.waitReady(ctx); err != nil {
		m.local.stop()
		m.local = nil
		return fmt.Errorf("servers: mongo-java-server did not start: %w", err)
	}
	// It has loaded its data and needs no files. Removed at once, the directory
	// is not left behind when this process is killed.
	_ = os.RemoveAll(m.dir)
	return nil
}

// launch is called with m.mu held.
func (m *MongoDB) launch() error {
	release := mongoJavaRelease()
	install, err := release.installation()
	if err != nil {
		return err
	}
	java, err := release.findJava()
	if err != nil {
		return err
	}
	oplog := "none"
	if m.config.ChangeStreams {
		oplog = "oplog"
	}
	cmd := exec.Command(java, "-XX:-UsePerfData", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx"+mongoDBHeap,
		"-cp", install+string(os.PathListSeparator)+filepath.Join(install, "*"),
		"Launcher", strconv.Itoa(m.port), m.saved(), oplog)
	if m.local, err = startChild(cmd); err != nil {
		return fmt.Errorf("servers: mongo-java-server: %w", err)
	}
	return nil
}

func (m *MongoDB) saved() string { return filepath.Join(m.dir, "data.mv") }

// waitReady returns nil once the server answers, or says why it does not. It is
// called with m.mu held.
func (m *MongoDB) waitReady(ctx context.Context) error {
	tick := time.NewTicker(mongoDBReadyPoll)
	defer tick.Stop()
	for {
		if said, found := m.local.out.after("lockproof: listening on "); found {
			port, err := strconv.Atoi(said)
			if err != nil {
				return fmt.Errorf("it listens on %q: %w", said, err)
			}
			m.port = port
			return pinged(ctx, localClientOptions(m.port, ""), nil)
		}
		if err := m.local.ended(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w; it said:\n%s", context.Cause(ctx), m.local.out)
		}
	}
}

// Address is host:port of the server, for a proxy; of the primary where it is a
// replica set of the user's own.
func (m *MongoDB) Address() string {
	if m.own != "" {
		return m.address
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return localAddress(m.port)
}

func localAddress(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Describe says in a few words what the server is.
func (m *MongoDB) Describe() string { return m.describe }

// Local reports whether the server is one that was started here.
func (m *MongoDB) Local() bool { return m.own == "" || m.box != nil }

// Restarts reports whether Shutdown and Start keep address and data: so it is
// for mongo-java-server alone.
func (m *MongoDB) Restarts() bool { return m.own == "" }

// URI is what clients connect with. via, if not empty, takes the place of the
// server's address, for a proxy ("127.0.0.1:4000"); the client then asks for no
// other members of a replica set. A certificate of the server's, if it has one,
// will not be for that name.
func (m *MongoDB) URI(via string) string {
	switch {
	case m.own == "":
		if via == "" {
			via = m.Address()
		}
		return "mongodb://" + via + "/?directConnection=true"
	case via == "":
		return m.own
	}
	return uriVia(m.own, via)
}

// Connect returns a client with connections of its own, and what closes them.
// via is as in URI. The client's settings are the driver's defaults, or those of
// the user's URI.
func (m *MongoDB) Connect(via string) (client *mongo.Client, closeAll func(), err error) {
	o := options.Client()
	if m.own == "" {
		m.mu.Lock()
		o = localClientOptions(m.port, via)
		m.mu.Unlock()
	} else if o.ApplyURI(m.own); via != "" {
		o.SetHosts([]string{via}).SetDirect(true)
	}
	client, err = mongo.Connect(o)
	if err != nil {
		return nil, nil, fmt.Errorf("servers: MongoDB: %w", err)
	}
	return client, func() { disconnect(client) }, nil
}

func localClientOptions(port int, via string) *options.ClientOptions {
	if via == "" {
		via = localAddress(port)
	}
	return options.Client().SetHosts([]string{via}).SetDirect(true)
}

// disconnect does not wait for connections that are in use: they are closed.
func disconnect(client *mongo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), childGrace)
	defer cancel()
	_ = client.Disconnect(ctx)
}

// Shutdown stops a local server in an orderly way and keeps its port and data
// for Start. Clients see their connections close. It does nothing to a server
// that is not running, and fails for the user's own.
func (m *MongoDB) Shutdown() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.own != "":
		return errMongoDBNotOurs
	case m.local == nil:
		return nil
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return fmt.Errorf("servers: mongo-java-server's directory: %w", err)
	}
	local := m.local
	m.local = nil
	defer local.stop()
	if _, err := local.stdin.Write([]byte("save\n")); err != nil {
		return fmt.Errorf("servers: mongo-java-server's shutdown: %w", err)
	}
	deadline := time.NewTimer(mongoDBStopTimeout)
	defer deadline.Stop()
	select {
	case <-local.done:
	case <-deadline.C:
		return fmt.Errorf("servers: mongo-java-server did not stop within %v; it said:\n%s", mongoDBStopTimeout, local.out)
	}
	if _, err := os.Stat(m.saved()); local.err != nil || err != nil {
		return fmt.Errorf("servers: mongo-java-server did not save its data: %w; it said:\n%s", errors.Join(local.err, err), local.out)
	}
	return nil
}

// Restart is Shutdown followed by Start.
func (m *MongoDB) Restart(ctx context.Context) error {
	if err := m.Shutdown(); err != nil {
		return err
	}
	return m.Start(ctx)
}

// Stop ends a server that was started here, with its data, and leaves the user's
// own alone. It returns when the process is gone and may be called more than
// once.
func (m *MongoDB) Stop() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.box != nil {
		return m.box.stop()
	}
	if m.own != "" || m.stopped {
		return nil
	}
	m.stopped = true
	if m.local != nil {
		m.local.stop()
		m.local = nil
	}
	if err := os.RemoveAll(m.dir); err != nil {
		return fmt.Errorf("servers: mongo-java-server's directory: %w", err)
	}
	return nil
}
