package kubepeer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// electionSettings are the three of LeaderElectionConfig.
type electionSettings struct {
	duration, deadline, retry time.Duration
}

// publishedElection is what the core components use (leaderelection.go names
// these values as their defaults).
func publishedElection() electionSettings {
	return electionSettings{duration: 15 * time.Second, deadline: 10 * time.Second, retry: 2 * time.Second}
}

// sameElection are the reference lock's settings as far as they fit: the lease
// of ttl, renewed every third of it. RenewDeadline must lie between 1.2 x
// RetryPeriod and LeaseDuration, and LeaseDuration is written in whole seconds.
func sameElection(ttl time.Duration) (electionSettings, error) {
	if ttl < 2*time.Second || ttl%time.Second != 0 {
		return electionSettings{}, fmt.Errorf("kubernetes: a lease of %s: leader election writes it in whole seconds; at least 2 of them here", ttl)
	}
	return electionSettings{duration: ttl, deadline: ttl * 2 / 3, retry: ttl / 3}, nil
}

// lease is what the measurements need to know. A candidate waits RetryPeriod
// and up to 1.2 times that on top (wait.JitterUntil with JitterFactor).
func (e electionSettings) lease() arena.Lease {
	return arena.Lease{TTL: e.duration, RenewEvery: e.retry, PollEvery: e.retry + e.retry*12/10}
}

// electionClient is one candidate. A grant is one LeaderElector: Acquire runs it
// until it leads, Release cancels it and waits for its end.
type electionClient struct {
	client   *clientset.Clientset
	line     *arena.Line
	owner    string
	settings electionSettings

	mu       sync.Mutex
	attempts int
	running  sync.WaitGroup
	stops    []context.CancelFunc
}

func (c *electionClient) Crash() { c.line.Cut() }

// Close ends the electors that still run. What they hold is left to run out.
func (c *electionClient) Close() {
	c.line.Cut()
	c.mu.Lock()
	stops := c.stops
	c.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	c.running.Wait()
}

// Acquire: with opts.Try it looks at the Lease first, as leader election has no
// single try. NoRenewal is not to be had.
func (c *electionClient) Acquire(ctx context.Context, name string, o subjects.Options) (subjects.Lease, error) {
	if o.Try {
		if err := c.free(ctx, name); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	c.attempts++
	id := fmt.Sprintf("%s-%d", c.owner, c.attempts)
	c.mu.Unlock()
	leads := make(chan context.Context, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: objectName(name)},
			Client:     c.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: id},
		},
		LeaseDuration: c.settings.duration, RenewDeadline: c.settings.deadline, RetryPeriod: c.settings.retry,
		ReleaseOnCancel: true, Name: name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { leads <- ctx },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return nil, err
	}
	l := c.start(elector)
	select {
	case l.leading = <-leads:
		return l, nil
	case <-l.done:
		return nil, fmt.Errorf("the elector of %q ended before it led", name)
	case <-ctx.Done():
		l.stop()
		<-l.done
		return nil, context.Cause(ctx)
	}
}

func objectName(name string) string { return "election-" + name }

// free returns nil if nobody holds the Lease, or its holder's time is over.
func (c *electionClient) free(ctx context.Context, name string) error {
	found, err := c.client.CoordinationV1().Leases(namespace).Get(ctx, objectName(name), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if holder, held := holderOf(found); held {
		return &lock.HeldError{Name: name, Owner: holder}
	}
	return nil
}

func holderOf(l *coordinationv1.Lease) (holder string, held bool) {
	s := l.Spec
	if s.HolderIdentity == nil || *s.HolderIdentity == "" || s.RenewTime == nil || s.LeaseDurationSeconds == nil {
		return "", false
	}
	until := s.RenewTime.Add(time.Duration(*s.LeaseDurationSeconds) * time.Second)
	return *s.HolderIdentity, time.Now().Before(until)
}

// start runs an elector with its log switched off.
func (c *electionClient) start(elector *leaderelection.LeaderElector) *electionLease {
	ctx, stop := context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	l := &electionLease{stop: stop, done: make(chan struct{})}
	c.mu.Lock()
	c.stops = append(c.stops, stop)
	c.mu.Unlock()
	c.running.Go(func() {
		defer close(l.done)
		elector.Run(ctx)
	})
	return l
}

type electionLease struct {
	leading context.Context
	stop    context.CancelFunc
	done    chan struct{}
}

// Token: a Lease counts its transitions, which leader election does not hand to
// the leader.
func (l *electionLease) Token() uint64 { return 0 }

// ValidUntil: the leader is given no such instant.
func (l *electionLease) ValidUntil() (time.Duration, bool) { return 0, false }

func (l *electionLease) Lost() context.Context { return l.leading }

// Release cancels the election and waits until the elector has given the Lease
// back. Whether that worked, it only logs.
func (l *electionLease) Release(ctx context.Context) error {
	l.stop()
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
