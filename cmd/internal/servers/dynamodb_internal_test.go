package servers

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sumOfX = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"

func TestSumsAreVerified(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		sums  string
		says  string
	}{
		{"all fit", map[string]string{"a.jar": "x"}, sumOfX + "  a.jar\n", ""},
		{"another content", map[string]string{"a.jar": "y"}, sumOfX + "  a.jar\n", "a.jar has SHA-256"},
		{"a file too many", map[string]string{"a.jar": "x", "b.jar": "x"}, sumOfX + "  a.jar\n", "b.jar came with it"},
		{"a file too few", map[string]string{"a.jar": "x"}, sumOfX + "  a.jar\n" + sumOfX + "  b.jar\n", "missing, such as b.jar"},
		{"a broken list", nil, "b.jar\n", "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range c.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := verifySums(dir, c.sums, nothingElse)
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestSumsNameTheReleaseAndItsLibraries(t *testing.T) {
	for _, name := range []string{"DynamoDBLocal-" + DynamoDBLocalVersion + ".jar", "libsqlite4java-linux-amd64"} {
		if !strings.Contains(dynamoDBSums, "  "+name) {
			t.Errorf("no checksum of %s", name)
		}
	}
}

func TestPlatformsWithoutNativeLibraryAreMissing(t *testing.T) {
	if err := dynamoDBPlatform("linux", "amd64"); err != nil {
		t.Error(err)
	}
	var missing *MissingError
	if err := dynamoDBPlatform("linux", "arm64"); !errors.As(err, &missing) || !strings.Contains(err.Error(), "amazon/dynamodb-local") {
		t.Error(err)
	}
}

func TestJavaVersions(t *testing.T) {
	for settings, want := range map[string]int{
		"    java.specification.version = 17\n    java.vm.specification.version = 9\n": 17,
		"java.specification.version = 1.8\n":                                           1,
		"nothing of the kind":                                                          0,
	} {
		if got := javaVersion(settings); got != want {
			t.Errorf("%q: got %d, want %d", settings, got, want)
		}
	}
}

func TestMavenProgressNamesTheFile(t *testing.T) {
	name, found := downloaded("[INFO] Downloaded from central: https://host/a/b/c-1.jar (1.2 kB at 3 kB/s)")
	if !found || name != "c-1.jar" {
		t.Errorf("got %q, %v", name, found)
	}
	if _, found := downloaded("[INFO] Downloading from central: https://host/c.jar"); found {
		t.Error("a file that is on its way was reported")
	}
}

func TestChildOutputKeepsTheEnd(t *testing.T) {
	var o childOutput
	for range 3000 {
		_, _ = o.Write([]byte("noise\n"))
	}
	_, _ = o.Write([]byte("lockproof: listening on 40"))
	if _, found := o.after("lockproof: listening on "); found {
		t.Error("half a line was taken for a line")
	}
	_, _ = o.Write([]byte("00\nmore"))
	if rest, found := o.after("lockproof: listening on "); !found || rest != "4000" {
		t.Errorf("got %q, %v", rest, found)
	}
	if len(o.String()) > childOutputKept {
		t.Error("all of the output was kept")
	}
}
