package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/lockproof/lockproof/lock"
)

// activePoll is how often CreateTable asks whether a table is there yet. In the
// service that takes some seconds.
const activePoll = 250 * time.Millisecond

// TableConfig says how CreateTable makes a table. The zero value but for Table
// is a table without a sort key, paid for on demand.
type TableConfig struct {
	// Table is the name. Required.
	Table string
	// PartitionKey and SortKey are as in Config; an empty SortKey means none.
	PartitionKey string
	SortKey      string
	// ReadUnits and WriteUnits provision capacity, both or neither. An acquire
	// or renewal takes one write unit for each KB of the record, a waiter one
	// read unit for each 4 KB and look.
	ReadUnits, WriteUnits int64
	// Tags of the table.
	Tags map[string]string
	// DeletionProtection keeps the table from being deleted by mistake.
	DeletionProtection bool
}

func (c TableConfig) validate() error {
	if c.ReadUnits < 0 || c.WriteUnits < 0 || (c.ReadUnits == 0) != (c.WriteUnits == 0) {
		return fmt.Errorf("TableConfig.ReadUnits %d and TableConfig.WriteUnits %d must be both positive, or both 0 for on demand", c.ReadUnits, c.WriteUnits)
	}
	return checkNames("TableConfig", c.Table, c.PartitionKey, c.SortKey)
}

// CreateTable makes a table that is fit for locks and waits until it is active;
// ctx bounds the wait. It is content with an existing table that has the same
// keys, whatever its capacity and tags, and changes nothing about it; one with
// other keys fails with lock.ErrRefused.
func CreateTable(ctx context.Context, client *dynamodb.Client, config TableConfig) error {
	if config.PartitionKey == "" {
		config.PartitionKey = DefaultPartitionKey
	}
	if err := config.validate(); err != nil {
		return fmt.Errorf("dynamodb: %w: %w", lock.ErrRefused, err)
	}
	var exists *types.ResourceInUseException
	_, err := client.CreateTable(ctx, config.input())
	if err != nil && !errors.As(err, &exists) {
		if class := turnedDown(err); class != nil {
			err = fmt.Errorf("%w: %w", class, err)
		}
		return fmt.Errorf("dynamodb: create table %q: %w", config.Table, err)
	}
	table, err := waitActive(ctx, client, config.Table)
	if err != nil {
		return fmt.Errorf("dynamodb: create table %q: %w", config.Table, err)
	}
	if err := checkKeys(table, config.PartitionKey, config.SortKey); err != nil {
		return fmt.Errorf("dynamodb: %w: table %q exists and does not fit: %w", lock.ErrRefused, config.Table, err)
	}
	return nil
}

func (c TableConfig) input() *dynamodb.CreateTableInput {
	input := &dynamodb.CreateTableInput{TableName: &c.Table, BillingMode: types.BillingModePayPerRequest}
	key := func(name string, kind types.KeyType) {
		input.KeySchema = append(input.KeySchema, types.KeySchemaElement{AttributeName: &name, KeyType: kind})
		input.AttributeDefinitions = append(input.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeTypeS})
	}
	key(c.PartitionKey, types.KeyTypeHash)
	if c.SortKey != "" {
		key(c.SortKey, types.KeyTypeRange)
	}
	if c.ReadUnits > 0 {
		input.BillingMode = types.BillingModeProvisioned
		input.ProvisionedThroughput = &types.ProvisionedThroughput{ReadCapacityUnits: &c.ReadUnits, WriteCapacityUnits: &c.WriteUnits}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Tags)) {
		input.Tags = append(input.Tags, types.Tag{Key: &name, Value: aws.String(c.Tags[name])})
	}
	if c.DeletionProtection {
		input.DeletionProtectionEnabled = aws.Bool(true)
	}
	return input
}

// waitActive returns a table once it can be used. While it is being made,
// DescribeTable may not know it yet; while it is being deleted, waiting does not
// help.
func waitActive(ctx context.Context, client *dynamodb.Client, name string) (*types.TableDescription, error) {
	tick := time.NewTicker(activePoll)
	defer tick.Stop()
	for {
		table, err := describe(ctx, client, name)
		var missing *types.ResourceNotFoundException
		switch {
		case errors.As(err, &missing):
		case err != nil:
			return nil, err
		case table.TableStatus == types.TableStatusDeleting:
			return nil, fmt.Errorf("%w: it is being deleted; try again when it is gone", lock.ErrUnavailable)
		case table.TableStatus != types.TableStatusCreating:
			return table, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("it is not active yet: %w", context.Cause(ctx))
		}
	}
}

// describe looks at a table. Its errors name the table and the remedy.
func describe(ctx context.Context, client *dynamodb.Client, name string) (*types.TableDescription, error) {
	output, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if err == nil {
		return output.Table, nil
	}
	var missing *types.ResourceNotFoundException
	var api smithy.APIError
	switch region := client.Options().Region; {
	case errors.As(err, &missing):
		return nil, fmt.Errorf("%w: there is no table %q in region %q; create it with CreateTable, or check the region and the endpoint: %w", lock.ErrRefused, name, region, err)
	case errors.As(err, &api) && api.ErrorCode() == "AccessDeniedException":
		return nil, fmt.Errorf("%w: no permission to look at table %q in region %q; allow dynamodb:DescribeTable, or set Config.Unchecked (locks need GetItem, PutItem and DeleteItem): %w", lock.ErrRefused, name, region, err)
	}
	if class := turnedDown(err); class != nil {
		return nil, fmt.Errorf("%w: table %q: %w", class, name, err)
	}
	return nil, fmt.Errorf("table %q: %w", name, withCause(ctx, err))
}

// checkKeys returns how a table's keys differ from the wanted ones, or nil.
func checkKeys(table *types.TableDescription, partitionKey, sortKey string) error {
	kinds := make(map[string]types.ScalarAttributeType)
	for _, a := range table.AttributeDefinitions {
		kinds[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	var partition, sort string
	for _, k := range table.KeySchema {
		if k.KeyType == types.KeyTypeHash {
			partition = aws.ToString(k.AttributeName)
		} else {
			sort = aws.ToString(k.AttributeName)
		}
	}
	const remedy = "set it in the configuration, or create a table for locks with CreateTable"
	switch {
	case partition != partitionKey:
		return fmt.Errorf("its partition key is %q, not %q; %s", partition, partitionKey, remedy)
	case sort != sortKey && sort == "":
		return fmt.Errorf("it has no sort key, wanted is %q; %s", sortKey, remedy)
	case sort != sortKey:
		return fmt.Errorf("its sort key is %q, not %q; %s", sort, sortKey, remedy)
	case kinds[partition] != types.ScalarAttributeTypeS:
		return fmt.Errorf("its partition key %q is of type %s, not S (string); create a table for locks with CreateTable", partition, kinds[partition])
	case sort != "" && kinds[sort] != types.ScalarAttributeTypeS:
		return fmt.Errorf("its sort key %q is of type %s, not S (string); create a table for locks with CreateTable", sort, kinds[sort])
	}
	return nil
}
