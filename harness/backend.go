package harness

import (
	"context"
	"fmt"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/backends/nats"
	"github.com/lockproof/lockproof/servers"
	"github.com/lockproof/lockproof/subjects"
)

// backend is a kind of world that a scenario can run in.
type backend struct {
	name    string
	summary string
	open    func(ctx context.Context, o openOptions) (server, error) // nil for the simulator
}

// openOptions say what a run needs of a server.
type openOptions struct {
	// bucketTTL: the store must expire what was not written for so long.
	bucketTTL time.Duration
	// bucket names the data of this run.
	bucket string
	// pingEvery is how often a client asks whether its connection still lives.
	pingEvery time.Duration
}

// server is a real store, started or found, that clients connect to.
type server interface {
	// describe names the server and its version.
	describe() string
	// address is where a proxy goes to; "" if the store is in this process.
	address() string
	// connect gives a client a connection of its own, through the address via
	// if there is a proxy.
	connect(ctx context.Context, client int, via string) (subjects.RawStore, func(), error)
	// stop and start are for faults of the store; nil functions if it cannot be
	// stopped.
	faults() (stop, start func() error)
	close() error
}

func backends() []backend {
	return []backend{
		{BackendSim, "the deterministic simulator", nil},
		{"memory", "a store in this process, in real time", openMemory},
		{"nats", "NATS JetStream key-value: NATS_URL, or a server embedded in this process", openNATS},
	}
}

// Backends lists the worlds that a scenario can run in.
func Backends() []string {
	var names []string
	for _, b := range backends() {
		names = append(names, b.name)
	}
	return names
}

// DescribeBackend is one line about a backend.
func DescribeBackend(name string) string {
	b, err := findBackend(name)
	if err != nil {
		return ""
	}
	return b.summary
}

// CheckBackend says what there is if name is not among it.
func CheckBackend(name string) error {
	_, err := findBackend(name)
	return err
}

func findBackend(name string) (backend, error) {
	for _, b := range backends() {
		if b.name == name {
			return b, nil
		}
	}
	return backend{}, fmt.Errorf("unknown backend %q; there are %s", name, strings.Join(Backends(), ", "))
}

// memoryServer is a store in this process: no network, so no network faults but
// those of the store wrapper.
type memoryServer struct{ store *memory.Store }

func openMemory(_ context.Context, o openOptions) (server, error) {
	if o.bucketTTL > 0 {
		return nil, fmt.Errorf("the memory store cannot expire keys by itself, which this subject needs")
	}
	return memoryServer{memory.New()}, nil
}

func (m memoryServer) describe() string { return "in-process memory store" }
func (m memoryServer) address() string  { return "" }
func (m memoryServer) connect(context.Context, int, string) (subjects.RawStore, func(), error) {
	return m.store, func() {}, nil
}
func (m memoryServer) faults() (stop, start func() error) { return nil, nil }
func (m memoryServer) close() error                       { return nil }

// natsServer is an embedded NATS server, or one that the user named.
type natsServer struct {
	embedded *servers.NATS // nil if the user named one
	url      string
	o        openOptions
	admin    *natsgo.Conn
	version  string
}

func openNATS(ctx context.Context, o openOptions) (server, error) {
	s := &natsServer{o: o, url: servers.NATSURL()}
	if s.url == "" {
		embedded, err := servers.StartNATS(ctx, servers.NATSConfig{})
		if err != nil {
			return nil, err
		}
		s.embedded, s.url = embedded, embedded.URL()
	}
	if err := s.prepare(ctx); err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

// prepare makes the bucket.
func (s *natsServer) prepare(ctx context.Context) error {
	conn, err := natsgo.Connect(s.url, natsgo.Name("lockproof"), natsgo.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("nats at %s: %w", s.url, err)
	}
	s.admin, s.version = conn, conn.ConnectedServerVersion()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	if s.o.bucketTTL > 0 {
		_, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: s.o.bucket, TTL: s.o.bucketTTL})
		return err
	}
	return nats.CreateBucket(ctx, js, nats.BucketConfig{Bucket: s.o.bucket})
}

func (s *natsServer) describe() string {
	if s.embedded != nil {
		return "embedded nats-server " + s.version
	}
	return "nats-server " + s.version + " at " + s.url
}

func (s *natsServer) address() string {
	address := strings.TrimPrefix(s.url, "nats://")
	return address[strings.LastIndex(address, "@")+1:]
}

func (s *natsServer) connect(ctx context.Context, client int, via string) (subjects.RawStore, func(), error) {
	conn, err := natsgo.Connect("nats://"+via,
		natsgo.Name(ownerName(client)), natsgo.MaxReconnects(-1), natsgo.ReconnectWait(20*time.Millisecond),
		natsgo.RetryOnFailedConnect(true), natsgo.Timeout(2*s.o.pingEvery), natsgo.PingInterval(s.o.pingEvery),
		natsgo.MaxPingsOutstanding(2), natsgo.ReconnectBufSize(-1), natsgo.IgnoreDiscoveredServers(),
		natsgo.ErrorHandler(func(*natsgo.Conn, *natsgo.Subscription, error) {}),
	)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	store, err := s.openStore(ctx, js)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return store, func() {
		conn.Close()
		store.Close()
	}, nil
}

// openStore keeps asking for the bucket: a client that starts in the middle of a
// partition has to wait as any other.
func (s *natsServer) openStore(ctx context.Context, js jetstream.JetStream) (*nats.Store, error) {
	for {
		try, cancel := context.WithTimeout(ctx, 2*s.o.pingEvery)
		store, err := nats.Open(try, js, nats.Config{Bucket: s.o.bucket, AllowUnsafe: s.o.bucketTTL > 0})
		cancel()
		if err == nil || ctx.Err() != nil {
			return store, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *natsServer) faults() (stop, start func() error) {
	if s.embedded == nil {
		return nil, nil
	}
	return func() error { s.embedded.Shutdown(); return nil },
		func() error { return s.embedded.Start(context.Background()) }
}

func (s *natsServer) close() error {
	if s.admin != nil {
		if s.embedded == nil {
			s.dropBucket()
		}
		s.admin.Close()
	}
	if s.embedded != nil {
		return s.embedded.Stop()
	}
	return nil
}

// dropBucket leaves a user's server as it was found.
func (s *natsServer) dropBucket() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if js, err := jetstream.New(s.admin); err == nil {
		_ = js.DeleteKeyValue(ctx, s.o.bucket)
	}
}
