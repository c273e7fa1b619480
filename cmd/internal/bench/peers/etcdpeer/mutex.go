package etcdpeer

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// defaultTTL is concurrency's default for a Session (session.go).
const defaultTTL = 60 * time.Second

// mutexClient is one process with one Session, as etcd's documentation has it:
// a Session's lease keeps all the keys of its mutexes. The client renews it at
// a third of its length (client/v3/lease.go).
type mutexClient struct {
	client  *clientv3.Client
	line    *arena.Line
	session *concurrency.Session
}

// newMutexClient opens the session. Its length is in whole seconds: etcd's
// protocol has no others.
func newMutexClient(s *Server, l arena.Lease) (*mutexClient, error) {
	line := &arena.Line{}
	client, err := s.Client(line)
	if err != nil {
		return nil, err
	}
	session, err := concurrency.NewSession(client, concurrency.WithTTL(int(l.TTL/time.Second)))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("etcd: session: %w", err), client.Close())
	}
	return &mutexClient{client: client, line: line, session: session}, nil
}

func (m *mutexClient) Crash() { m.line.Cut() }

func (m *mutexClient) Close() {
	m.session.Orphan()
	_ = m.client.Close() // a crashed client has nothing left to close in good order
}

// Acquire locks a Mutex of its own for each grant: one Mutex must not be used
// by two goroutines. A second Acquire of one name in one session would be
// granted at once, for a Mutex belongs to its session.
func (m *mutexClient) Acquire(ctx context.Context, name string, o subjects.Options) (subjects.Lease, error) {
	mutex := concurrency.NewMutex(m.session, "mutex/"+name)
	if !o.Try {
		if err := mutex.Lock(ctx); err != nil {
			return nil, err
		}
		return m.lease(mutex), nil
	}
	err := mutex.TryLock(ctx)
	if errors.Is(err, concurrency.ErrLocked) {
		return nil, &lock.HeldError{Name: name}
	}
	if err != nil {
		return nil, err
	}
	return m.lease(mutex), nil
}

func (m *mutexClient) lease(mutex *concurrency.Mutex) *mutexLease {
	return &mutexLease{mutex: mutex, session: m.session, token: uint64(mutex.Header().Revision)}
}

type mutexLease struct {
	mutex   *concurrency.Mutex
	session *concurrency.Session
	token   uint64
}

// Token is the store's revision at the grant, which rises with every write and
// so with every grant. The Mutex has no token, but its Header is there for this.
func (l *mutexLease) Token() uint64 { return l.token }

// ValidUntil: a Session does not tell until when its lease is good.
func (l *mutexLease) ValidUntil() (time.Duration, bool) { return 0, false }

// Lost is the session's context: it ends when the client knows that the lease
// is gone, or has not been able to renew it for its length.
func (l *mutexLease) Lost() context.Context { return l.session.Ctx() }

func (l *mutexLease) Release(ctx context.Context) error { return l.mutex.Unlock(ctx) }
