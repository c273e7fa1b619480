package targets

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lockproof/lockproof/backends/mongodb"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/harness/target"
)

var mongodbKind = target.Kind{
	Name: "mongodb", Server: "mongodb", Faults: wired,
	Summary: "MongoDB: MONGODB_URI, in Docker, or mongo-java-server, which speaks its protocol",
	Open:    openMongoDB,
}

// mongoDatabase holds the collections of runs.
const mongoDatabase = "lockproof"

type mongodbTarget struct {
	server *servers.MongoDB
	o      target.Options
}

func openMongoDB(ctx context.Context, o target.Options) (target.Target, error) {
	if err := o.RefuseExpiry("mongodb"); err != nil {
		return nil, err
	}
	server, err := servers.StartMongoDB(ctx, servers.MongoDBConfig{})
	if err != nil {
		return nil, err
	}
	client, hangUp, err := server.Connect("")
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	defer hangUp()
	err = mongodb.CreateCollection(ctx, client.Database(mongoDatabase), mongodb.CollectionConfig{Name: o.Container})
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return &mongodbTarget{server, o}, nil
}

func (m *mongodbTarget) Describe() string { return m.server.Describe() }

func (m *mongodbTarget) Address(int) string { return m.server.Address() }

func (m *mongodbTarget) Connect(ctx context.Context, _ int, via string) (*target.Connection, error) {
	client, hangUp, err := m.server.Connect(via)
	if err != nil {
		return nil, err
	}
	collection := client.Database(mongoDatabase).Collection(m.o.Container)
	store, err := keepTrying(ctx, 2*pingEvery(m.o), func(ctx context.Context) (*mongodb.Store, error) {
		return mongodb.Open(ctx, collection, mongodb.Config{})
	})
	if err != nil {
		hangUp()
		return nil, err
	}
	beside := client.Database(mongoDatabase).Collection(floorContainer(m.o))
	floor := func(ctx context.Context, key string) (target.Swap, error) { return mongodbFloor(ctx, beside, key) }
	return &target.Connection{Store: store, Floor: floor, Close: func() {
		store.Close()
		hangUp()
	}}, nil
}

// mongodbFloor is UpdateOne with the last revision in its filter.
func mongodbFloor(ctx context.Context, collection *mongo.Collection, key string) (target.Swap, error) {
	last := rand.Text()
	_, err := collection.InsertOne(ctx, bson.D{{Key: "_id", Value: "floor:" + key}, {Key: "revision", Value: last}})
	return func(ctx context.Context, value []byte) error {
		next := rand.Text()
		filter := bson.D{{Key: "_id", Value: "floor:" + key}, {Key: "revision", Value: last}}
		set := bson.D{{Key: "revision", Value: next}, {Key: "value", Value: string(value)}}
		result, err := collection.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: set}})
		if err != nil {
			return err
		}
		if result.MatchedCount != 1 {
			return fmt.Errorf("somebody else wrote %s", key)
		}
		last = next
		return nil
	}, err
}

// Faults: only a server that was started here may be stopped, and only the one
// that keeps its data is.
func (m *mongodbTarget) Faults() target.Faults {
	if !m.server.Restarts() {
		return target.Faults{}
	}
	return target.Faults{Stop: m.server.Shutdown, Start: func() error { return m.server.Start(context.Background()) }}
}

func (m *mongodbTarget) Close() error {
	var err error
	if !m.server.Local() {
		err = cleanup(m.drop)
	}
	return errors.Join(err, m.server.Stop())
}

// drop leaves a user's server as it was found.
func (m *mongodbTarget) drop(ctx context.Context) error {
	client, hangUp, err := m.server.Connect("")
	if err != nil {
		return err
	}
	defer hangUp()
	for _, name := range []string{m.o.Container, floorContainer(m.o)} { // to drop what is not there is no error
		if err := client.Database(mongoDatabase).Collection(name).Drop(ctx); err != nil {
			return fmt.Errorf("drop collection %s.%s: %w", mongoDatabase, name, err)
		}
	}
	return nil
}
