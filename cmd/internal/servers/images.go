package servers

import (
	"context"
	"errors"
	"net/http"

	"github.com/containerd/errdefs"
	"github.com/testcontainers/testcontainers-go/wait"
)

// image is how a store is run in Docker. Docker/compose.yml runs the same ones;
// a test compares them.
type image struct {
	// server is the name, as in LOCKPROOF_REQUIRE.
	server string
	// reference names the image with an exact version, and with its digest where
	// that is known for certain.
	reference string
	// port is where the server listens inside the container.
	port uint16
	// command follows the image's own entry point.
	command []string
	// memory are folders kept in memory. What an image declares as a volume must
	// be among them, or every start leaves an anonymous volume to be removed.
	memory []string
	// readyPath is asked by HTTP until readyStatus comes back; without it,
	// readyLine must appear in the log.
	readyPath   string
	readyStatus int
	readyLine   string
	// variable names the environment variable with a server of the user's own.
	variable string
}

// The pinned images. The digests of the others were not to be had where this was
// written; their tags name one release each.
var (
	// dynamoDBImage runs the release that is otherwise started without Docker,
	// with the same settings. In memory, it keeps the tables of each key and
	// region apart, as it does there. It answers a plain GET with 400.
	dynamoDBImage = image{
		server: "dynamodb", reference: "amazon/dynamodb-local:" + DynamoDBLocalVersion, port: 8000,
		command: []string{"-Xmx" + dynamoDBHeap, "-Djava.library.path=DynamoDBLocal_lib",
			"-jar", "DynamoDBLocal.jar", "-inMemory", "-disableTelemetry"},
		readyPath: "/", readyStatus: http.StatusBadRequest,
		variable: dynamoDBEndpointVariable,
	}
	// mongoDBImage is one member of a replica set that has still to be initiated:
	// only a replica set has majority writes that mean something.
	mongoDBImage = image{
		server: "mongodb", reference: "mongo:8.0.17", port: 27017,
		command:   []string{"mongod", "--replSet", "rs0", "--bind_ip_all"},
		memory:    []string{"/data/db", "/data/configdb"},
		readyLine: "Waiting for connections",
		variable:  "MONGODB_URI",
	}
	firestoreImage = image{
		server: "firestore",
		reference: "gcr.io/google.com/cloudsdktool/google-cloud-cli:587.0.0-emulators" +
			"@sha256:8d8573471c489a409f03891d2c24d177fa531276184f7002b9a2d853d1b3ed54",
		port:      8080,
		command:   []string{"gcloud", "emulators", "firestore", "start", "--host-port=0.0.0.0:8080"},
		readyPath: "/", readyStatus: http.StatusOK,
		variable: "FIRESTORE_EMULATOR_HOST",
	}
	// natsImage is for docker/compose.yml alone: StartNATS embeds the server. The
	// variant with Alpine has the wget that the health check needs.
	natsImage = image{
		server: "nats", reference: "nats:2.15.0-alpine", port: 4222,
		command:   []string{"nats-server", "-js", "-sd", "/data", "-m", "8222"},
		memory:    []string{"/data"},
		readyLine: "Server is ready",
		variable:  natsURLVariable,
	}
)

// images returns all of them.
func images() []image {
	return []image{dynamoDBImage, mongoDBImage, firestoreImage, natsImage}
}

// ready says when the server inside takes requests.
func (i image) ready() wait.Strategy {
	if i.readyPath == "" {
		return wait.ForLog(i.readyLine).WithStartupTimeout(containerStartTimeout).WithPollInterval(containerPoll)
	}
	return wait.ForHTTP(i.readyPath).WithPort(i.exposed()).
		WithStatusCodeMatcher(func(status int) bool { return status == i.readyStatus }).
		WithStartupTimeout(containerStartTimeout).WithPollInterval(containerPoll)
}

var errContainerEnded = errors.New("it ended by itself")

// readiness waits as Strategy does, but at the address where the port is
// published, and not for a container that has ended. Testcontainers takes a
// machine with a file /.dockerenv for a container and asks at the bridge's
// gateway, and its strategy for log lines waits for what is gone.
type readiness struct {
	wait.Strategy
	ended <-chan struct{}
}

// WaitUntilReady is [wait.Strategy].
func (r readiness) WaitUntilReady(ctx context.Context, target wait.StrategyTarget) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the goroutine
	go func() {
		select {
		case <-r.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := r.Strategy.WaitUntilReady(ctx, loopbackTarget{target})
	if err == nil {
		return nil
	}
	select {
	case <-r.ended:
		return errContainerEnded
	default:
		return err
	}
}

type loopbackTarget struct{ wait.StrategyTarget }

// Host is [wait.StrategyTarget].
func (loopbackTarget) Host(context.Context) (string, error) { return "127.0.0.1", nil }

// GetImage has the machine's Docker engine pull the pinned image of a server
// ("dynamodb", "mongodb", "firestore", "nats") unless it has it: hundreds of
// megabytes, maybe. progress, which may be nil, is told of each layer, one line
// at a time.
//
// If no engine answers, or it cannot pull the image, the error is a
// *MissingError.
func GetImage(ctx context.Context, server string, progress func(line string)) error {
	for _, i := range images() {
		if i.server == server {
			return i.pull(ctx, progress)
		}
	}
	return errors.New("servers: no Docker image is known for " + server)
}

func (i image) pull(ctx context.Context, progress func(line string)) error {
	if progress == nil {
		progress = func(string) {}
	}
	engine, err := i.engine(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	if err := i.present(ctx, engine); err == nil || !isMissing(err) {
		return err
	}
	progress("pulling the image " + i.reference)
	if err := pullImage(ctx, engine, i.reference, progress); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &MissingError{i.server, "the Docker engine cannot pull " + i.reference + ": " + oneLine(err),
			"load it there (docker load), or set " + dockerVariable + "=off for the way without Docker"}
	}
	return nil
}

// pullOr pulls the image, or does the same for the way without Docker where that
// is not possible.
func (i image) pullOr(ctx context.Context, progress func(line string), local func(context.Context, func(string)) error) error {
	err := i.pull(ctx, progress)
	if err == nil || !isMissing(err) || dockerOnly() {
		return err
	}
	if progress != nil && !dockerOff() {
		progress("without Docker: " + err.Error())
	}
	if without := local(ctx, progress); without != nil {
		return alsoWithoutDocker(err, without)
	}
	return nil
}

// way says how the server would be started in Docker, if it can be.
func (i image) way(ctx context.Context) (string, error) {
	engine, err := i.engine(ctx)
	if err != nil {
		return "", err
	}
	defer engine.Close()
	return i.reference + " in Docker", i.present(ctx, engine)
}

// present returns nil if the engine has the image, and otherwise a
// *MissingError.
func (i image) present(ctx context.Context, engine *dockerClient) error {
	_, err := engine.ImageInspect(ctx, i.reference)
	switch {
	case errdefs.IsNotFound(err):
		return &MissingError{i.server, "the Docker engine has no image " + i.reference, "run `docker pull " + i.reference + "`"}
	case err != nil:
		return i.broken(err)
	}
	return nil
}
