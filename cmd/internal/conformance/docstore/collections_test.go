package docstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	vkit "cloud.google.com/go/firestore/apiv1"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"
	gocloud "gocloud.dev/docstore"
	awsdynamodb "gocloud.dev/docstore/awsdynamodb/v2"
	"gocloud.dev/docstore/gcpfirestore"
	"gocloud.dev/docstore/memdocstore"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/lockproof/lockproof/backends/docstore"
	"github.com/lockproof/lockproof/backends/docstore/consistent"
	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/servers"
)

// patience is how long what must happen may take.
const patience = 60 * time.Second

// The servers of all tests, and why there is none.
var (
	dynamo       *servers.DynamoDB
	errDynamo    error
	firestore    *servers.Firestore
	errFirestore error
)

func TestMain(m *testing.M) {
	dynamo, errDynamo = servers.StartDynamoDB(context.Background(), servers.DynamoDBConfig{})
	firestore, errFirestore = servers.StartFirestore(context.Background(), servers.FirestoreConfig{})
	code := m.Run()
	var stopped error
	if dynamo != nil {
		stopped = errors.Join(stopped, dynamo.Stop())
	}
	if firestore != nil {
		stopped = errors.Join(stopped, firestore.Stop())
	}
	if err := errors.Join(stopped, goleak.Find()); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// driver is one way to have a collection.
type driver struct {
	name   string
	config docstore.Config
	// fresh makes a place of the test's own and returns what opens it: by itself,
	// or through the address via if that is not empty.
	fresh func(t testing.TB) func(t testing.TB, via string) *gocloud.Collection
	// address is that of the server on plain TCP, "" if there is none.
	address func() string
}

func memory() driver {
	return driver{
		name: "memdocstore",
		fresh: func(t testing.TB) func(testing.TB, string) *gocloud.Collection {
			coll := inMemory(t, "ID", nil)
			return func(testing.TB, string) *gocloud.Collection { return coll }
		},
		address: func() string { return "" },
	}
}

func onDynamoDB() driver {
	return driver{
		name:    "awsdynamodb",
		config:  docstore.Config{BeforeRead: consistent.DynamoDB},
		fresh:   freshTable,
		address: func() string { return dynamo.Endpoint()[len("http://"):] },
	}
}

func onFirestore() driver {
	return driver{
		name: "gcpfirestore",
		fresh: func(t testing.TB) func(testing.TB, string) *gocloud.Collection {
			require.Server(t, "firestore", errFirestore)
			path := gcpfirestore.CollectionResourceID("lockproof", "locks-"+rand.Text()[:10])
			return func(t testing.TB, via string) *gocloud.Collection { return firestoreCollection(t, via, path) }
		},
		address: func() string { return firestore.Host() },
	}
}

// each runs a test on every driver whose server is there.
func each(t *testing.T, test func(t *testing.T, d driver)) {
	for _, d := range []driver{memory(), onDynamoDB(), onFirestore()} {
		t.Run(d.name, func(t *testing.T) { test(t, d) })
	}
}

func inMemory(t testing.TB, keyField string, options *memdocstore.Options) *gocloud.Collection {
	t.Helper()
	coll, err := memdocstore.OpenCollection(keyField, options)
	return closing(t, coll, err)
}

func closing(t testing.TB, coll *gocloud.Collection, err error) *gocloud.Collection {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = coll.Close() })
	return coll
}

func freshTable(t testing.TB) func(testing.TB, string) *gocloud.Collection {
	table := makeTable(t, "")
	return func(t testing.TB, via string) *gocloud.Collection { return dynamoCollection(t, via, table, "") }
}

// makeTable makes a table with the partition key "ID", and drops it afterwards.
func makeTable(t testing.TB, sortKey string) string {
	t.Helper()
	require.Server(t, "dynamodb", errDynamo)
	client, closeIdle := dynamo.Connect("")
	table := "lockproof-" + rand.Text()[:10]
	input := &sdk.CreateTableInput{TableName: &table, BillingMode: types.BillingModePayPerRequest}
	for i, name := range []string{"ID", sortKey} {
		if name == "" {
			continue
		}
		input.AttributeDefinitions = append(input.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeTypeS})
		input.KeySchema = append(input.KeySchema,
			types.KeySchemaElement{AttributeName: &name, KeyType: []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i]})
	}
	if _, err := client.CreateTable(t.Context(), input); err != nil {
		t.Fatal(err)
	}
	active := sdk.NewTableExistsWaiter(client, func(o *sdk.TableExistsWaiterOptions) { o.MinDelay = 10 * time.Millisecond })
	if err := active.Wait(t.Context(), &sdk.DescribeTableInput{TableName: &table}, patience); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		var gone *types.ResourceNotFoundException
		if _, err := client.DeleteTable(ctx, &sdk.DeleteTableInput{TableName: &table}); err != nil && !errors.As(err, &gone) {
			t.Error(err)
		}
		closeIdle()
	})
	return table
}

func dynamoCollection(t testing.TB, via, table, sortKey string) *gocloud.Collection {
	t.Helper()
	if via != "" {
		via = "http://" + via
	}
	client, closeIdle := dynamo.Connect(via)
	t.Cleanup(closeIdle)
	coll, err := awsdynamodb.OpenCollection(client, table, "ID", sortKey, nil)
	return closing(t, coll, err)
}

func firestoreClient(t testing.TB, via string) *vkit.Client {
	t.Helper()
	if via == "" {
		via = firestore.Host()
	}
	conn, err := grpc.NewClient("passthrough:///"+via, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	client, err := vkit.NewClient(t.Context(), option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func firestoreCollection(t testing.TB, via, path string) *gocloud.Collection {
	t.Helper()
	coll, err := gcpfirestore.OpenCollection(firestoreClient(t, via), path, "ID", nil)
	return closing(t, coll, err)
}

func open(t testing.TB, coll *gocloud.Collection, config docstore.Config) *docstore.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	store, err := docstore.Open(ctx, coll, config)
	if err != nil {
		t.Fatal(err)
	}
	return store
}
