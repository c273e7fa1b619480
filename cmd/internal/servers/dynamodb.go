package servers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// dynamoDBEndpointVariable names the environment variable by which users point
// a program at a DynamoDB of their own.
const dynamoDBEndpointVariable = "LOCKPROOF_DYNAMODB_ENDPOINT"

const (
	// dynamoDBStartTimeout bounds a start whose context has no earlier deadline.
	dynamoDBStartTimeout = 60 * time.Second
	// dynamoDBReadyPoll is how often a starting server is looked at.
	dynamoDBReadyPoll = 20 * time.Millisecond
	// dynamoDBHeap is far more than the records of any test.
	dynamoDBHeap = "256m"
	// dynamoDBLocalKey and dynamoDBLocalRegion stand for a user and a region.
	// DynamoDB Local keeps the data of each pair apart and checks nothing, but
	// takes only letters and digits for a key.
	dynamoDBLocalKey    = "lockproof"
	dynamoDBLocalRegion = "us-east-1"
)

// DynamoDBEndpoint returns the value of LOCKPROOF_DYNAMODB_ENDPOINT, the server
// that the user wants used ("http://127.0.0.1:8000"), or "".
func DynamoDBEndpoint() string { return os.Getenv(dynamoDBEndpointVariable) }

// DynamoDBConfig configures a DynamoDB Local. The zero value works.
type DynamoDBConfig struct {
	// Port on 127.0.0.1; 0 lets the system choose a free one.
	Port int
}

func (c DynamoDBConfig) validate() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("servers: DynamoDBConfig.Port %d is not between 0 and 65535", c.Port)
	}
	return nil
}

// DynamoDB is a server that speaks DynamoDB: the user's own, or a DynamoDB Local
// that this process started. Its methods may be called from any goroutine.
type DynamoDB struct {
	endpoint string
	local    *child            // nil unless it is a child process
	box      *runningContainer // nil unless it runs in Docker
	dir      string
	stop     sync.Once
}

// StartDynamoDB returns the server at LOCKPROOF_DYNAMODB_ENDPOINT if that is
// set, and otherwise starts DynamoDB Local, once it answers: in Docker if an
// engine answers that has the image, else as a child process. LOCKPROOF_DOCKER=off
// leaves Docker out, and LOCKPROOF_DOCKER=require leaves the child process out.
// It keeps its tables in memory: they are gone when it stops. ctx bounds the
// start (one minute at most), not the server's life: call Stop. The server also
// ends with this process, however this process ends.
//
// If there is neither, the error is a *MissingError. Nothing is fetched here.
func StartDynamoDB(ctx context.Context, config DynamoDBConfig) (*DynamoDB, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dynamoDBStartTimeout)
	defer cancel()
	if endpoint := DynamoDBEndpoint(); endpoint != "" {
		d := &DynamoDB{endpoint: endpoint}
		if err := d.answers(ctx); err != nil {
			return nil, fmt.Errorf("servers: DynamoDB at %s, which %s names: %w", endpoint, dynamoDBEndpointVariable, err)
		}
		return d, nil
	}
	box, noDocker := dynamoDBImage.startContainer(ctx, config.Port)
	if noDocker == nil {
		return (&DynamoDB{endpoint: "http://" + box.address, box: box}).checked(ctx)
	} else if !isMissing(noDocker) || dockerOnly() {
		return nil, noDocker
	}
	d, err := startDynamoDBLocal(config)
	if err != nil {
		return nil, alsoWithoutDocker(noDocker, err)
	}
	if err := d.waitReady(ctx); err != nil {
		_ = d.Stop()
		return nil, fmt.Errorf("servers: DynamoDB Local did not start: %w", err)
	}
	// All that it has there is a copy of its native library, which is loaded by
	// now. Removed at once, the directory is not left behind when this process
	// is killed. Where a system does not allow that, Stop does it.
	_ = os.RemoveAll(d.dir)
	return d, nil
}

func startDynamoDBLocal(config DynamoDBConfig) (*DynamoDB, error) {
	install, err := dynamoDBInstallation()
	if err != nil {
		return nil, err
	}
	java, err := dynamoDBRelease().findJava()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lockproof-dynamodb-")
	if err != nil {
		return nil, fmt.Errorf("servers: DynamoDB Local's directory: %w", err)
	}
	cmd := exec.Command(java,
		"-Djava.library.path="+install, "-Djava.io.tmpdir="+dir, "-XX:-UsePerfData",
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx"+dynamoDBHeap,
		"-cp", install+string(os.PathListSeparator)+filepath.Join(install, "*"),
		"Launcher", strconv.Itoa(config.Port))
	cmd.Dir = dir
	local, err := startChild(cmd)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("servers: DynamoDB Local: %w", err)
	}
	return &DynamoDB{local: local, dir: dir}, nil
}

// waitReady returns nil once the server answers, or says why it does not.
func (d *DynamoDB) waitReady(ctx context.Context) error {
	tick := time.NewTicker(dynamoDBReadyPoll)
	defer tick.Stop()
	for d.endpoint == "" {
		if port, found := d.local.out.after("lockproof: listening on "); found {
			d.endpoint = "http://127.0.0.1:" + port
			break
		}
		if err := d.local.ended(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w; it said:\n%s", context.Cause(ctx), d.local.out)
		}
	}
	if err := d.answers(ctx); err != nil {
		return fmt.Errorf("%w; it said:\n%s", err, d.local.out)
	}
	return nil
}

// checked returns the server if it answers, and stops it if not.
func (d *DynamoDB) checked(ctx context.Context) (*DynamoDB, error) {
	if err := d.answers(ctx); err != nil {
		_ = d.Stop()
		return nil, fmt.Errorf("servers: %s did not start: %w", d.Describe(), err)
	}
	return d, nil
}

// answers asks the server for anything. The SDK retries a few times.
func (d *DynamoDB) answers(ctx context.Context) error {
	client, closeIdle := d.Connect("")
	defer closeIdle()
	_, err := client.ListTables(ctx, &dynamodb.ListTablesInput{Limit: aws.Int32(1)})
	return err
}

// Endpoint is the server's address as a URL.
func (d *DynamoDB) Endpoint() string { return d.endpoint }

// Describe says in a few words what the server is.
func (d *DynamoDB) Describe() string {
	switch {
	case d.box != nil:
		return "DynamoDB Local " + DynamoDBLocalVersion + " in Docker"
	case d.local == nil:
		return "DynamoDB at " + d.endpoint
	}
	return "DynamoDB Local " + DynamoDBLocalVersion
}

// Local reports whether the server is a DynamoDB Local that was started here.
func (d *DynamoDB) Local() bool { return d.local != nil || d.box != nil }

// Connect returns a client with connections of its own, and what closes the
// idle ones among them. endpoint, if not empty, takes the place of the server's,
// for a proxy ("http://127.0.0.1:4000"). With a server of the user's own, the
// environment's AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and
// AWS_REGION are used where they are set.
func (d *DynamoDB) Connect(endpoint string) (client *dynamodb.Client, closeIdle func()) {
	if endpoint == "" {
		endpoint = d.endpoint
	}
	key, secret, session, region := dynamoDBLocalKey, dynamoDBLocalKey, "", dynamoDBLocalRegion
	if !d.Local() {
		if k := os.Getenv("AWS_ACCESS_KEY_ID"); k != "" {
			key, secret, session = k, os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")
		}
		if r := os.Getenv("AWS_REGION"); r != "" {
			region = r
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the endpoint is what was asked for
	transport.MaxIdleConnsPerHost = 64
	client = dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(endpoint),
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(key, secret, session),
		HTTPClient:   &http.Client{Transport: transport},
	})
	return client, transport.CloseIdleConnections
}

// Stop ends a server that was started here, and leaves the user's own alone. It
// returns when the process is gone and may be called more than once.
func (d *DynamoDB) Stop() error {
	var err error
	d.stop.Do(func() {
		if d.box != nil {
			err = d.box.stop()
		}
		if d.local == nil {
			return
		}
		d.local.stop()
		if err = os.RemoveAll(d.dir); err != nil {
			err = fmt.Errorf("servers: DynamoDB Local's directory: %w", err)
		}
	})
	return err
}
