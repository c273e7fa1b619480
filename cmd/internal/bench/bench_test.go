package bench_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// contender opens a lock on a backend for one test.
func contender(t *testing.T, backend, name string, s subjects.Settings) bench.Contender {
	t.Helper()
	c, closeAll, err := bench.OpenContender(t.Context(), backend, name, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closeAll(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// cell returns a cell of a result, which must be sound.
func cell(t *testing.T, r *bench.Result, name string) bench.Cell {
	t.Helper()
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range r.Cells {
		if c.Name == name {
			return c
		}
		names = append(names, c.Name)
	}
	t.Fatalf("there is no cell %s in %v", name, names)
	return bench.Cell{}
}

func metric(t *testing.T, c bench.Cell, name string) bench.Metric {
	t.Helper()
	m, ok := c.Metric(name)
	if !ok {
		t.Fatalf("cell %s has no metric %q: %v", c.Name, name, c.Metrics)
	}
	return m
}

func distribution(t *testing.T, c bench.Cell, name string) bench.Distribution {
	t.Helper()
	d, ok := c.Distribution(name)
	if !ok {
		t.Fatalf("cell %s has no distribution %q", c.Name, name)
	}
	return d
}

func TestAResultSurvivesItsFile(t *testing.T) {
	r, err := bench.MeasureAcquire(t.Context(), bench.AcquireConfig{
		Contender: contender(t, "memory", "reference", subjects.Settings{}), Rounds: 6, Samples: 5, Clients: []int{2}, Duration: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Machine.Cores < 1 || r.Machine.Go == "" || r.Date.IsZero() || r.Incomplete {
		t.Errorf("%+v", r)
	}
	var file, again bytes.Buffer
	if err := r.Write(&file); err != nil {
		t.Fatal(err)
	}
	read, err := bench.Read(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Write(&again); err != nil || !bytes.Equal(file.Bytes(), again.Bytes()) {
		t.Errorf("what was read is not what was written (%v)", err)
	}
}

// slowTarget is a memory store on which the compare-and-swaps of some clients
// take their time.
type slowTarget struct {
	target.Target
	slow func(client int) time.Duration
}

func (s slowTarget) Connect(ctx context.Context, client int, via string) (*target.Connection, error) {
	c, err := s.Target.Connect(ctx, client, via)
	if err == nil {
		c.Store = slowStore{c.Store.(watchable), func() time.Duration { return s.slow(client) }}
	}
	return c, err
}

type watchable interface {
	subjects.RawStore
	lock.Watcher
	lock.Capable
}

type slowStore struct {
	watchable
	delay func() time.Duration
}

func (s slowStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if d := s.delay(); d > 0 {
		time.Sleep(d)
	}
	return s.watchable.CompareAndSwap(ctx, key, old, value)
}

// slow opens the reference lock on a slow memory store.
func slow(t *testing.T, s subjects.Settings, delay func(client int) time.Duration) bench.Contender {
	t.Helper()
	kind, err := targets.Find("memory")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := kind.Open(t.Context(), target.Options{Container: "slow"})
	if err != nil {
		t.Fatal(err)
	}
	subject, err := subjects.Find(subjects.ReferenceName)
	if err != nil {
		t.Fatal(err)
	}
	return bench.NewContender("memory", slowTarget{opened, delay}, subject, s)
}

// blindTarget is a memory store that tells nobody of changes.
type blindTarget struct{ target.Target }

func (b blindTarget) Connect(ctx context.Context, client int, via string) (*target.Connection, error) {
	c, err := b.Target.Connect(ctx, client, via)
	if err == nil {
		c.Store = blindStore{c.Store.(subjects.RawStore)}
	}
	return c, err
}

type blindStore struct{ subjects.RawStore }

func (blindStore) Capabilities() lock.Capabilities { return lock.Capabilities{} }

// polling opens the reference lock on a memory store that must be polled.
func polling(t *testing.T, s subjects.Settings) bench.Contender {
	t.Helper()
	kind, err := targets.Find("memory")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := kind.Open(t.Context(), target.Options{Container: "polling"})
	if err != nil {
		t.Fatal(err)
	}
	subject, err := subjects.Find(subjects.ReferenceName)
	if err != nil {
		t.Fatal(err)
	}
	return bench.NewContender("memory", blindTarget{opened}, subject, s)
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"schema":"lockproof.bench/v1","kind":"acquire","date":"2026-01-01T00:00:00Z","machine":{"os":"linux","arch":"amd64","cores":2,"go":"go1.26"},"cells":[{"name":"nats/reacquire","metrics":[{"name":"acquire/CAS","unit":"x","value":1.1}]}]}`))
	f.Add([]byte(`{"schema":"lockproof.bench/v2"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := bench.Read(b)
		if err != nil {
			return
		}
		var file bytes.Buffer
		if err := r.Write(&file); err != nil {
			t.Fatal(err)
		}
		if _, err := bench.Read(file.Bytes()); err != nil {
			t.Fatal(err)
		}
	})
}
