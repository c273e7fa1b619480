package targets

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockproof/lockproof/backends/dynamodb"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/harness/target"
)

var dynamodbKind = target.Kind{
	Name: "dynamodb", Server: "dynamodb",
	Summary: "DynamoDB: LOCKPROOF_DYNAMODB_ENDPOINT, or DynamoDB Local", Faults: wired,
	Open: openDynamoDB,
}

type dynamodbTarget struct {
	server *servers.DynamoDB
	o      target.Options
}

func openDynamoDB(ctx context.Context, o target.Options) (target.Target, error) {
	if err := o.RefuseExpiry("dynamodb"); err != nil {
		return nil, err
	}
	server, err := servers.StartDynamoDB(ctx, servers.DynamoDBConfig{})
	if err != nil {
		return nil, err
	}
	d := &dynamodbTarget{server, o}
	api, hangUp := server.Connect("")
	defer hangUp()
	if err := dynamodb.CreateTable(ctx, api, dynamodb.TableConfig{Table: o.Container}); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return d, nil
}

func (d *dynamodbTarget) Describe() string { return d.server.Describe() }

// Address is empty where the connection is encrypted: a certificate is for the
// server's name, and a proxy has another one.
func (d *dynamodbTarget) Address(int) string {
	u, err := url.Parse(d.server.Endpoint())
	if err != nil || u.Scheme != "http" {
		return ""
	}
	if u.Port() == "" {
		return u.Host + ":80"
	}
	return u.Host
}

func (d *dynamodbTarget) Connect(ctx context.Context, _ int, via string) (*target.Connection, error) {
	if via != "" {
		via = "http://" + via
	}
	api, hangUp := d.server.Connect(via)
	store, err := keepTrying(ctx, 2*pingEvery(d.o), func(ctx context.Context) (*dynamodb.Store, error) {
		return dynamodb.Open(ctx, api, dynamodb.Config{Table: d.o.Container})
	})
	if err != nil {
		hangUp()
		return nil, err
	}
	floor := func(ctx context.Context, key string) (target.Swap, error) {
		return dynamodbFloor(ctx, api, d.o.Container, key)
	}
	return &target.Connection{Store: store, Floor: floor, Close: hangUp}, nil
}

// dynamodbFloor is PutItem on the condition that a random attribute is as last
// written.
func dynamodbFloor(ctx context.Context, api *sdk.Client, table, key string) (target.Swap, error) {
	s := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	last := ""
	swap := func(ctx context.Context, value []byte) error {
		next := rand.Text()
		input := &sdk.PutItemInput{
			TableName: &table,
			Item:      map[string]types.AttributeValue{"key": s(key), "revision": s(next), "value": s(string(value))},

			ConditionExpression:      aws.String("attribute_not_exists(#r)"),
			ExpressionAttributeNames: map[string]string{"#r": "revision"},
		}
		if last != "" {
			input.ConditionExpression = aws.String("#r = :old")
			input.ExpressionAttributeValues = map[string]types.AttributeValue{":old": s(last)}
		}
		_, err := api.PutItem(ctx, input)
		if err == nil {
			last = next
		}
		return err
	}
	return swap, swap(ctx, []byte("{}"))
}

// Faults: DynamoDB Local keeps its tables in memory, so it cannot be stopped
// and found again as it was.
func (d *dynamodbTarget) Faults() target.Faults { return target.Faults{} }

func (d *dynamodbTarget) Close() error {
	var err error
	if !d.server.Local() {
		api, hangUp := d.server.Connect("")
		defer hangUp()
		if err = cleanup(func(ctx context.Context) error {
			_, err := api.DeleteTable(ctx, &sdk.DeleteTableInput{TableName: &d.o.Container})
			return err
		}); err != nil {
			err = fmt.Errorf("delete table %s: %w", d.o.Container, err)
		}
	}
	return errors.Join(err, d.server.Stop())
}
