package servers_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/cmd/internal/servers"
)

func startCluster(t *testing.T) *servers.NATSCluster {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	c, err := servers.StartNATSCluster(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(os.Getenv("TMPDIR"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
	return c
}

func connectCluster(t *testing.T, c *servers.NATSCluster) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(strings.Join(c.URLs(), ","), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// eventually repeats f, which may fail while a leader is elected.
func eventually(t *testing.T, what string, f func(ctx context.Context) error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := f(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// What three servers keep outlives the loss of the one that leads.
func TestAClusterOutlivesItsLeader(t *testing.T) {
	c := startCluster(t)
	js := connectCluster(t, c)
	var kv jetstream.KeyValue
	eventually(t, "create a bucket", func(ctx context.Context) (err error) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "b", Replicas: 3})
		return err
	})
	eventually(t, "write", func(ctx context.Context) error {
		_, err := kv.Put(ctx, "k", []byte("kept"))
		return err
	})
	leader := streamLeader(t, js)
	if err := c.ShutdownServer(leader); err != nil {
		t.Fatal(err)
	}
	eventually(t, "read without the leader", func(ctx context.Context) error {
		e, err := kv.Get(ctx, "k")
		if err == nil && string(e.Value()) != "kept" {
			t.Fatalf("the value became %q", e.Value())
		}
		return err
	})
	if now := streamLeader(t, js); now == leader {
		t.Errorf("the leader is %s still, which was shut down", now)
	}
	if err := c.StartServer(t.Context(), leader); err != nil {
		t.Fatal(err)
	}
	c.Shutdown()
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "read after a restart of all", func(ctx context.Context) error {
		_, err := kv.Get(ctx, "k")
		return err
	})
}

func streamLeader(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	var leader string
	eventually(t, "ask for the leader", func(ctx context.Context) error {
		s, err := js.Stream(ctx, "KV_b")
		if err == nil {
			leader = s.CachedInfo().Cluster.Leader
		}
		return err
	})
	return leader
}

func TestAClusterRefuses(t *testing.T) {
	if _, err := servers.StartNATSCluster(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "takes 3") {
		t.Errorf("2 servers: %v", err)
	}
	c := startCluster(t)
	if err := c.ShutdownServer("nobody"); err == nil || !strings.Contains(err.Error(), `"nobody"`) {
		t.Errorf("an unknown server: %v", err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err == nil {
		t.Error("started after Stop")
	}
}
