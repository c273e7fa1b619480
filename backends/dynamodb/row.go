package dynamodb

import (
	"crypto/rand"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockproof/lockproof/lock"
)

// Attributes of a row, besides its keys.
const (
	attributeRevision = "revision"
	attributeValue    = "value"
)

// Limits of DynamoDB, in bytes. A row's size counts the names of its attributes.
const (
	maxKey       = 2048
	maxSortValue = 1024
	maxRow       = 400 << 10
)

type row = map[string]types.AttributeValue

// checkKey refuses what cannot be a partition key. A key that is not UTF-8
// would be sent with other characters in place of the wrong ones, and two such
// keys could become one.
func checkKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: the key is empty", lock.ErrRefused)
	case len(key) > maxKey:
		return fmt.Errorf("%w: the key has %d bytes, more than %d", lock.ErrRefused, len(key), maxKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: the key is not valid UTF-8", lock.ErrRefused)
	}
	return nil
}

// checkSize refuses a row that DynamoDB would not take.
func (s *Store) checkSize(key string, revision lock.Revision, value []byte) error {
	c := s.config
	size := len(c.PartitionKey) + len(key) + len(c.SortKey) + len(c.SortValue) +
		len(attributeRevision) + len(revision) + len(attributeValue) + len(value)
	if size > maxRow {
		return fmt.Errorf("%w: the row would have %d bytes, more than %d", lock.ErrRefused, size, maxRow)
	}
	return nil
}

func (s *Store) key(key string) row {
	r := row{s.config.PartitionKey: &types.AttributeValueMemberS{Value: key}}
	if s.config.SortKey != "" {
		r[s.config.SortKey] = &types.AttributeValueMemberS{Value: s.config.SortValue}
	}
	return r
}

// encode makes the row of a new version.
func (s *Store) encode(key string, value []byte) (row, lock.Revision) {
	r, revision := s.key(key), rand.Text() // 26 characters, over 128 bits
	r[attributeRevision] = &types.AttributeValueMemberS{Value: revision}
	if utf8.Valid(value) {
		r[attributeValue] = &types.AttributeValueMemberS{Value: string(value)}
	} else {
		r[attributeValue] = &types.AttributeValueMemberB{Value: value}
	}
	return r, lock.Revision(revision)
}

// decode reads a row. One that was not written by a Store is refused: nothing
// is known of what it protects.
func decode(r row) (lock.Record, error) {
	revision, ok := r[attributeRevision].(*types.AttributeValueMemberS)
	if !ok || revision.Value == "" {
		return lock.Record{}, errForeign
	}
	record := lock.Record{Revision: lock.Revision(revision.Value)}
	switch value := r[attributeValue].(type) {
	case *types.AttributeValueMemberS:
		record.Value = []byte(value.Value)
	case *types.AttributeValueMemberB:
		record.Value = value.Value
	default:
		return lock.Record{}, errForeign
	}
	return record, nil
}

var errForeign = fmt.Errorf("%w: the row was written by something else: it needs a string %q, not empty, and a string or binary %q; delete it, or use another key or table",
	lock.ErrRefused, attributeRevision, attributeValue)

// isRevision gives the conditions' value.
func isRevision(old lock.Revision) row {
	return row{":old": &types.AttributeValueMemberS{Value: string(old)}}
}

// asConflict turns the failure of a write's condition into a conflict with the
// row that came with it. Other errors, and nil, stay as they are.
//
// A failure without a row means that there is none. After a create that cannot
// be: the server is one that does not return rows.
func asConflict(err error, old lock.Revision) error {
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return err
	}
	if len(failed.Item) == 0 {
		return &lock.ConflictError{Known: old != ""}
	}
	record, err := decode(failed.Item)
	if err != nil {
		return err
	}
	return &lock.ConflictError{Current: record, Known: true}
}

// isAbsent reports whether err is a conflict with a row that does not exist.
func isAbsent(err error) bool {
	var conflict *lock.ConflictError
	return errors.As(err, &conflict) && conflict.Known && conflict.Current.Revision == ""
}
