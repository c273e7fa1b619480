// Package dynamodb is a lock store on an Amazon DynamoDB table.
//
// # What it promises
//
// All that package backendtest asks for, with ConflictReturnsCurrent: a write
// that lost comes back with the row that stood in its way, in the same round
// trip. Reads are strongly consistent. A lock is one row: the lock's name under
// the partition key, the attribute "revision", and the attribute "value", which
// is a string where the value is UTF-8, so that the console shows it. A row's
// other attributes are lost when the lock is written.
//
// A revision is 128 random bits, drawn for each write, so it never comes again,
// not even after a row was deleted and made anew. Revisions are not ordered: a
// counter would start again with a new row.
//
// # What it does not promise
//
// A global table with eventual consistency between regions does not keep locks
// across regions: conditions are checked in one region, and the last writer
// wins between them. Let all clients of a lock use one region.
//
// DynamoDB's own time to live must not be set to an attribute of these rows,
// and restoring a table from a backup takes it back in time: either forgets
// holders and fencing tokens.
//
// There is no Watch: a lock that waits polls, at the price of one consistent
// read each time.
//
// # Failure model
//
// Each call is sent once. The SDK's retries are turned off, whatever the client
// was made with: a PutItem that was applied while its answer was lost would,
// sent again, fail on its own success and be reported as a conflict, and
// throttled calls would be held back while the lease runs. The lock retries by
// itself, knowing what it wrote. Go's HTTP transport sends a request again on
// its own only if not one byte of it had left.
//
// Definite errors are those with which DynamoDB turned the request down (HTTP
// status 400), and those raised before the request reached the HTTP client, or
// while it dialled. All others leave a write indefinite: status 5xx, timeouts,
// connections that break, answers that cannot be read.
package dynamodb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockproof/lockproof/lock"
)

var (
	_ lock.Store   = (*Store)(nil)
	_ lock.Capable = (*Store)(nil)
)

// requestTimeout bounds a request whose context has no deadline.
const requestTimeout = 5 * time.Second

// Defaults of Config and TableConfig.
const (
	DefaultPartitionKey = "key"
	DefaultSortValue    = "lock"
)

// Config of a Store.
type Config struct {
	// Table is the name or the ARN of an existing table. Required.
	Table string
	// PartitionKey is the name of the table's partition key, which must be a
	// string and takes the lock's name. Default "key".
	PartitionKey string
	// SortKey is the name of the table's sort key, which must be a string;
	// empty if it has none.
	SortKey string
	// SortValue is what all rows of locks have for a sort key, which sets them
	// apart from other rows of the table. Default "lock" if there is a SortKey.
	SortValue string
	// Unchecked spares Open the look at the table, for clients that may not
	// call DescribeTable.
	Unchecked bool
}

func (c Config) withDefaults() Config {
	if c.PartitionKey == "" {
		c.PartitionKey = DefaultPartitionKey
	}
	if c.SortKey != "" && c.SortValue == "" {
		c.SortValue = DefaultSortValue
	}
	return c
}

func (c Config) validate() error {
	if c.SortKey == "" && c.SortValue != "" {
		return fmt.Errorf("Config.SortValue is %q, and Config.SortKey is empty", c.SortValue)
	}
	if len(c.SortValue) > maxSortValue {
		return fmt.Errorf("Config.SortValue has %d bytes, more than %d", len(c.SortValue), maxSortValue)
	}
	return checkNames("Config", c.Table, c.PartitionKey, c.SortKey)
}

// checkNames is for Config and TableConfig alike.
func checkNames(what, table, partitionKey, sortKey string) error {
	if table == "" {
		return fmt.Errorf("%s.Table is empty", what)
	}
	for _, name := range []string{partitionKey, sortKey} {
		if name == attributeRevision || name == attributeValue {
			return fmt.Errorf("%s: a key must not be called %q, which is an attribute of every row", what, name)
		}
	}
	if partitionKey == sortKey {
		return fmt.Errorf("%s.PartitionKey and %s.SortKey are both %q", what, what, sortKey)
	}
	return nil
}

// Store keeps lock records in a table, one row each. Its methods may be called
// from any goroutine. The client stays the caller's.
type Store struct {
	client *dynamodb.Client
	config Config
	// absent and unchanged are the conditions of writes.
	absent    *string
	unchanged *string
	keyNames  map[string]string
	revNames  map[string]string
}

// Open returns a Store on an existing table. It fails with lock.ErrRefused if
// the table is missing, has other keys, or may not be looked at, and names the
// remedy; other errors are those of the request, which ctx bounds.
//
// The client's settings are used, but for its retries (see the package's
// failure model).
func Open(ctx context.Context, client *dynamodb.Client, config Config) (*Store, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("dynamodb: %w: %w", lock.ErrRefused, err)
	}
	s := &Store{
		client:    dynamodb.New(client.Options(), sendOnce),
		config:    config,
		absent:    aws.String("attribute_not_exists(#k)"),
		unchanged: aws.String("#r = :old"),
		keyNames:  map[string]string{"#k": config.PartitionKey},
		revNames:  map[string]string{"#r": attributeRevision},
	}
	if config.Unchecked {
		return s, nil
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	table, err := describe(ctx, s.client, config.Table)
	if err != nil {
		return nil, fmt.Errorf("dynamodb: %w", err)
	}
	if err := checkKeys(table, config.PartitionKey, config.SortKey); err != nil {
		return nil, fmt.Errorf("dynamodb: %w: table %q does not fit: %w", lock.ErrRefused, config.Table, err)
	}
	if table.TableStatus == types.TableStatusCreating || table.TableStatus == types.TableStatusDeleting {
		return nil, fmt.Errorf("dynamodb: %w: table %q is %s; wait until it is ACTIVE, as CreateTable does",
			lock.ErrUnavailable, config.Table, strings.ToLower(string(table.TableStatus)))
	}
	return s, nil
}

// Capabilities declares ConflictReturnsCurrent.
func (s *Store) Capabilities() lock.Capabilities {
	return lock.Capabilities{ConflictReturnsCurrent: true}
}

// Get returns the current version of key by a strongly consistent read, or an
// error that is lock.ErrNotFound.
func (s *Store) Get(ctx context.Context, key string) (lock.Record, error) {
	record, err := s.get(ctx, key)
	if err != nil {
		return lock.Record{}, s.fail("get", key, err)
	}
	return record, nil
}

func (s *Store) get(ctx context.Context, key string) (lock.Record, error) {
	if err := checkKey(key); err != nil {
		return lock.Record{}, err
	}
	input := &dynamodb.GetItemInput{TableName: &s.config.Table, Key: s.key(key), ConsistentRead: aws.Bool(true)}
	output, err := call(ctx, s.client.GetItem, input)
	switch {
	case err != nil:
		return lock.Record{}, err
	case len(output.Item) == 0:
		return lock.Record{}, lock.ErrNotFound
	}
	return decode(output.Item)
}

// CompareAndSwap writes value if key's current revision is old; "" means that
// there must be no row. A conflict is a *lock.ConflictError that carries the
// current record, or says that there is none.
func (s *Store) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	revision, err := s.put(ctx, key, value, func(input *dynamodb.PutItemInput) {
		input.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
		if old == "" {
			input.ConditionExpression, input.ExpressionAttributeNames = s.absent, s.keyNames
			return
		}
		input.ConditionExpression, input.ExpressionAttributeNames = s.unchanged, s.revNames
		input.ExpressionAttributeValues = isRevision(old)
	})
	if err != nil {
		return "", s.fail("write", key, asConflict(err, old))
	}
	return revision, nil
}

// Delete removes key's row if its current revision is old. A conflict is a
// *lock.ConflictError that carries the current record.
func (s *Store) Delete(ctx context.Context, key string, old lock.Revision) error {
	if err := s.delete(ctx, key, old); err != nil {
		return s.fail("delete", key, err)
	}
	return nil
}

func (s *Store) delete(ctx context.Context, key string, old lock.Revision) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if old == "" {
		return fmt.Errorf("%w: the revision is empty", lock.ErrRefused)
	}
	_, err := call(ctx, s.client.DeleteItem, &dynamodb.DeleteItemInput{
		TableName:                           &s.config.Table,
		Key:                                 s.key(key),
		ConditionExpression:                 s.unchanged,
		ExpressionAttributeNames:            s.revNames,
		ExpressionAttributeValues:           isRevision(old),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err = asConflict(err, old); isAbsent(err) {
		return lock.ErrNotFound
	}
	return err
}

// Put writes value whatever is there. The reference lock never uses it; models
// of published protocols do.
func (s *Store) Put(ctx context.Context, key string, value []byte) (lock.Revision, error) {
	revision, err := s.put(ctx, key, value, func(*dynamodb.PutItemInput) {})
	if err != nil {
		return "", s.fail("put", key, err)
	}
	return revision, nil
}

// Remove deletes key's row whatever is there; a missing one is no error. The
// reference lock never uses it; models of published protocols do.
func (s *Store) Remove(ctx context.Context, key string) error {
	err := checkKey(key)
	if err == nil {
		_, err = call(ctx, s.client.DeleteItem, &dynamodb.DeleteItemInput{TableName: &s.config.Table, Key: s.key(key)})
	}
	if err != nil {
		return s.fail("remove", key, err)
	}
	return nil
}

// put writes a row under a new revision, on the condition that it sets.
func (s *Store) put(ctx context.Context, key string, value []byte, condition func(*dynamodb.PutItemInput)) (lock.Revision, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	item, revision := s.encode(key, value)
	if err := s.checkSize(key, revision, value); err != nil {
		return "", err
	}
	input := &dynamodb.PutItemInput{TableName: &s.config.Table, Item: item}
	condition(input)
	if _, err := call(ctx, s.client.PutItem, input); err != nil {
		return "", err
	}
	return revision, nil
}

// fail says where an error came from, once, at the package's edge.
func (s *Store) fail(what, key string, err error) error {
	return fmt.Errorf("dynamodb: table %q: %s of key %q: %w", s.config.Table, what, shorten(key), err)
}

// shorten keeps a key that was refused for its length out of the message.
func shorten(key string) string {
	if len(key) <= 256 {
		return key
	}
	return key[:256] + "..."
}
