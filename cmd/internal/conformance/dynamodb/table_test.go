package dynamodb_test

import (
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockproof/lockproof/backends/dynamodb"
	"github.com/lockproof/lockproof/lock"
)

func TestOpenRefusesAMissingTable(t *testing.T) {
	_, err := dynamodb.Open(t.Context(), connect(t, ""), dynamodb.Config{Table: "there-is-none"})
	if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), `"there-is-none"`) || !strings.Contains(err.Error(), "CreateTable") {
		t.Fatalf("want an error that names table and remedy, got %v", err)
	}
}

func TestOpenOfAWrongEndpointIsUnavailable(t *testing.T) {
	connect(t, "") // or skip
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	client := connect(t, "http://"+listener.Addr().String())
	_, err = dynamodb.Open(t.Context(), client, dynamodb.Config{Table: "locks"})
	if err == nil || !strings.Contains(err.Error(), listener.Addr().String()) || !strings.Contains(err.Error(), `"locks"`) {
		t.Errorf("want an error that names address and table, got %v", err)
	}
	store := open(t, client, dynamodb.Config{Table: "locks", Unchecked: true})
	if _, err := store.CompareAndSwap(t.Context(), "k", "", nil); !errors.Is(err, lock.ErrUnavailable) {
		t.Error("write:", err)
	}
}

func TestTablesWithOtherKeysAreRefused(t *testing.T) {
	client := connect(t, "")
	plain := freshTable(t, client, dynamodb.TableConfig{})
	sorted := freshTable(t, client, dynamodb.TableConfig{SortKey: "sk"})
	number := makeNumberTable(t, client)
	for _, c := range []struct {
		name  string
		table string
		pk    string
		sk    string
		says  string
	}{
		{"another partition key", plain, "id", "", `partition key is "key", not "id"`},
		{"a sort key too many", sorted, "", "", `sort key is "sk", not ""`},
		{"a sort key too few", plain, "", "sk", `no sort key, wanted is "sk"`},
		{"another sort key", sorted, "", "other", `sort key is "sk", not "other"`},
		{"a number for a key", number, "", "", "type N"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := dynamodb.Open(t.Context(), client, dynamodb.Config{Table: c.table, PartitionKey: c.pk, SortKey: c.sk})
			again := dynamodb.CreateTable(t.Context(), client, dynamodb.TableConfig{Table: c.table, PartitionKey: c.pk, SortKey: c.sk})
			for _, err := range []error{err, again} {
				if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.table) {
					t.Errorf("want %q of table %s, got %v", c.says, c.table, err)
				}
			}
		})
	}
}

func makeNumberTable(t *testing.T, client *sdk.Client) string {
	t.Helper()
	name := "lockproof-" + rand.Text()[:10]
	_, err := client.CreateTable(t.Context(), &sdk.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("key"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("key"), AttributeType: types.ScalarAttributeTypeN}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dropAfter(t, client, name)
	return name
}

func TestCreateTableIsContentWithWhatFits(t *testing.T) {
	client := connect(t, "")
	config := dynamodb.TableConfig{SortKey: "sk", Tags: map[string]string{"team": "a", "cost": "b"}}
	config.Table = freshTable(t, client, config)
	config.ReadUnits, config.WriteUnits, config.Tags = 5, 5, nil
	if err := dynamodb.CreateTable(t.Context(), client, config); err != nil {
		t.Fatal(err)
	}
	table := describeTable(t, client, config.Table)
	if table.BillingModeSummary == nil || table.BillingModeSummary.BillingMode != types.BillingModePayPerRequest {
		t.Errorf("it was changed, or not made on demand: %+v", table.BillingModeSummary)
	}
}

func TestCreateTableProvisions(t *testing.T) {
	client := connect(t, "")
	table := describeTable(t, client, freshTable(t, client, dynamodb.TableConfig{ReadUnits: 3, WriteUnits: 7}))
	if p := table.ProvisionedThroughput; p == nil || aws.ToInt64(p.ReadCapacityUnits) != 3 || aws.ToInt64(p.WriteCapacityUnits) != 7 {
		t.Errorf("provisioned: %+v", p)
	}
}

func describeTable(t *testing.T, client *sdk.Client, name string) *types.TableDescription {
	t.Helper()
	output, err := client.DescribeTable(t.Context(), &sdk.DescribeTableInput{TableName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return output.Table
}

func TestConfigsAreValidated(t *testing.T) {
	for says, config := range map[string]dynamodb.Config{
		"Config.Table is empty":               {},
		`must not be called "revision"`:       {Table: "t", PartitionKey: "revision"},
		`must not be called "value"`:          {Table: "t", SortKey: "value"},
		`are both "k"`:                        {Table: "t", PartitionKey: "k", SortKey: "k"},
		"Config.SortKey is empty":             {Table: "t", SortValue: "v"},
		"SortValue has 1025 bytes, more than": {Table: "t", SortKey: "sk", SortValue: strings.Repeat("v", 1025)},
	} {
		if _, err := dynamodb.Open(t.Context(), nil, config); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q, got %v", says, err)
		}
	}
	for says, config := range map[string]dynamodb.TableConfig{
		"TableConfig.Table is empty":                    {},
		"ReadUnits 1 and TableConfig.WriteUnits 0 must": {Table: "t", ReadUnits: 1},
		"ReadUnits -1": {Table: "t", ReadUnits: -1, WriteUnits: -1},
	} {
		if err := dynamodb.CreateTable(t.Context(), nil, config); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q, got %v", says, err)
		}
	}
}
