package docstore_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	gocloud "gocloud.dev/docstore"
	awsdynamodb "gocloud.dev/docstore/awsdynamodb/v2"
	"gocloud.dev/docstore/gcpfirestore"

	"github.com/lockproof/lockproof/backends/docstore"
	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/lock"
)

// noJitter draws nothing: these tests ask the proxy for no jitter.
type noJitter struct{}

func (noJitter) Choose(string, uint64) uint64 { return 0 }

func proxyTo(t *testing.T, address string) *live.Proxy {
	t.Helper()
	p, err := live.NewProxy(address, live.ProxyConfig{Choices: live.NewChoices(noJitter{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// behindProxy opens a store beside a proxy and one through it.
func behindProxy(t *testing.T, d driver) (beside, behind *docstore.Store, p *live.Proxy) {
	t.Helper()
	opener := d.fresh(t)
	if d.address() == "" {
		t.Skip("it has no connection that could be cut")
	}
	p = proxyTo(t, d.address())
	return open(t, opener(t, ""), d.config), open(t, opener(t, p.Addr()), d.config), p
}

// The AWS SDK sends the write again, which meets its own first try: the version
// in the document tells. Firestore's client does not repeat it, or does: either
// way the outcome must not be a conflict, nor a definite error.
func TestAWriteWhoseReplyWasLostIsNoConflict(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		beside, behind, proxy := behindProxy(t, d)
		var revision lock.Revision
		for round, write := range []func() (lock.Revision, error){
			func() (lock.Revision, error) { return behind.CompareAndSwap(t.Context(), "k", "", []byte("0")) },
			func() (lock.Revision, error) { return behind.CompareAndSwap(t.Context(), "k", revision, []byte("1")) },
			func() (lock.Revision, error) { return "", behind.Delete(t.Context(), "k", revision) },
		} {
			done := proxy.CutReplyAfter(0)
			got, err := write()
			t.Logf("write %d: %v", round, err)
			if err != nil && lock.Definite(err) {
				t.Fatalf("write %d: %v", round, err)
			}
			<-done
			record, readErr := beside.Get(t.Context(), "k")
			if round == 2 {
				if !errors.Is(readErr, lock.ErrNotFound) {
					t.Errorf("after the delete: %q, %v", record.Value, readErr)
				}
				return
			}
			if readErr != nil || string(record.Value) != fmt.Sprint(round) || err == nil && record.Revision != got {
				t.Fatalf("after write %d: %q at %q, %v; the write returned %q", round, record.Value, record.Revision, readErr, got)
			}
			revision = record.Revision
		}
	})
}

// What the package's documentation says turns the drivers' retries off does: the
// write stays as open as it is.
func TestWithoutRetriesALostReplyIsIndefinite(t *testing.T) {
	// The first byte back over HTTP/2 may be the connection's own and not the
	// answer's, so the connection may be cut before the write was carried out.
	const overHTTP2 = true
	lost := func(t *testing.T, coll *gocloud.Collection, config docstore.Config, proxy *live.Proxy, http2 bool) {
		behind := open(t, coll, config)
		done := proxy.CutReplyAfter(0)
		_, err := behind.CompareAndSwap(t.Context(), "k", "", []byte("v"))
		if err == nil || lock.Definite(err) {
			t.Errorf("a write whose reply was lost: %v", err)
		}
		<-done
		record, err := behind.Get(t.Context(), "k")
		if http2 && errors.Is(err, lock.ErrNotFound) {
			return
		}
		if err != nil || string(record.Value) != "v" {
			t.Errorf("afterwards: %q, %v", record.Value, err)
		}
	}
	t.Run("awsdynamodb", func(t *testing.T) {
		d, table := onDynamoDB(), makeTable(t, "")
		proxy := proxyTo(t, d.address())
		client, closeIdle := dynamo.Connect("http://" + proxy.Addr())
		t.Cleanup(closeIdle)
		client = sdk.New(client.Options(), func(o *sdk.Options) { o.Retryer = aws.NopRetryer{} })
		coll, err := awsdynamodb.OpenCollection(client, table, "ID", "", nil)
		lost(t, closing(t, coll, err), d.config, proxy, !overHTTP2)
	})
	t.Run("gcpfirestore", func(t *testing.T) {
		d := onFirestore()
		d.fresh(t) // skips where there is no emulator
		proxy := proxyTo(t, d.address())
		client := firestoreClient(t, proxy.Addr())
		client.CallOptions.Commit = nil
		coll, err := gcpfirestore.OpenCollection(client, gcpfirestore.CollectionResourceID("lockproof", "once-"+rand.Text()), "ID", nil)
		lost(t, closing(t, coll, err), d.config, proxy, overHTTP2)
	})
}
