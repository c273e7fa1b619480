package servers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mongoPrimaryPoll is how often a replica set is asked whether it has a primary.
const mongoPrimaryPoll = 50 * time.Millisecond

// startMongoContainer runs MongoDB in Docker, as a replica set of one member:
// change streams and majority writes are had with nothing less.
func startMongoContainer(ctx context.Context, config MongoDBConfig) (*MongoDB, error) {
	box, err := mongoDBImage.startContainer(ctx, config.Port)
	if err != nil {
		return nil, err
	}
	m := &MongoDB{config: config, own: "mongodb://" + box.address + "/?directConnection=true", box: box}
	o := options.Client().ApplyURI(m.own)
	err = pinged(ctx, o, func(client *mongo.Client) error {
		if err := initiate(ctx, client); err != nil {
			return err
		}
		return m.introduce(ctx, client, o)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("servers: %s in Docker: %w", mongoDBImage.reference, err), box.stop())
	}
	// Inside its container it goes by another address.
	m.address, m.describe = box.address, mongoDBImage.reference+" in Docker, a replica set of one"
	return m, nil
}

// initiate makes the server a replica set and waits until it is its primary.
func initiate(ctx context.Context, client *mongo.Client) error {
	admin := client.Database("admin")
	member := bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: "127.0.0.1:27017"}}
	set := bson.D{{Key: "_id", Value: "rs0"}, {Key: "members", Value: bson.A{member}}}
	if err := admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: set}}).Err(); err != nil {
		return fmt.Errorf("initiate its replica set: %w", err)
	}
	tick := time.NewTicker(mongoPrimaryPoll)
	defer tick.Stop()
	for {
		var hello struct {
			Primary bool `bson:"isWritablePrimary"`
		}
		err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
		if err == nil && hello.Primary {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it did not become the primary: %w", errors.Join(context.Cause(ctx), err))
		}
	}
}
