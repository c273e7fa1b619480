package targets

import (
	"context"
	"errors"
	"fmt"
	"time"

	vkit "cloud.google.com/go/firestore/apiv1"
	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	gocloud "gocloud.dev/docstore"
	awsdynamodb "gocloud.dev/docstore/awsdynamodb/v2"
	"gocloud.dev/docstore/gcpfirestore"
	"gocloud.dev/docstore/memdocstore"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/lockproof/lockproof/backends/docstore"
	"github.com/lockproof/lockproof/backends/docstore/consistent"
	"github.com/lockproof/lockproof/backends/dynamodb"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/harness/target"
)

var docstoreMemKind = target.Kind{
	Name: "docstore-mem", Faults: target.InProcessFaults, Summary: "a gocloud.dev document collection in memory",
	Open: func(_ context.Context, o target.Options) (target.Target, error) {
		if err := o.RefuseExpiry("docstore-mem"); err != nil {
			return nil, err
		}
		collection, err := memdocstore.OpenCollection(docstore.DefaultKeyField, nil)
		if err != nil {
			return nil, err
		}
		return &docstoreTarget{
			o: o, describe: "gocloud.dev memdocstore",
			open: func(string) (*gocloud.Collection, func(), error) { return collection, func() {}, nil },
			stop: collection.Close,
		}, nil
	},
}

var docstoreDynamoDBKind = target.Kind{
	Name: "docstore-dynamodb", Server: "dynamodb", Faults: wired,
	Summary: "a gocloud.dev document collection on DynamoDB, which is come by as for dynamodb",
	Open:    openDocstoreDynamoDB,
}

var docstoreFirestoreKind = target.Kind{
	Name: "docstore-firestore", Server: "firestore", Faults: wired,
	Summary: "a gocloud.dev document collection on Firestore: FIRESTORE_EMULATOR_HOST, in Docker, or the Cloud SDK's emulator",
	Open:    openDocstoreFirestore,
}

// docstoreTarget is a collection that open opens anew for each client.
type docstoreTarget struct {
	o        target.Options
	config   docstore.Config
	describe string
	address  string
	open     func(via string) (collection *gocloud.Collection, hangUp func(), err error)
	stop     func() error
}

func openDocstoreDynamoDB(ctx context.Context, o target.Options) (target.Target, error) {
	if err := o.RefuseExpiry("docstore-dynamodb"); err != nil {
		return nil, err
	}
	server, err := servers.StartDynamoDB(ctx, servers.DynamoDBConfig{})
	if err != nil {
		return nil, err
	}
	inner := &dynamodbTarget{server, o}
	api, hangUp := server.Connect("")
	defer hangUp()
	err = dynamodb.CreateTable(ctx, api, dynamodb.TableConfig{Table: o.Container, PartitionKey: docstore.DefaultKeyField})
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return &docstoreTarget{
		o: o, config: docstore.Config{BeforeRead: consistent.DynamoDB},
		describe: "gocloud.dev awsdynamodb on " + server.Describe(), address: inner.Address(0), stop: inner.Close,
		open: func(via string) (*gocloud.Collection, func(), error) {
			if via != "" {
				via = "http://" + via
			}
			api, hangUp := server.Connect(via)
			// The lock tries again by itself, and knows what it tried.
			api = sdk.New(api.Options(), func(o *sdk.Options) { o.Retryer = aws.NopRetryer{} })
			c, err := awsdynamodb.OpenCollection(api, o.Container, docstore.DefaultKeyField, "", nil)
			return closing(c, hangUp, err)
		},
	}, nil
}

func openDocstoreFirestore(ctx context.Context, o target.Options) (target.Target, error) {
	if err := o.RefuseExpiry("docstore-firestore"); err != nil {
		return nil, err
	}
	server, err := servers.StartFirestore(ctx, servers.FirestoreConfig{})
	if err != nil {
		return nil, err
	}
	return &docstoreTarget{
		o: o, describe: "gocloud.dev gcpfirestore on " + server.Describe(), address: server.Host(), stop: server.Stop,
		open: func(via string) (*gocloud.Collection, func(), error) {
			if via == "" {
				via = server.Host()
			}
			conn, err := grpc.NewClient("passthrough:///"+via, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				return nil, nil, err
			}
			hangUp := func() { _ = conn.Close() }
			client, err := vkit.NewClient(context.Background(), option.WithGRPCConn(conn))
			if err != nil {
				hangUp()
				return nil, nil, err
			}
			path := gcpfirestore.CollectionResourceID("lockproof", o.Container)
			c, err := gcpfirestore.OpenCollection(client, path, docstore.DefaultKeyField, nil)
			return closing(c, hangUp, err)
		},
	}, nil
}

// closing adds the collection to what hanging up closes.
func closing(c *gocloud.Collection, hangUp func(), err error) (*gocloud.Collection, func(), error) {
	if err != nil {
		hangUp()
		return nil, nil, err
	}
	return c, func() {
		_ = c.Close() // after which its requests fail
		hangUp()
	}, nil
}

func (d *docstoreTarget) Describe() string      { return d.describe }
func (d *docstoreTarget) Address(int) string    { return d.address }
func (d *docstoreTarget) Faults() target.Faults { return target.Faults{} }
func (d *docstoreTarget) Close() error          { return d.stop() }

func (d *docstoreTarget) Connect(ctx context.Context, _ int, via string) (*target.Connection, error) {
	// To open is to try out, with some 15 requests.
	return keepTrying(ctx, max(8*pingEvery(d.o), 4*time.Second), func(ctx context.Context) (*target.Connection, error) {
		collection, hangUp, err := d.open(via)
		if err != nil {
			return nil, err
		}
		store, err := docstore.Open(ctx, collection, d.config)
		if err != nil {
			hangUp()
			return nil, err
		}
		floor := func(ctx context.Context, key string) (target.Swap, error) { return docstoreFloor(ctx, collection, key) }
		return &target.Connection{Store: store, Floor: floor, Close: hangUp}, nil
	})
}

// docstoreFloor is Replace with the revision that the last write left in the
// document.
func docstoreFloor(ctx context.Context, collection *gocloud.Collection, key string) (target.Swap, error) {
	document := map[string]any{docstore.DefaultKeyField: "floor:" + key, "Value": "{}", gocloud.DefaultRevisionField: nil}
	err := collection.Create(ctx, document)
	return func(ctx context.Context, value []byte) error {
		if document[gocloud.DefaultRevisionField] == nil {
			return fmt.Errorf("%s has no revision to go by", key)
		}
		document["Value"] = string(value)
		return collection.Replace(ctx, document)
	}, err
}
