package servers

import (
	"strings"
	"testing"
)

func TestMongoDBSumsNameTheRelease(t *testing.T) {
	for _, name := range []string{"mongo-java-server-core-", "mongo-java-server-h2-backend-"} {
		if !strings.Contains(mongoJavaSums, "  "+name+MongoJavaServerVersion+".jar\n") {
			t.Errorf("no checksum of %s%s.jar", name, MongoJavaServerVersion)
		}
	}
}

func TestMavenIsAskedForEachJar(t *testing.T) {
	pom := mongoJavaRelease().pom()
	for _, jar := range []string{"mongo-java-server", "mongo-java-server-h2-backend"} {
		if !strings.Contains(pom, "<artifactId>"+jar+"</artifactId><version>"+MongoJavaServerVersion+"</version>") {
			t.Errorf("%s is not asked for:\n%s", jar, pom)
		}
	}
}

func TestURIsAreLedThroughAProxy(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://localhost":                                         "mongodb://via:1/?directConnection=true",
		"mongodb://localhost:27017/":                                  "mongodb://via:1/?directConnection=true",
		"mongodb://u:p@a:1,b:2/db?replicaSet=rs&directConnection=no":  "mongodb://u:p@via:1/db?directConnection=true&replicaSet=rs",
		"mongodb://a:1?tls=true":                                      "mongodb://via:1/?directConnection=true&tls=true",
		"mongodb+srv://u:p@cluster.example/?w=1&srvServiceName=mongo": "mongodb://u:p@via:1/?directConnection=true&tls=true&w=1",
		"mongodb+srv://cluster.example/?tls=false":                    "mongodb://via:1/?directConnection=true&tls=false",
	} {
		if got := uriVia(uri, "via:1"); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", uri, got, want)
		}
	}
}
