package servers

import (
	"context"
	_ "embed"
)

// MongoJavaServerVersion is the release of de.bwaldvogel:mongo-java-server that
// is fetched and started. It speaks MongoDB's protocol, needs Java 11, and is
// not MongoDB: there are no replica sets, no read or write concerns, no
// sessions and no users.
const MongoJavaServerVersion = "1.47.0"

// mongoJavaSums are the files of a release, as written by sha256sum.
//
//go:embed mongojava/SHA256SUMS
var mongoJavaSums string

//go:embed mongojava/Launcher.java
var mongoJavaLauncher []byte

// mongoJavaRelease is mongo-java-server on Maven Central.
func mongoJavaRelease() mavenRelease {
	return mavenRelease{
		server:  "mongodb",
		title:   "mongo-java-server",
		version: MongoJavaServerVersion,
		size:    "6 MB",
		java:    11,
		jars: []mavenJar{
			{"de.bwaldvogel", "mongo-java-server", MongoJavaServerVersion},
			{"de.bwaldvogel", "mongo-java-server-h2-backend", MongoJavaServerVersion},
		},
		sums:     mongoJavaSums,
		launcher: mongoJavaLauncher,
		own:      "set " + mongoDBURIVariable + " to a running MongoDB",
	}
}

// MongoDBInstalled reports whether mongo-java-server was fetched.
func MongoDBInstalled() bool {
	_, err := mongoJavaRelease().installation()
	return err == nil
}

// GetMongoDB fetches mongo-java-server with Maven into the user's cache
// directory, checks every file against the sums kept here, and compiles the
// launcher. It does nothing if that was done before. progress, which may be
// nil, is told of each step, one line at a time.
//
// What is missing on the machine (java, a compiler, mvn) is a *MissingError.
// An interrupted or failed fetch leaves nothing that counts as installed.
func GetMongoDB(ctx context.Context, progress func(line string)) error {
	if MongoDBInstalled() {
		return nil
	}
	return mongoJavaRelease().get(ctx, progress)
}
