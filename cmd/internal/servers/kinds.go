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
	// Optional: it cannot be had on every machine, so that who asks for
	// everything is not refused for lack of it.
	Optional bool
	// Get fetches or builds what is missing; nil where there is nothing that
	// could be fetched. progress is told of each step, one line at a time.
	Get func(ctx context.Context, progress func(line string)) error
}

// Kinds lists the kinds of servers.
func Kinds() []Kind {
	return []Kind{
		{Name: "nats", Variable: natsURLVariable, Way: natsWay},
		{Name: "dynamodb", Variable: dynamoDBEndpointVariable, Way: dynamoDBWay, Get: getDynamoDB},
		{Name: "kubernetes", Variable: kubeconfigVariable, Way: kubernetesWay, Get: GetKubernetes},
		{Name: "mongodb", Variable: mongoDBURIVariable, Way: mongoDBWay, Get: getMongoDB},
		{Name: "firestore", Variable: firestoreHostVariable, Way: firestoreWay, Get: getFirestore, Optional: true},
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

// dockerOr is Docker's way if an engine has the image, and otherwise the way
// without Docker.
func (i image) dockerOr(ctx context.Context, local func() (string, error)) (string, error) {
	way, noDocker := i.way(ctx)
	if noDocker == nil || !isMissing(noDocker) || dockerOnly() {
		return way, noDocker
	}
	way, err := local()
	if err != nil {
		return "", alsoWithoutDocker(noDocker, err)
	}
	return way, nil
}

func dynamoDBWay(ctx context.Context) (string, error) {
	if endpoint := DynamoDBEndpoint(); endpoint != "" {
		return named(dynamoDBEndpointVariable, endpoint), nil
	}
	return dynamoDBImage.dockerOr(ctx, dynamoDBRelease().way)
}

// getDynamoDB gets what StartDynamoDB would use: the image where an engine can
// pull it, and otherwise what is needed without Docker.
func getDynamoDB(ctx context.Context, progress func(line string)) error {
	return dynamoDBImage.pullOr(ctx, progress, GetDynamoDB)
}

func mongoDBWay(ctx context.Context) (string, error) {
	if uri := MongoDBURI(); uri != "" {
		return mongoDBURIVariable + " is set", nil // with a password in it, maybe
	}
	return mongoDBImage.dockerOr(ctx, mongoJavaRelease().way)
}

func getMongoDB(ctx context.Context, progress func(line string)) error {
	return mongoDBImage.pullOr(ctx, progress, GetMongoDB)
}

func firestoreWay(ctx context.Context) (string, error) {
	if host := FirestoreHost(); host != "" {
		return named(firestoreHostVariable, host), nil
	}
	return firestoreImage.dockerOr(ctx, func() (string, error) {
		install, _, err := firestoreProgram()
		return "the Cloud SDK's emulator " + install.version + " as a child process", err
	})
}

// getFirestore can pull the image; the emulator of the Cloud SDK comes by
// gcloud alone.
func getFirestore(ctx context.Context, progress func(line string)) error {
	return firestoreImage.pullOr(ctx, progress, func(context.Context, func(string)) error {
		_, _, err := firestoreProgram()
		return err
	})
}

func kubernetesWay(ctx context.Context) (string, error) {
	if files := Kubeconfig(); files != "" {
		return named(kubeconfigVariable, files), nil
	}
	_, err := kubernetesProgram()
	if err == nil {
		return "kube-apiserver " + KubernetesVersion + " with etcd as a child process", nil
	}
	if command, noKind := findKind(ctx); noKind == nil {
		return command + " creates a cluster in Docker", nil
	}
	return "", err
}
