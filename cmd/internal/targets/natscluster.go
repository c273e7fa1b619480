package targets

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/harness/target"
)

var natsClusterKind = target.Kind{
	Name: "nats-cluster", Summary: "NATS JetStream key-value, replicated on three servers embedded in this process", Faults: replicated, Open: openNATSCluster,
}

// clusterSize is the smallest number of servers of which one may fail.
const clusterSize = 3

// natsClusterTarget has its clients spread over the servers. A client knows one
// server alone, so that it is cut off while that one is down.
type natsClusterTarget struct {
	natsBucket
	cluster *servers.NATSCluster
}

func openNATSCluster(ctx context.Context, o target.Options) (target.Target, error) {
	cluster, err := servers.StartNATSCluster(ctx, clusterSize)
	if err != nil {
		return nil, err
	}
	t := &natsClusterTarget{cluster: cluster}
	if err := t.prepare(ctx, strings.Join(cluster.URLs(), ","), o, clusterSize); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *natsClusterTarget) Describe() string {
	return fmt.Sprintf("%d embedded nats-servers %s, a bucket with %d replicas", clusterSize, t.version, clusterSize)
}

func (t *natsClusterTarget) url(client int) string {
	urls := t.cluster.URLs()
	return urls[client%len(urls)]
}

func (t *natsClusterTarget) Address(client int) string {
	return strings.TrimPrefix(t.url(client), "nats://")
}

func (t *natsClusterTarget) Connect(ctx context.Context, client int, via string) (*target.Connection, error) {
	if via == "" {
		return t.connect(ctx, client, t.url(client))
	}
	return t.connect(ctx, client, "nats://"+via)
}

func (t *natsClusterTarget) Faults() target.Faults {
	return target.Faults{
		Stop:     func() error { t.cluster.Shutdown(); return nil },
		Start:    func() error { return t.cluster.Start(context.Background()) },
		Failover: t.failover,
	}
}

// failover stops the server that leads the bucket's stream.
func (t *natsClusterTarget) failover() (restore func() error, err error) {
	var leader string
	if err := cleanup(func(ctx context.Context) error {
		js, err := jetstream.New(t.admin)
		if err != nil {
			return err
		}
		stream, err := keepTrying(ctx, pingEvery(t.o), func(ctx context.Context) (jetstream.Stream, error) {
			return js.Stream(ctx, "KV_"+t.o.Container)
		})
		if err == nil {
			leader = stream.CachedInfo().Cluster.Leader
		}
		return err
	}); err != nil {
		return nil, fmt.Errorf("ask for the leader: %w", err)
	}
	if err := t.cluster.ShutdownServer(leader); err != nil {
		return nil, err
	}
	return func() error { return t.cluster.StartServer(context.Background(), leader) }, nil
}

func (t *natsClusterTarget) Close() error { return errors.Join(t.hangUp(false), t.cluster.Stop()) }
