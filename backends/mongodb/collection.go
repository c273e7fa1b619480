package mongodb

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lockproof/lockproof/lock"
)

const remedyCreate = "create one for locks with CreateCollection"

// server is what a server says of itself.
type server struct {
	SetName string `bson:"setName"` // of the replica set
	Msg     string `bson:"msg"`     // "isdbgrid" from the router of a sharded cluster
}

func (s server) sharded() bool { return s.Msg == "isdbgrid" }

func (s server) standalone() bool { return s.SetName == "" && !s.sharded() }

// readLevel is the read concern that makes a read of one document linearizable.
// Source: "Read Concern "linearizable"" in MongoDB's manual; it is for primaries
// of replica sets.
func (s server) readLevel() string {
	if s.standalone() {
		return "local"
	}
	return "linearizable"
}

// hello asks the server what it is, in the older way if it does not know the
// newer one.
func (s *Store) hello(ctx context.Context) (server, error) {
	answer, err := s.call(ctx, bson.D{{Key: "hello", Value: 1}})
	if hasCode(err, codeCommandNotFound) {
		answer, err = s.call(ctx, bson.D{{Key: "isMaster", Value: 1}})
	}
	var said server
	if err == nil {
		err = bson.Unmarshal(answer, &said)
	}
	return said, err
}

// description is what listCollections says of a collection.
type description struct {
	Name    string `bson:"name"`
	Type    string `bson:"type"` // "collection", "view", "timeseries"
	Options struct {
		Capped             bool `bson:"capped"`
		ExpireAfterSeconds any  `bson:"expireAfterSeconds"`
		Collation          *struct {
			Locale string `bson:"locale"`
		} `bson:"collation"`
	} `bson:"options"`
}

// unfit says why the collection cannot keep locks at all, or nil.
func (d description) unfit() error {
	switch {
	case d.Type != "" && d.Type != "collection":
		return fmt.Errorf("%w: it is a %s; %s", lock.ErrRefused, d.Type, remedyCreate)
	case d.Options.Collation != nil && d.Options.Collation.Locale != "simple":
		return fmt.Errorf("%w: its collation %q takes different names for the same; %s", lock.ErrRefused, d.Options.Collation.Locale, remedyCreate)
	}
	return nil
}

// forgets says why the collection would lose holders and tokens by itself, or
// nil.
func (d description) forgets() error {
	switch {
	case d.Options.Capped:
		return fmt.Errorf("%w: it is capped, so it would forget holders and fencing tokens; %s", lock.ErrRefused, remedyCreate)
	case d.Options.ExpireAfterSeconds != nil:
		return fmt.Errorf("%w: its documents expire, so it would forget holders and fencing tokens; %s", lock.ErrRefused, remedyCreate)
	}
	return nil
}

// index is what listIndexes says of an index.
type index struct {
	Name               string `bson:"name"`
	Key                bson.D `bson:"key"`
	Unique             bool   `bson:"unique"`
	ExpireAfterSeconds any    `bson:"expireAfterSeconds"`
}

func (i index) unfit() error {
	if i.Unique && (len(i.Key) != 1 || i.Key[0].Key != fieldID) {
		return fmt.Errorf("%w: its unique index %q would make locks exclude each other; drop it, or %s", lock.ErrRefused, i.Name, remedyCreate)
	}
	return nil
}

func (i index) forgets() error {
	if i.ExpireAfterSeconds != nil {
		return fmt.Errorf("%w: its TTL index %q makes documents expire, so it would forget holders and fencing tokens; drop it, or %s", lock.ErrRefused, i.Name, remedyCreate)
	}
	return nil
}

// check looks whether the collection is there and fit for locks.
func (s *Store) check(ctx context.Context, on server, unsafe bool) error {
	collection, err := s.describe(ctx)
	if err != nil {
		return err
	}
	if err := collection.unfit(); err != nil {
		return err
	}
	if err := collection.forgets(); err != nil && !unsafe {
		return err
	}
	indexes, err := s.listed(ctx, bson.D{{Key: "listIndexes", Value: s.collection.Name()}})
	if err != nil {
		return err
	}
	for _, document := range indexes {
		var i index
		if err := bson.Unmarshal(document, &i); err != nil {
			return fmt.Errorf("unreadable index: %w", err)
		}
		if err := i.unfit(); err != nil {
			return err
		}
		if err := i.forgets(); err != nil && !unsafe {
			return err
		}
	}
	if on.sharded() {
		return s.checkShardKey(ctx)
	}
	return nil
}

// describe looks the collection up. Some servers do not filter.
func (s *Store) describe(ctx context.Context) (description, error) {
	found, err := s.listed(ctx, bson.D{
		{Key: "listCollections", Value: 1},
		{Key: "filter", Value: bson.D{{Key: "name", Value: s.collection.Name()}}},
	})
	if err != nil {
		return description{}, err
	}
	for _, document := range found {
		var d description
		if err := bson.Unmarshal(document, &d); err != nil {
			return description{}, fmt.Errorf("unreadable description: %w", err)
		}
		if d.Name == s.collection.Name() {
			return d, nil
		}
	}
	return description{}, fmt.Errorf("%w: there is no such collection; create it with CreateCollection, or check the names", lock.ErrRefused)
}

// listed sends a command that lists, and says what to do where it is forbidden.
func (s *Store) listed(ctx context.Context, command bson.D) ([]bson.Raw, error) {
	answer, err := s.call(ctx, command)
	if hasCode(err, codeUnauthorized) {
		return nil, fmt.Errorf("no permission to look at it; allow %s, or set Config.Unchecked: %w", command[0].Key, err)
	}
	if err != nil {
		return nil, err
	}
	return documents(answer)
}

// checkShardKey: an _id is unique within one shard alone, unless it decides the
// shard.
func (s *Store) checkShardKey(ctx context.Context) error {
	answer, err := call(ctx, s.collection.Database().Client().Database("config"), bson.D{
		{Key: "find", Value: "collections"},
		{Key: "filter", Value: bson.D{{Key: fieldID, Value: s.name()}}},
		{Key: "limit", Value: 1},
		{Key: "singleBatch", Value: true},
	})
	if hasCode(err, codeUnauthorized) {
		return fmt.Errorf("no permission to read the shard key from config.collections; allow it, or set Config.Unchecked if the key is _id: %w", err)
	}
	if err != nil {
		return err
	}
	found, err := documents(answer)
	if err != nil || len(found) == 0 {
		return err // not sharded: one shard has it
	}
	return shardKeyFits(found[0])
}

func shardKeyFits(collection bson.Raw) error {
	key, ok := collection.Lookup("key").DocumentOK()
	if !ok {
		return nil // tracked, and not sharded
	}
	elements, err := key.Elements()
	if err != nil || len(elements) != 1 || elements[0].Key() != fieldID {
		return fmt.Errorf("%w: its shard key %v does not keep an _id unique; shard it by _id alone, or use an unsharded collection", lock.ErrRefused, key)
	}
	return nil
}

// hasChangeStreams tries. A server without them, or a client that may not use
// them, is no error: the lock polls. What a standalone server answers does not
// matter: MongoDB's have none, and others have answers of their own.
func (s *Store) hasChangeStreams(ctx context.Context, on server) (bool, error) {
	stream, err := s.openStream(ctx)
	if hasCode(err, codeUnauthorized, codeIllegalOperation, codeCommandNotFound, codeNotSupported, codeUnknownStage, codeNoChangeStreams) ||
		on.standalone() && answered(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("change stream: %w", classify(ctx, err))
	}
	alive := stream.ID() != 0
	return alive, stream.Close(ctx)
}

// CollectionConfig says how CreateCollection makes a collection. Name is
// required.
type CollectionConfig struct {
	// Name of the collection, in the database that is given.
	Name string
	// Validate has the server refuse documents that are not those of locks, as
	// somebody might insert by hand.
	Validate bool
}

// CreateCollection makes a collection that is fit for locks. It is content with
// an existing one that Open would accept, and changes nothing about it; any
// other fails with lock.ErrRefused.
func CreateCollection(ctx context.Context, database *mongo.Database, config CollectionConfig) error {
	if database == nil || config.Name == "" {
		return fmt.Errorf("mongodb: %w: CollectionConfig.Name is empty, or the database is nil", lock.ErrRefused)
	}
	s := &Store{collection: database.Collection(config.Name)}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := s.make(ctx, config); err != nil {
		return fmt.Errorf("mongodb: create collection %q: %w", s.name(), err)
	}
	return nil
}

func (s *Store) make(ctx context.Context, config CollectionConfig) error {
	// The collation is named so that nobody's default applies.
	command := bson.D{
		{Key: "create", Value: config.Name},
		{Key: "collation", Value: bson.D{{Key: "locale", Value: "simple"}}},
		{Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}}},
	}
	if config.Validate {
		command = append(command, bson.E{Key: "validator", Value: validator()})
	}
	_, err := s.call(ctx, command)
	switch {
	case hasCode(err, codeNamespaceExists):
	case hasCode(err, codeBadValue) && !errors.Is(err, lock.ErrRefused):
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
	case err != nil:
		return err
	}
	on, err := s.hello(ctx)
	if err != nil {
		return err
	}
	return s.check(ctx, on, false)
}

// validator describes the documents that encode makes.
func validator() bson.D {
	kind := func(types ...string) bson.D { return bson.D{{Key: "bsonType", Value: types}} }
	return bson.D{{Key: "$jsonSchema", Value: bson.D{
		{Key: "required", Value: []string{fieldID, fieldRevision, fieldValue}},
		{Key: "properties", Value: bson.D{
			{Key: fieldID, Value: kind("string")},
			{Key: fieldRevision, Value: kind("string")},
			{Key: fieldValue, Value: kind("string", "binData")},
		}},
	}}}
}
