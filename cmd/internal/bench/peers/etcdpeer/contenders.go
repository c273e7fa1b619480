package etcdpeer

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/version"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
)

// Arena starts a server and names its contenders. ttl is the lease of those
// with the same settings: whole seconds, at least 2, which is the least that an
// etcd with its default election timeout grants.
func Arena(ctx context.Context, ttl time.Duration) (*arena.Server, error) {
	if ttl < 2*time.Second || ttl%time.Second != 0 {
		return nil, fmt.Errorf("etcd: a lease of %s: it must be whole seconds, at least 2 (a shorter one is granted as 2 s)", ttl)
	}
	s, err := Start(ctx)
	if err != nil {
		return nil, err
	}
	same := arena.SameFor(ttl).Watching()
	published := arena.Lease{TTL: defaultTTL, RenewEvery: defaultTTL / 3}
	return &arena.Server{
		Name: "etcd", Describe: s.Describe(), Stop: s.Stop,
		Contenders: []arena.Contender{
			ours(s, arena.Published, arena.OurDefaults().Watching()),
			mutex(s, arena.Published, published),
			ours(s, arena.Same, same),
			mutex(s, arena.Same, same),
		},
	}, nil
}

func ours(s *Server, settings arena.Settings, l arena.Lease) arena.Contender {
	return arena.Contender{
		Lock: arena.Ours, Settings: settings, Lease: l,
		Notes: []string{"on a Store over etcd's transactions (ModRevision), part of the comparison"},
		Open: func(_ context.Context, owner string) (arena.Client, error) {
			line := &arena.Line{}
			client, err := s.Client(line)
			if err != nil {
				return nil, err
			}
			return arena.NewOurs(NewStore(client, "lockproof/"), owner, l, line.Cut, func() { _ = client.Close() })
		},
	}
}

func mutex(s *Server, settings arena.Settings, l arena.Lease) arena.Contender {
	return arena.Contender{
		Lock: "etcd-mutex", Module: "go.etcd.io/etcd/client/v3/concurrency " + version.Version, Settings: settings, Lease: l,
		Notes: []string{"one Session per client, opened before anything is timed; its length is in whole seconds"},
		Open: func(context.Context, string) (arena.Client, error) {
			return newMutexClient(s, l)
		},
	}
}
