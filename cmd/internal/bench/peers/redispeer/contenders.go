package redispeer

import (
	"context"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
)

// Modules of the contenders, as go.mod pins them.
const (
	redsyncModule   = "github.com/go-redsync/redsync/v4 v4.18.1"
	redislockModule = "github.com/bsm/redislock v0.9.4"
)

// Arena starts a server and names its contenders. ttl is the lease of those
// with the same settings.
func Arena(ctx context.Context, ttl time.Duration) (*arena.Server, error) {
	s, err := Start(ctx)
	if err != nil {
		return nil, err
	}
	return Contenders(s, ttl), nil
}

// Contenders are those of a server that runs.
func Contenders(s *Server, ttl time.Duration) *arena.Server {
	same := arena.SameFor(ttl)
	published := arena.Lease{TTL: redsyncTTL, RenewEvery: redsyncTTL / 3, PollEvery: redsyncPoll}
	return &arena.Server{
		Name: "redis", Describe: s.Describe(), Stop: s.Stop,
		Contenders: []arena.Contender{
			ours(s, arena.Published, arena.OurDefaults()),
			redsyncOn(s, arena.Published, published),
			ours(s, arena.Same, same),
			redsyncOn(s, arena.Same, same),
			redislockOn(s, same),
		},
		Notes: []string{"redis: redislock has no published lease or retry to measure; it is measured with the same settings only"},
	}
}

func ours(s *Server, settings arena.Settings, l arena.Lease) arena.Contender {
	return arena.Contender{
		Lock: arena.Ours, Settings: settings, Lease: l,
		Notes: []string{"on a Store of two scripts over Redis hashes, part of the comparison; it polls"},
		Open: func(_ context.Context, owner string) (arena.Client, error) {
			line := &arena.Line{}
			client := s.Client(line)
			return arena.NewOurs(NewStore(client, "lockproof:"), owner, l, line.Cut, func() { _ = client.Close() })
		},
	}
}

func redsyncOn(s *Server, settings arena.Settings, l arena.Lease) arena.Contender {
	return arena.Contender{
		Lock: "redsync", Module: redsyncModule, Settings: settings, Lease: l,
		Notes: []string{"on one Redis; renewed by Extend at a third of the lease, and Lock called again after its 32 tries: the library does neither"},
		Open: func(context.Context, string) (arena.Client, error) {
			return newRedsync(s, settings, l), nil
		},
	}
}

func redislockOn(s *Server, l arena.Lease) arena.Contender {
	return arena.Contender{
		Lock: "redislock", Module: redislockModule, Settings: arena.Same, Lease: l,
		Notes: []string{"renewed by Refresh at a third of the lease, with LinearBackoff: the library has neither by default"},
		Open: func(context.Context, string) (arena.Client, error) {
			return newRedislock(s, l), nil
		},
	}
}
