package targets

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/backends/nats"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/harness/target"
)

var natsKind = target.Kind{
	Name: "nats", Summary: "NATS JetStream key-value: NATS_URL, or a server embedded in this process", Faults: wired, Open: openNATS,
}

// natsTarget is an embedded NATS server, or one that the user named.
type natsTarget struct {
	natsBucket
	embedded *servers.NATS // nil if the user named one
	url      string
}

func openNATS(ctx context.Context, o target.Options) (target.Target, error) {
	t := &natsTarget{url: servers.NATSURL()}
	if t.url == "" {
		embedded, err := servers.StartNATS(ctx, servers.NATSConfig{})
		if err != nil {
			return nil, err
		}
		t.embedded, t.url = embedded, embedded.URL()
	}
	if err := t.prepare(ctx, t.url, o, 1); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *natsTarget) Describe() string {
	if t.embedded != nil {
		return "embedded nats-server " + t.version
	}
	return "nats-server " + t.version + " at " + t.url
}

func (t *natsTarget) Address(int) string {
	address := strings.TrimPrefix(t.url, "nats://")
	return address[strings.LastIndex(address, "@")+1:]
}

func (t *natsTarget) Connect(ctx context.Context, client int, via string) (*target.Connection, error) {
	if via == "" {
		return t.connect(ctx, client, t.url)
	}
	return t.connect(ctx, client, "nats://"+via)
}

func (t *natsTarget) Faults() target.Faults {
	if t.embedded == nil {
		return target.Faults{}
	}
	return target.Faults{
		Stop:  func() error { t.embedded.Shutdown(); return nil },
		Start: func() error { return t.embedded.Start(context.Background()) },
	}
}

func (t *natsTarget) Close() error {
	err := t.hangUp(t.embedded == nil)
	if t.embedded != nil {
		err = errors.Join(err, t.embedded.Stop())
	}
	return err
}

// natsBucket is the bucket of a target and how clients reach it, on one server
// or several.
type natsBucket struct {
	o        target.Options
	admin    *natsgo.Conn
	version  string
	replicas int

	floor    sync.Mutex
	hasFloor bool // the bucket of the floors was made
}

// prepare makes the bucket.
func (b *natsBucket) prepare(ctx context.Context, url string, o target.Options, replicas int) error {
	b.o, b.replicas = o, replicas
	conn, err := natsgo.Connect(url, natsgo.Name("lockproof"), natsgo.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("nats at %s: %w", url, err)
	}
	b.admin, b.version = conn, conn.ConnectedServerVersion()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	if o.Expiry > 0 {
		_, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: o.Container, TTL: o.Expiry, Replicas: replicas})
		return err
	}
	return nats.CreateBucket(ctx, js, nats.BucketConfig{Bucket: o.Container, Replicas: replicas})
}

func (b *natsBucket) connect(ctx context.Context, client int, url string) (*target.Connection, error) {
	ping := pingEvery(b.o)
	conn, err := natsgo.Connect(url,
		natsgo.Name(fmt.Sprintf("c%d", client)), natsgo.MaxReconnects(-1), natsgo.ReconnectWait(20*time.Millisecond),
		natsgo.RetryOnFailedConnect(true), natsgo.Timeout(2*ping), natsgo.PingInterval(ping),
		natsgo.MaxPingsOutstanding(2), natsgo.ReconnectBufSize(-1), natsgo.IgnoreDiscoveredServers(),
		natsgo.ErrorHandler(func(*natsgo.Conn, *natsgo.Subscription, error) {}),
	)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	store, err := keepTrying(ctx, 2*ping, func(ctx context.Context) (*nats.Store, error) {
		return nats.Open(ctx, js, nats.Config{Bucket: b.o.Container, AllowUnsafe: b.o.Expiry > 0})
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	floor := func(ctx context.Context, key string) (target.Swap, error) {
		if err := b.makeFloor(ctx, js); err != nil {
			return nil, err
		}
		return natsFloor(ctx, js, floorContainer(b.o), key)
	}
	return &target.Connection{Store: store, Floor: floor, Close: func() {
		conn.Close()
		store.Close()
	}}, nil
}

// makeFloor makes a bucket like that of the locks, the first time.
func (b *natsBucket) makeFloor(ctx context.Context, js jetstream.JetStream) error {
	b.floor.Lock()
	defer b.floor.Unlock()
	if b.hasFloor {
		return nil
	}
	err := nats.CreateBucket(ctx, js, nats.BucketConfig{Bucket: floorContainer(b.o), Replicas: b.replicas})
	b.hasFloor = err == nil
	return err
}

// natsFloor is an update of the library's key-value interface.
func natsFloor(ctx context.Context, js jetstream.JetStream, bucket, key string) (target.Swap, error) {
	kv, err := js.KeyValue(ctx, bucket)
	if err != nil {
		return nil, err
	}
	last, err := kv.Create(ctx, key, []byte("{}"))
	return func(ctx context.Context, value []byte) error {
		next, err := kv.Update(ctx, key, value, last)
		if err == nil {
			last = next
		}
		return err
	}, err
}

// hangUp ends what prepare began, and leaves a user's server as it was found.
func (b *natsBucket) hangUp(drop bool) error {
	if b.admin == nil {
		return nil
	}
	defer b.admin.Close()
	if !drop {
		return nil
	}
	return cleanup(func(ctx context.Context) error {
		js, err := jetstream.New(b.admin)
		if err != nil {
			return err
		}
		buckets := []string{b.o.Container}
		if b.hasFloor {
			buckets = append(buckets, floorContainer(b.o))
		}
		for _, bucket := range buckets {
			if err := js.DeleteKeyValue(ctx, bucket); err != nil {
				return fmt.Errorf("delete bucket %s: %w", bucket, err)
			}
		}
		return nil
	})
}
