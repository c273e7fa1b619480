// Package natspeer has the contenders on an embedded NATS server: the reference
// lock on its backend, and the model of natslock's protocol.
package natspeer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/backends/nats"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// publishedTTL is the bucket's in natslock's documentation. Its loop has no
// published period; publishedPoll is ours.
const (
	publishedTTL  = time.Hour
	publishedPoll = time.Second
)

// ourBucket holds the reference lock's records; natslock needs a bucket for each
// length of a lease, for there the bucket's age limit is the lease.
const ourBucket = "lockproof"

// requestTimeout bounds one request of natslock.
const requestTimeout = 2 * time.Second

// Arena starts a server and names its contenders. ttl is the lease of those
// with the same settings.
func Arena(ctx context.Context, ttl time.Duration) (*arena.Server, error) {
	srv, err := servers.StartNATS(ctx, servers.NATSConfig{})
	if err != nil {
		return nil, err
	}
	s := &site{srv: srv}
	if err := s.prepare(ctx, ttl); err != nil {
		return nil, errors.Join(err, srv.Stop())
	}
	same := arena.SameFor(ttl)
	published := s.natslock(arena.Published, arena.Lease{TTL: publishedTTL, RenewEvery: publishedPoll, PollEvery: publishedPoll})
	published.NoFailover = "its documentation gives the bucket a TTL of an hour"
	return &arena.Server{
		Name: "nats", Describe: "embedded NATS server " + s.version + ", one server, synced every two minutes (its default)", Stop: srv.Stop,
		Contenders: []arena.Contender{
			s.ours(arena.Published, arena.OurDefaults().Watching()),
			published,
			s.ours(arena.Same, same.Watching()),
			s.natslock(arena.Same, same),
		},
	}, nil
}

// site is the server with its buckets.
type site struct {
	srv     *servers.NATS
	version string
}

// connect opens a connection that line cuts.
func (s *site) connect(name string, line *arena.Line) (*natsgo.Conn, jetstream.JetStream, error) {
	conn, err := s.srv.Connect(name, natsgo.SetCustomDialer(line))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, js, nil
}

func (s *site) prepare(ctx context.Context, ttl time.Duration) error {
	conn, js, err := s.connect("prepare", &arena.Line{})
	if err != nil {
		return err
	}
	defer conn.Close()
	s.version = conn.ConnectedServerVersion()
	if err := nats.CreateBucket(ctx, js, nats.BucketConfig{Bucket: ourBucket}); err != nil {
		return err
	}
	for _, d := range []time.Duration{ttl, publishedTTL} {
		if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: natslockBucket(d), TTL: d}); err != nil {
			return fmt.Errorf("natslock's bucket: %w", err)
		}
	}
	return nil
}

func natslockBucket(ttl time.Duration) string {
	return "natslock-" + strconv.FormatInt(ttl.Milliseconds(), 10)
}

func (s *site) ours(settings arena.Settings, l arena.Lease) arena.Contender {
	return arena.Contender{
		Lock: arena.Ours, Settings: settings, Lease: l,
		Open: func(ctx context.Context, owner string) (arena.Client, error) {
			line := &arena.Line{}
			conn, js, err := s.connect(owner, line)
			if err != nil {
				return nil, err
			}
			store, err := nats.Open(ctx, js, nats.Config{Bucket: ourBucket})
			if err != nil {
				conn.Close()
				return nil, err
			}
			return arena.NewOurs(store, owner, l, line.Cut, func() {
				store.Close()
				conn.Close()
			})
		},
	}
}

func (s *site) natslock(settings arena.Settings, l arena.Lease) arena.Contender {
	return arena.Contender{
		Lock: "natslock", Module: "a model of the protocol of natslock v0.1.1, not the library itself", Settings: settings, Lease: l,
		Notes: []string{"two can hold it at once: Get, then Put without a condition", "the period of its loop is its user's; " + l.PollEvery.String() + " here"},
		Open: func(ctx context.Context, owner string) (arena.Client, error) {
			line := &arena.Line{}
			conn, js, err := s.connect(owner, line)
			if err != nil {
				return nil, err
			}
			locker, err := newNATSLock(ctx, js, owner, l)
			if err != nil {
				conn.Close()
				return nil, err
			}
			return &natslockClient{Locker: locker, line: line, conn: conn}, nil
		},
	}
}

// natslockClient remembers its leases: the loop of one that was never released
// would go on for ever.
type natslockClient struct {
	subjects.Locker
	line *arena.Line
	conn *natsgo.Conn

	mu     sync.Mutex
	leases []subjects.Lease
}

func (c *natslockClient) Acquire(ctx context.Context, name string, o subjects.Options) (subjects.Lease, error) {
	l, err := c.Locker.Acquire(ctx, name, o)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leases = append(c.leases, l)
	return l, nil
}

func (c *natslockClient) Crash() { c.line.Cut() }

func (c *natslockClient) Close() {
	c.conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.leases {
		_ = l.Release(ctx) // does nothing to one that was released
	}
}

// newNATSLock is the subject natslock on a bucket whose age limit is l.TTL.
func newNATSLock(ctx context.Context, js jetstream.JetStream, owner string, l arena.Lease) (subjects.Locker, error) {
	bucket, err := js.KeyValue(ctx, natslockBucket(l.TTL))
	if err != nil {
		return nil, err
	}
	subject, err := subjects.Find("natslock")
	if err != nil {
		return nil, err
	}
	return subject.New(subjects.Env{
		Owner: owner, Store: &plainBucket{bucket: bucket}, Runtime: lock.SystemRuntime{}, Monotonic: lock.SystemRuntime{}.Now,
		Settings: subjects.Settings{TTL: l.TTL, RenewEvery: l.RenewEvery, PollEvery: l.PollEvery, RequestTimeout: requestTimeout},
		Wall:     func() time.Duration { return time.Duration(time.Now().UnixNano()) },
		Observe:  nobody{},
	})
}

type nobody struct{}

func (nobody) RenewInvoked(subjects.Lease)               {}
func (nobody) RenewReturned(subjects.Lease, error, bool) {}

// plainBucket is a bucket as natslock uses it. Its conditional writes are never
// called.
type plainBucket struct{ bucket jetstream.KeyValue }

var errUnconditional = errors.New("natslock does not write with a condition")

func (b *plainBucket) Get(ctx context.Context, key string) (lock.Record, error) {
	entry, err := b.bucket.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return lock.Record{}, lock.ErrNotFound
	}
	if err != nil {
		return lock.Record{}, err
	}
	return lock.Record{Value: entry.Value(), Revision: revision(entry.Revision())}, nil
}

func (b *plainBucket) Put(ctx context.Context, key string, value []byte) (lock.Revision, error) {
	sequence, err := b.bucket.Put(ctx, key, value)
	if err != nil {
		return "", err
	}
	return revision(sequence), nil
}

func (b *plainBucket) Remove(ctx context.Context, key string) error { return b.bucket.Purge(ctx, key) }

func (b *plainBucket) CompareAndSwap(context.Context, string, lock.Revision, []byte) (lock.Revision, error) {
	return "", errUnconditional
}

func (b *plainBucket) Delete(context.Context, string, lock.Revision) error { return errUnconditional }

func revision(sequence uint64) lock.Revision {
	return lock.Revision(strconv.FormatUint(sequence, 10))
}
