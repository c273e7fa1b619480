package servers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mongoCommandUnknown is the error code of a command that a server does not
// know.
const mongoCommandUnknown = 59

// useMongoDB checks that the user's own server answers, and asks what it is.
func useMongoDB(ctx context.Context, config MongoDBConfig, uri string) (*MongoDB, error) {
	m := &MongoDB{config: config, own: uri}
	o := options.Client().ApplyURI(uri)
	if err := pinged(ctx, o, func(client *mongo.Client) error { return m.introduce(ctx, client, o) }); err != nil {
		return nil, fmt.Errorf("servers: MongoDB, which %s names: %w", mongoDBURIVariable, err)
	}
	return m, nil
}

// pinged makes sure that a server answers, and asks it more.
func pinged(ctx context.Context, o *options.ClientOptions, more func(*mongo.Client) error) error {
	if err := o.Validate(); err != nil {
		return err
	}
	client, err := mongo.Connect(o)
	if err != nil {
		return err
	}
	defer disconnect(client)
	err = client.Ping(ctx, nil)
	if err == nil && more != nil {
		err = more(client)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(o.Hosts, ","), err)
	}
	return nil
}

// introduce learns what the server says it is, and where its primary is.
func (m *MongoDB) introduce(ctx context.Context, client *mongo.Client, o *options.ClientOptions) error {
	ask := func(command string, answer any) error {
		return client.Database("admin").RunCommand(ctx, bson.D{{Key: command, Value: 1}}).Decode(answer)
	}
	var hello struct {
		Primary string `bson:"primary"`
		SetName string `bson:"setName"`
		Msg     string `bson:"msg"`
	}
	err := ask("hello", &hello)
	var unknown mongo.CommandError
	if errors.As(err, &unknown) && unknown.Code == mongoCommandUnknown {
		err = ask("isMaster", &hello) // as it was called before
	}
	if err != nil {
		return err
	}
	var build struct {
		Version string `bson:"version"`
	}
	if err := ask("buildInfo", &build); err != nil {
		return err
	}
	m.address = hello.Primary
	if m.address == "" {
		m.address = o.Hosts[0]
	}
	kind := "standalone"
	switch {
	case hello.Msg == "isdbgrid":
		kind = "sharded"
	case hello.SetName != "":
		kind = "replica set " + hello.SetName
	}
	m.describe = fmt.Sprintf("MongoDB at %s (says that it is %s, %s)", m.address, build.Version, kind)
	return nil
}

// uriVia puts via in the place of the hosts of a URI.
func uriVia(uri, via string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	hosts, query, _ := strings.Cut(rest, "?")
	hosts, database, _ := strings.Cut(hosts, "/")
	user := ""
	if i := strings.LastIndex(hosts, "@"); i >= 0 {
		user = hosts[:i+1]
	}
	kept := []string{"directConnection=true"}
	if scheme == "mongodb+srv" && !strings.Contains(query, "tls=") && !strings.Contains(query, "ssl=") {
		kept = append(kept, "tls=true") // what the scheme implies
	}
	for option := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(option, "=")
		if name == "" || strings.EqualFold(name, "directConnection") || strings.HasPrefix(strings.ToLower(name), "srv") {
			continue
		}
		kept = append(kept, option)
	}
	return "mongodb://" + user + via + "/" + database + "?" + strings.Join(kept, "&")
}
