package dynamodb_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/backends/dynamodb"
	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/lock"
)

// patience is how long what must happen may take.
const patience = 30 * time.Second

// shared is the server of all tests, and why there is none.
var (
	shared    *servers.DynamoDB
	errShared error
)

func TestMain(m *testing.M) {
	shared, errShared = servers.StartDynamoDB(context.Background(), servers.DynamoDBConfig{})
	code := m.Run()
	if shared != nil {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// connect gives the test a client with connections of its own, through the
// address via if that is not empty.
func connect(t testing.TB, via string) *sdk.Client {
	t.Helper()
	require.Server(t, "dynamodb", errShared)
	client, closeIdle := shared.Connect(via)
	t.Cleanup(closeIdle)
	return client
}

// freshTable makes a table of the test's own and drops it afterwards.
func freshTable(t testing.TB, client *sdk.Client, config dynamodb.TableConfig) string {
	t.Helper()
	config.Table = "lockproof-" + rand.Text()[:10]
	if err := dynamodb.CreateTable(t.Context(), client, config); err != nil {
		t.Fatal(err)
	}
	dropAfter(t, client, config.Table)
	return config.Table
}

func dropAfter(t testing.TB, client *sdk.Client, table string) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := client.DeleteTable(ctx, &sdk.DeleteTableInput{TableName: &table}); err != nil {
			t.Error(err)
		}
	})
}

func open(t testing.TB, client *sdk.Client, config dynamodb.Config) *dynamodb.Store {
	t.Helper()
	store, err := dynamodb.Open(t.Context(), client, config)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// fresh makes a table for the test and opens it.
func fresh(t testing.TB) (*dynamodb.Store, *sdk.Client, string) {
	t.Helper()
	client := connect(t, "")
	table := freshTable(t, client, dynamodb.TableConfig{})
	return open(t, client, dynamodb.Config{Table: table}), client, table
}

func TestStoreKeepsTheContractWithASortKey(t *testing.T) {
	client := connect(t, "")
	table := freshTable(t, client, dynamodb.TableConfig{PartitionKey: "pk", SortKey: "sk", ReadUnits: 40000, WriteUnits: 40000})
	config := dynamodb.Config{Table: table, PartitionKey: "pk", SortKey: "sk", SortValue: "#lock#"}
	keepsTheContract(t, open(t, client, config), open(t, connect(t, ""), config))
}

func keepsTheContract(t *testing.T, store, other lock.Store) {
	options := backendtest.Options{Other: other}
	for _, c := range backendtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if why := c.Skip(store, options); why != "" {
				t.Skip(why)
			}
			if err := c.Run(t.Context(), store, options); err != nil {
				t.Error(err)
			}
		})
	}
}

func item(t *testing.T, client *sdk.Client, table, key string) map[string]types.AttributeValue {
	t.Helper()
	output, err := client.GetItem(t.Context(), &sdk.GetItemInput{
		TableName: &table, ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"key": &types.AttributeValueMemberS{Value: key}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return output.Item
}

func TestRecordsAreReadableInTheConsole(t *testing.T) {
	store, client, table := fresh(t)
	revision, err := store.CompareAndSwap(t.Context(), "my report", "", []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	row := item(t, client, table, "my report")
	value, ok := row["value"].(*types.AttributeValueMemberS)
	if !ok || value.Value != `{"a":1}` {
		t.Errorf("JSON is stored as %#v", row["value"])
	}
	if r, ok := row["revision"].(*types.AttributeValueMemberS); !ok || r.Value != string(revision) {
		t.Errorf("revision %q is stored as %#v", revision, row["revision"])
	}
	if _, err := store.Put(t.Context(), "my report", []byte("\xff")); err != nil {
		t.Fatal(err)
	}
	if _, ok := item(t, client, table, "my report")["value"].(*types.AttributeValueMemberB); !ok {
		t.Error("what is not UTF-8 is not stored as binary")
	}
}

func TestConflictsSayThatTheRowIsGone(t *testing.T) {
	store, _, _ := fresh(t)
	ctx := t.Context()
	first, err := store.CompareAndSwap(ctx, "k", "", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(ctx, "k", first); err != nil {
		t.Fatal(err)
	}
	_, err = store.CompareAndSwap(ctx, "k", first, nil)
	var conflict *lock.ConflictError
	if !errors.As(err, &conflict) || !conflict.Known || conflict.Current.Revision != "" {
		t.Errorf("update of a deleted row: %v", err)
	}
	if err := store.Delete(ctx, "k", first); !errors.Is(err, lock.ErrNotFound) || errors.Is(err, lock.ErrConflict) {
		t.Errorf("delete of a deleted row: %v", err)
	}
}

func TestPutAndRemoveAskForNothing(t *testing.T) {
	store, _, _ := fresh(t)
	ctx := t.Context()
	if err := store.Remove(ctx, "k"); err != nil {
		t.Fatal("remove of a missing row:", err)
	}
	if _, err := store.CompareAndSwap(ctx, "k", "", []byte("one")); err != nil {
		t.Fatal(err)
	}
	revision, err := store.Put(ctx, "k", []byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	if record, err := store.Get(ctx, "k"); err != nil || string(record.Value) != "two" || record.Revision != revision {
		t.Fatalf("got %+v, %v", record, err)
	}
	if err := store.Remove(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(ctx, "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Fatal("after remove:", err)
	}
}

func TestOtherRowsOfThePartitionAreLeftAlone(t *testing.T) {
	client := connect(t, "")
	table := freshTable(t, client, dynamodb.TableConfig{SortKey: "sk"})
	locks := open(t, client, dynamodb.Config{Table: table, SortKey: "sk"})
	others := open(t, client, dynamodb.Config{Table: table, SortKey: "sk", SortValue: "other"})
	if _, err := locks.CompareAndSwap(t.Context(), "k", "", []byte("lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := others.CompareAndSwap(t.Context(), "k", "", []byte("other")); err != nil {
		t.Fatal(err)
	}
	if record, err := locks.Get(t.Context(), "k"); err != nil || string(record.Value) != "lock" {
		t.Fatalf("got %q, %v", record.Value, err)
	}
}

func TestRowsOfSomethingElseAreRefused(t *testing.T) {
	store, client, table := fresh(t)
	s := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	for i, foreign := range []map[string]types.AttributeValue{
		{"owner": s("me")},
		{"revision": s("1")},
		{"revision": &types.AttributeValueMemberN{Value: "1"}, "value": s("v")},
		{"revision": s(""), "value": s("v")},
		{"revision": s("1"), "value": &types.AttributeValueMemberN{Value: "1"}},
	} {
		key := fmt.Sprint("foreign", i)
		foreign["key"] = s(key)
		if _, err := client.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: foreign}); err != nil {
			t.Fatal(err)
		}
		_, getErr := store.Get(t.Context(), key)
		_, createErr := store.CompareAndSwap(t.Context(), key, "", []byte("v"))
		for _, err := range []error{getErr, createErr} {
			if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), table) {
				t.Errorf("row %d: %v", i, err)
			}
		}
	}
}

func TestKeysThatTheTableCannotTakeAreRefused(t *testing.T) {
	store, _, _ := fresh(t)
	for name, key := range map[string]string{"empty": "", "too long": strings.Repeat("k", 2049), "not UTF-8": "a\xffb"} {
		if _, err := store.CompareAndSwap(t.Context(), key, "", nil); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := store.CompareAndSwap(t.Context(), strings.Repeat("é", 1024), "", nil); err != nil {
		t.Error("a key of 2048 bytes:", err)
	}
}

// The largest row that is sent is the largest that is taken.
func TestTheLimitOfARowIsTheServers(t *testing.T) {
	store, client, table := fresh(t)
	largest := 400<<10 - len("key"+"k"+"revision"+"value") - 26
	for _, fill := range []string{"v", "\xff"} {
		if _, err := store.Put(t.Context(), "k", bytes.Repeat([]byte(fill), largest)); err != nil {
			t.Errorf("%d bytes of %q: %v", largest, fill, err)
		}
		if _, err := store.Put(t.Context(), "k", bytes.Repeat([]byte(fill), largest+1)); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("%d bytes of %q: %v", largest+1, fill, err)
		}
	}
	row := item(t, client, table, "k")
	row["more"] = &types.AttributeValueMemberS{Value: "x"}
	if _, err := client.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: row}); err == nil {
		t.Error("the server takes larger rows")
	}
}

// A table can go away after it was opened.
func TestCallsToAMissingTableAreRefused(t *testing.T) {
	client := connect(t, "")
	store := open(t, client, dynamodb.Config{Table: "there-is-none", Unchecked: true})
	_, getErr := store.Get(t.Context(), "k")
	_, putErr := store.CompareAndSwap(t.Context(), "k", "", nil)
	for _, err := range []error{getErr, putErr, store.Delete(t.Context(), "k", "1"), store.Remove(t.Context(), "k")} {
		if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "there-is-none") {
			t.Error(err)
		}
	}
}

func TestClientsMayShareAStore(t *testing.T) {
	store, _, _ := fresh(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, err := store.CompareAndSwap(t.Context(), fmt.Sprint(i), "", []byte("v")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
