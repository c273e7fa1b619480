// Package consistent makes the reads of a docstore collection strongly
// consistent where its driver does not by default. It is apart from package
// docstore so that only those who use DynamoDB get its SDK.
package consistent

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// DynamoDB is for docstore.Config.BeforeRead, with a collection of
// gocloud.dev/docstore/awsdynamodb/v2. It asks for a strongly consistent read,
// whatever the collection's options say, and fails if the request is not one of
// that driver's, so that it cannot be set in vain.
func DynamoDB(as func(any) bool) error {
	var input *dynamodb.BatchGetItemInput
	if !as(&input) || input == nil {
		return errors.New("consistent.DynamoDB: this is not a read of awsdynamodb/v2; with another driver, leave Config.BeforeRead out")
	}
	for table, keys := range input.RequestItems {
		keys.ConsistentRead = aws.Bool(true)
		input.RequestItems[table] = keys
	}
	return nil
}
