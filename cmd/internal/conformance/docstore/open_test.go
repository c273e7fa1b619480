package docstore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	gocloud "gocloud.dev/docstore"
	awsdynamodb "gocloud.dev/docstore/awsdynamodb/v2"
	"gocloud.dev/docstore/memdocstore"

	"github.com/lockproof/lockproof/backends/docstore"
	"github.com/lockproof/lockproof/backends/docstore/consistent"
	"github.com/lockproof/lockproof/lock"
)

// cannotOpen expects Open to refuse and to say all of what.
func cannotOpen(t *testing.T, coll *gocloud.Collection, config docstore.Config, what ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := docstore.Open(ctx, coll, config)
	if !errors.Is(err, lock.ErrRefused) {
		t.Fatalf("want a refusal, got %v", err)
	}
	for _, w := range what {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v: does not say %q", err, w)
		}
	}
}

func empty(t *testing.T, coll *gocloud.Collection) {
	t.Helper()
	all := coll.Query().Get(t.Context())
	defer all.Stop()
	doc := map[string]any{}
	if err := all.Next(t.Context(), doc); err == nil {
		t.Errorf("it left %v", doc)
	}
}

func TestAWrongKeyFieldIsFound(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		coll, config := d.fresh(t)(t, ""), d.config
		config.KeyField = "_id"
		cannotOpen(t, coll, config, `"_id"`, "Config.KeyField")
		empty(t, coll)
	})
}

// Without the right field there would be no revision, and without a revision
// each write would be unconditional.
func TestAWrongRevisionFieldIsFound(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		config := d.config
		config.RevisionField = "Rev"
		cannotOpen(t, d.fresh(t)(t, ""), config, `"Rev"`, "Config.RevisionField")
	})
}

func TestFieldsMayHaveOtherNames(t *testing.T) {
	coll := inMemory(t, "_id", &memdocstore.Options{RevisionField: "Rev"})
	keepsTheContract(t, open(t, coll, docstore.Config{KeyField: "_id", RevisionField: "Rev"}), nil)
}

func TestReadsThatMayBeStaleAreRefused(t *testing.T) {
	coll := onDynamoDB().fresh(t)(t, "")
	cannotOpen(t, coll, docstore.Config{}, "consistent.DynamoDB", "ConsistentReads")
	empty(t, coll)
	open(t, coll, docstore.Config{ConsistentReads: true})
}

// What is sent decides.
func TestDynamoDBReadsAreConsistent(t *testing.T) {
	table := makeTable(t, "")
	client, closeIdle := dynamo.Connect("")
	t.Cleanup(closeIdle)
	var reads, strong atomic.Int64
	client = sdk.New(client.Options(), func(o *sdk.Options) {
		o.Interceptors.AddBeforeSerialization(refusing(func(input any) error {
			if in, ok := input.(*sdk.BatchGetItemInput); ok {
				reads.Add(1)
				if keys := in.RequestItems[table]; keys.ConsistentRead != nil && *keys.ConsistentRead {
					strong.Add(1)
				}
			}
			return nil
		}))
	})
	coll, err := awsdynamodb.OpenCollection(client, table, "ID", "", nil)
	store := open(t, closing(t, coll, err), onDynamoDB().config)
	if _, err := store.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Fatal(err)
	}
	if reads.Load() == 0 || strong.Load() != reads.Load() {
		t.Errorf("%d of %d reads are strongly consistent", strong.Load(), reads.Load())
	}
}

func TestConsistentReadsCannotBeSetInVain(t *testing.T) {
	_, err := docstore.Open(t.Context(), inMemory(t, "ID", nil), docstore.Config{BeforeRead: consistent.DynamoDB})
	if err == nil || !strings.Contains(err.Error(), "not a read of awsdynamodb") {
		t.Errorf("got %v", err)
	}
}

// A collection that is loaded from a file counts from 1 again: a client that
// read revision 5 would overwrite another revision 5.
func TestACountThatStartedAnewIsFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "docs")
	before := inMemory(t, "ID", &memdocstore.Options{Filename: file})
	store := open(t, before, docstore.Config{})
	for i := range 30 {
		if _, err := store.CompareAndSwap(t.Context(), fmt.Sprint(i), "", nil); err != nil {
			t.Fatal(err)
		}
	}
	open(t, before, docstore.Config{}) // still the same count
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	after := inMemory(t, "ID", &memdocstore.Options{Filename: file})
	cannotOpen(t, after, docstore.Config{}, "started anew", "empty collection")
}

func TestOpenWhileOthersWrite(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		opener := d.fresh(t)
		store := open(t, opener(t, ""), d.config)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := 0; ctx.Err() == nil; i++ {
				_, _ = store.CompareAndSwap(ctx, fmt.Sprint(i), "", []byte("v"))
			}
		}()
		for range 5 {
			open(t, opener(t, ""), d.config)
		}
		stop()
		<-done
	})
}

func TestAnEndpointThatDoesNotAnswerIsNoRefusal(t *testing.T) {
	d := onFirestore()
	opener := d.fresh(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errors.New("long enough"))
	defer cancel()
	_, err := docstore.Open(ctx, opener(t, "127.0.0.1:1"), d.config)
	if err == nil || errors.Is(err, lock.ErrRefused) || errors.Is(err, lock.ErrNotFound) || !strings.Contains(err.Error(), "long enough") {
		t.Errorf("got %v", err)
	}
}

// docstore has one code for a document and for a table that is missing.
func TestATableThatIsGoneIsRefused(t *testing.T) {
	table := makeTable(t, "")
	coll := dynamoCollection(t, "", table, "")
	store := open(t, coll, onDynamoDB().config)
	revision, err := store.CompareAndSwap(t.Context(), "k", "", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	client, closeIdle := dynamo.Connect("")
	t.Cleanup(closeIdle)
	if _, err := client.DeleteTable(t.Context(), &sdk.DeleteTableInput{TableName: &table}); err != nil {
		t.Fatal(err)
	}
	gone := sdk.NewTableNotExistsWaiter(client, func(o *sdk.TableNotExistsWaiterOptions) { o.MinDelay = 10 * time.Millisecond })
	if err := gone.Wait(t.Context(), &sdk.DescribeTableInput{TableName: &table}, patience); err != nil {
		t.Fatal(err)
	}
	_, getErr := store.Get(t.Context(), "k")
	_, createErr := store.CompareAndSwap(t.Context(), "k", "", nil)
	_, updateErr := store.CompareAndSwap(t.Context(), "k", revision, nil)
	for _, err := range []error{getErr, createErr, updateErr, store.Delete(t.Context(), "k", revision)} {
		if !errors.Is(err, lock.ErrRefused) || errors.Is(err, lock.ErrNotFound) {
			t.Error(err)
		}
	}
}
