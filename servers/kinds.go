package servers

import (
	"context"
	"fmt"
	"strings"
)

// Kind is a kind of server that this package finds, fetches and starts.
type Kind struct {
	// Name is what LOCKPROOF_REQUIRE and `locksim servers get` call it.
	Name string
	// Variable is the environment variable that names a server of the user's
	// own.
	Variable string
	// Way says how the start function would come by a server at this moment, in
	// a few words, without starting it. If it could not, the error is a
	// *MissingError with the remedy.
	Way func(ctx context.Context) (string, error)
	// Get fetches or builds what is missing; nil where there is nothing that
	// could be fetched. progress is told of each step, one line at a time.
	Get func(ctx context.Context, progress func(line string)) error
}

// Kinds lists the kinds of servers.
func Kinds() []Kind {
	return []Kind{
		{Name: "nats", Variable: natsURLVariable, Way: natsWay},
		{Name: "dynamodb", Variable: dynamoDBEndpointVariable, Way: dynamoDBWay, Get: getDynamoDB},
	}
}

// FindKind returns the kind of that name.
func FindKind(name string) (Kind, error) {
	var names []string
	for _, k := range Kinds() {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return Kind{}, fmt.Errorf("unknown server %q; there are %s", name, strings.Join(names, ", "))
}

// named says that a variable of the environment decides.
func named(variable, value string) string { return variable + "=" + value }

func natsWay(context.Context) (string, error) {
	if url := NATSURL(); url != "" {
		return named(natsURLVariable, url), nil
	}
	return "embedded in this process", nil
}

func dynamoDBWay(ctx context.Context) (string, error) {
	if endpoint := DynamoDBEndpoint(); endpoint != "" {
		return named(dynamoDBEndpointVariable, endpoint), nil
	}
	way, noDocker := dynamoDBImage.way(ctx)
	if noDocker == nil || !isMissing(noDocker) || dockerOnly() {
		return way, noDocker
	}
	if _, err := dynamoDBInstallation(); err != nil {
		return "", alsoWithoutDocker(noDocker, err)
	}
	if _, err := findJava(); err != nil {
		return "", alsoWithoutDocker(noDocker, err)
	}
	return "DynamoDB Local " + DynamoDBLocalVersion + " as a child process", nil
}

// getDynamoDB gets what StartDynamoDB would use: the image where an engine can
// pull it, and otherwise what is needed without Docker.
func getDynamoDB(ctx context.Context, progress func(line string)) error {
	return dynamoDBImage.pullOr(ctx, progress, GetDynamoDB)
}
