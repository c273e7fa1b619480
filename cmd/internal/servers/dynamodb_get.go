package servers

import (
	"context"
	_ "embed"
	"runtime"
)

// DynamoDBLocalVersion is the release of com.amazonaws:DynamoDBLocal that is
// fetched and started. It needs Java 17.
const DynamoDBLocalVersion = "2.6.1"

// dynamoDBSums are the files of a release: its own jar, all that it depends on,
// and the native libraries, as written by sha256sum.
//
//go:embed dynamodblocal/SHA256SUMS
var dynamoDBSums string

//go:embed dynamodblocal/Launcher.java
var dynamoDBLauncher []byte

// dynamoDBRelease is DynamoDB Local on Maven Central.
func dynamoDBRelease() mavenRelease {
	return mavenRelease{
		server:   "dynamodb",
		title:    "DynamoDB Local",
		version:  DynamoDBLocalVersion,
		size:     "50 MB",
		java:     17,
		jars:     []mavenJar{{"com.amazonaws", "DynamoDBLocal", DynamoDBLocalVersion}},
		sums:     dynamoDBSums,
		launcher: dynamoDBLauncher,
		own:      "set " + dynamoDBEndpointVariable + " to a running DynamoDB",
	}
}

// DynamoDBInstalled reports whether DynamoDB Local was fetched.
func DynamoDBInstalled() bool {
	_, err := dynamoDBInstallation()
	return err == nil
}

// dynamoDBInstallation returns the directory of DynamoDB Local, or a
// *MissingError.
func dynamoDBInstallation() (string, error) { return dynamoDBRelease().installation() }

// GetDynamoDB fetches DynamoDB Local with Maven into the user's cache
// directory, checks every file against the sums kept here, and compiles the
// launcher. It does nothing if that was done before. progress, which may be
// nil, is told of each step, one line at a time.
//
// What is missing on the machine (java, a compiler, mvn) is a *MissingError.
// An interrupted or failed fetch leaves nothing that counts as installed.
func GetDynamoDB(ctx context.Context, progress func(line string)) error {
	if DynamoDBInstalled() {
		return nil
	}
	if err := dynamoDBPlatform(runtime.GOOS, runtime.GOARCH); err != nil {
		return err
	}
	return dynamoDBRelease().get(ctx, progress)
}

// dynamoDBPlatform: the release on Maven Central brings native libraries for
// these alone.
func dynamoDBPlatform(goos, goarch string) error {
	switch goos + "/" + goarch {
	case "linux/amd64", "linux/386", "darwin/amd64", "windows/amd64", "windows/386":
		return nil
	}
	return &MissingError{"dynamodb",
		"DynamoDB Local from Maven Central has no native library for " + goos + "/" + goarch,
		"start the image amazon/dynamodb-local and set " + dynamoDBEndpointVariable + "=http://127.0.0.1:8000"}
}
