package mongodb_test

import (
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lockproof/lockproof/backends/mongodb"
	"github.com/lockproof/lockproof/lock"
)

func TestOpenRefusesAMissingCollection(t *testing.T) {
	collection := freshDatabase(t, connect(t, "")).Collection("there-is-none")
	_, err := mongodb.Open(t.Context(), collection, mongodb.Config{})
	if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "there-is-none") || !strings.Contains(err.Error(), "CreateCollection") {
		t.Errorf("want an error that names collection and remedy, got %v", err)
	}
	if _, err := mongodb.Open(t.Context(), nil, mongodb.Config{}); !errors.Is(err, lock.ErrRefused) {
		t.Errorf("no collection at all: %v", err)
	}
}

func TestAnUncheckedStoreIsNotLookedAt(t *testing.T) {
	collection := freshDatabase(t, connect(t, "")).Collection("not-yet")
	store := open(t, collection, mongodb.Config{Unchecked: true})
	if _, err := store.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Error(err)
	}
}

func addIndex(t *testing.T, collection *mongo.Collection, field string, o *options.IndexOptionsBuilder) {
	t.Helper()
	if _, err := collection.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: field, Value: 1}}, Options: o}); err != nil {
		t.Fatal(err)
	}
}

func TestCollectionsThatForgetAreRefused(t *testing.T) {
	collection := freshCollection(t, connect(t, ""))
	addIndex(t, collection, "at", options.Index().SetExpireAfterSeconds(60).SetName("ttl"))
	_, err := mongodb.Open(t.Context(), collection, mongodb.Config{})
	again := mongodb.CreateCollection(t.Context(), collection.Database(), mongodb.CollectionConfig{Name: collection.Name()})
	for _, err := range []error{err, again} {
		if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), `"ttl"`) {
			t.Errorf("want a refusal that names the index, got %v", err)
		}
	}
	open(t, collection, mongodb.Config{AllowUnsafe: true})
}

func TestCollectionsWithAUniqueIndexAreRefused(t *testing.T) {
	collection := freshCollection(t, connect(t, ""))
	store := open(t, collection, mongodb.Config{})
	addIndex(t, collection, "value", options.Index().SetUnique(true).SetName("single"))
	if _, err := mongodb.Open(t.Context(), collection, mongodb.Config{AllowUnsafe: true}); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), `"single"`) {
		t.Errorf("want a refusal that names the index, got %v", err)
	}
	create(t, store, "one")
	if _, err := store.CompareAndSwap(t.Context(), "two", "", []byte("v")); !lock.Definite(err) {
		t.Errorf("the second of the same value: %v", err)
	}
}

func TestOtherIndexesDoNotMatter(t *testing.T) {
	collection := freshCollection(t, connect(t, ""))
	addIndex(t, collection, "value", options.Index())
	create(t, open(t, collection, mongodb.Config{}), "k")
}

func TestCreateCollectionIsContentWithWhatFits(t *testing.T) {
	database := freshDatabase(t, connect(t, ""))
	config := mongodb.CollectionConfig{Name: "locks", Validate: true}
	for range 2 {
		if err := mongodb.CreateCollection(t.Context(), database, config); err != nil {
			t.Fatal(err)
		}
	}
	store := open(t, database.Collection("locks"), mongodb.Config{})
	revision := create(t, store, "k")
	if _, err := store.CompareAndSwap(t.Context(), "k", revision, []byte{0xff}); err != nil {
		t.Error("what is binary:", err)
	}
	if shared.Local() {
		return // mongo-java-server takes a validator and does not use it
	}
	_, err := database.Collection("locks").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "foreign"}})
	if err == nil {
		t.Error("a foreign document was taken")
	}
}

func TestCreateCollectionNeedsAName(t *testing.T) {
	database := connect(t, "").Database("d")
	if err := mongodb.CreateCollection(t.Context(), database, mongodb.CollectionConfig{}); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "CollectionConfig.Name") {
		t.Error(err)
	}
}
