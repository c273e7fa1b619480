package dynamodb_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockproof/lockproof/lock"
)

// BenchmarkUncontended compares an acquire, and an acquire with its release,
// with one conditional PutItem made with the SDK alone, by turns on the same
// connection: "acquire/put" is what the first costs in units of the last.
func BenchmarkUncontended(b *testing.B) {
	store, api, table := fresh(b)
	c := client(b, store, "bench", lock.Config{TTL: time.Minute})
	raw := rawPut(b, api, table)
	var acquire, release, put time.Duration
	for b.Loop() {
		begun := time.Now()
		lease, err := c.Acquire(b.Context(), "l")
		if err != nil {
			b.Fatal(err)
		}
		acquired := time.Now()
		if err := lease.Release(b.Context()); err != nil {
			b.Fatal(err)
		}
		released := time.Now()
		raw()
		acquire += acquired.Sub(begun)
		release += released.Sub(acquired)
		put += time.Since(released)
	}
	b.ReportMetric(float64(acquire)/float64(put), "acquire/put")
	b.ReportMetric(float64(acquire+release)/float64(put), "acquire+release/put")
	b.ReportMetric(float64(put.Microseconds())/float64(b.N), "put-us")
}

// rawPut returns a function that writes a row on the condition that it is as
// last written, with a value as long as a held lock's.
func rawPut(b *testing.B, api *sdk.Client, table string) func() {
	s := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	value := `{"v":1,"token":1000,"mode":"x","holders":[{"id":"0123456789abcdef-1000","owner":"bench","ttl":60000,"beat":1}]}`
	last := ""
	return func() {
		next := rand.Text()
		input := &sdk.PutItemInput{
			TableName: &table,
			Item:      map[string]types.AttributeValue{"key": s("raw"), "revision": s(next), "value": s(value)},

			ConditionExpression:      aws.String("attribute_not_exists(#r)"),
			ExpressionAttributeNames: map[string]string{"#r": "revision"},
		}
		if last != "" {
			input.ConditionExpression = aws.String("#r = :old")
			input.ExpressionAttributeValues = map[string]types.AttributeValue{":old": s(last)}
		}
		if _, err := api.PutItem(b.Context(), input); err != nil {
			b.Fatal(err)
		}
		last = next
	}
}
