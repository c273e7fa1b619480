package dynamodb

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// DynamoDB Local takes tags and has no way to list them.
func TestTagsAreAskedFor(t *testing.T) {
	input := TableConfig{Table: "t", PartitionKey: "key", Tags: map[string]string{"team": "a", "cost": "b"}, DeletionProtection: true}.input()
	if len(input.Tags) != 2 || *input.Tags[0].Key != "cost" || *input.Tags[0].Value != "b" || *input.Tags[1].Key != "team" || *input.Tags[1].Value != "a" {
		t.Errorf("tags: %+v", input.Tags)
	}
	if !aws.ToBool(input.DeletionProtectionEnabled) || input.BillingMode != types.BillingModePayPerRequest {
		t.Errorf("got %+v", input)
	}
}
