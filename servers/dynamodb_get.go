package servers

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// DynamoDBLocalVersion is the release of com.amazonaws:DynamoDBLocal that is
// fetched and started. It needs Java 17.
const DynamoDBLocalVersion = "2.6.1"

const (
	dynamoDBJava   = 17
	dynamoDBRemedy = "run `go run ./cmd/locksim servers get dynamodb` (it needs a JDK 17 or later and Maven), or set " + dynamoDBEndpointVariable + " to a running one"
	jdkRemedy      = "install a JDK 17 or later (Debian: apt-get install openjdk-17-jdk-headless), or set " + dynamoDBEndpointVariable + " to a running DynamoDB"
)

// dynamoDBSums are the files of a release: its own jar, all that it depends on,
// and the native libraries, as written by sha256sum.
//
//go:embed dynamodblocal/SHA256SUMS
var dynamoDBSums string

//go:embed dynamodblocal/Launcher.java
var dynamoDBLauncher []byte

// dynamoDBDir is where a release is installed.
func dynamoDBDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("servers: no place to keep DynamoDB Local: %w", err)
	}
	return filepath.Join(cache, "lockproof", "dynamodb-"+DynamoDBLocalVersion), nil
}

// DynamoDBInstalled reports whether DynamoDB Local was fetched.
func DynamoDBInstalled() bool {
	_, err := dynamoDBInstallation()
	return err == nil
}

// dynamoDBInstallation returns the directory of DynamoDB Local, or a
// *MissingError. A launcher from another version of this package counts as
// missing.
func dynamoDBInstallation() (string, error) {
	dir, err := dynamoDBDir()
	if err != nil {
		return "", err
	}
	launcher, err := os.ReadFile(filepath.Join(dir, "Launcher.java"))
	if err != nil || !bytes.Equal(launcher, dynamoDBLauncher) {
		return "", &MissingError{"dynamodb", "DynamoDB Local " + DynamoDBLocalVersion + " is not installed", dynamoDBRemedy}
	}
	return dir, nil
}

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
	if progress == nil {
		progress = func(string) {}
	}
	if err := dynamoDBPlatform(runtime.GOOS, runtime.GOARCH); err != nil {
		return err
	}
	java, err := findJava()
	if err != nil {
		return err
	}
	if err := checkJava(ctx, java); err != nil {
		return err
	}
	dir, err := dynamoDBDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("servers: DynamoDB Local: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), ".dynamodb-")
	if err != nil {
		return fmt.Errorf("servers: DynamoDB Local: %w", err)
	}
	defer os.RemoveAll(work)
	lib := filepath.Join(work, "lib")
	if err := fetchDynamoDB(ctx, work, lib, progress); err != nil {
		return err
	}
	progress("verifying checksums")
	if err := verifySums(lib, dynamoDBSums); err != nil {
		return fmt.Errorf("servers: DynamoDB Local %s: %w", DynamoDBLocalVersion, err)
	}
	progress("compiling the launcher")
	if err := compileLauncher(ctx, java, lib); err != nil {
		return err
	}
	return install(lib, dir)
}

// install puts a complete directory in its place, by renaming.
func install(lib, dir string) error {
	if err := os.Rename(lib, dir); err == nil || DynamoDBInstalled() {
		return nil // or another process was quicker
	}
	// Something else is in the way: an installation of another launcher.
	if err := os.Rename(dir, lib+"-old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("servers: DynamoDB Local: %w", err)
	}
	if err := os.Rename(lib, dir); err != nil {
		return fmt.Errorf("servers: DynamoDB Local: %w", err)
	}
	return nil
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

// findJava looks in JAVA_HOME first, as Maven does.
func findJava() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		if java, err := exec.LookPath(filepath.Join(home, "bin", "java")); err == nil {
			return java, nil
		}
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", &MissingError{"dynamodb", "DynamoDB Local runs on Java, and there is no java in PATH", jdkRemedy}
	}
	return java, nil
}

// checkJava asks for the version.
func checkJava(ctx context.Context, java string) error {
	out, err := exec.CommandContext(ctx, java, "-XshowSettings:properties", "-version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("servers: %s -version: %w\n%s", java, err, bytes.TrimSpace(out))
	}
	version := javaVersion(string(out))
	if version < dynamoDBJava {
		return &MissingError{"dynamodb", fmt.Sprintf("DynamoDB Local needs Java %d, and %s is Java %d", dynamoDBJava, java, version), jdkRemedy}
	}
	return nil
}

// javaVersion reads the output of java -XshowSettings:properties; 0 if it is
// not in there. Up to Java 8, whose version is "1.8", it is 1.
func javaVersion(settings string) int {
	for line := range strings.Lines(settings) {
		if _, value, found := strings.Cut(line, "java.specification.version = "); found {
			major, _, _ := strings.Cut(strings.TrimSpace(value), ".")
			version, _ := strconv.Atoi(major)
			return version
		}
	}
	return 0
}

// fetchPOM asks for the release and, through it, for all that it needs.
const fetchPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lockproof</groupId>
  <artifactId>dynamodb-local</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>com.amazonaws</groupId>
      <artifactId>DynamoDBLocal</artifactId>
      <version>` + DynamoDBLocalVersion + `</version>
    </dependency>
  </dependencies>
</project>
`

// copyGoal is pinned as the release is.
const copyGoal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

// fetchDynamoDB has Maven copy the files to lib. The user's Maven settings
// (mirrors, proxies) and local repository are used.
func fetchDynamoDB(ctx context.Context, work, lib string, progress func(string)) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return &MissingError{"dynamodb", "DynamoDB Local is fetched with Maven, and there is no mvn in PATH",
			"install Maven (Debian: apt-get install maven), or set " + dynamoDBEndpointVariable + " to a running DynamoDB"}
	}
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), []byte(fetchPOM), 0o644); err != nil {
		return fmt.Errorf("servers: DynamoDB Local: %w", err)
	}
	progress("fetching DynamoDB Local " + DynamoDBLocalVersion + " (50 MB) with Maven")
	cmd := exec.CommandContext(ctx, mvn, "-B", "-f", filepath.Join(work, "pom.xml"), copyGoal,
		"-DincludeScope=runtime", "-DoutputDirectory="+lib)
	cmd.Dir, cmd.WaitDelay = work, childGrace
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("servers: mvn: %w", err)
	}
	kept := &childOutput{}
	cmd.Stderr = kept
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("servers: mvn: %w", err)
	}
	lines := bufio.NewScanner(io.TeeReader(stdout, kept))
	for lines.Scan() {
		if name, found := downloaded(lines.Text()); found {
			progress("fetched " + name)
		}
	}
	_, _ = io.Copy(kept, stdout) // what a line too long left
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("servers: Maven could not fetch DynamoDB Local %s: %w; it said:\n%s", DynamoDBLocalVersion, err, kept)
	}
	return nil
}

// downloaded returns the file of a line such as
// "[INFO] Downloaded from central: https://host/path/a.jar (12 kB at 3 kB/s)".
func downloaded(line string) (name string, found bool) {
	if !strings.Contains(line, "Downloaded from ") {
		return "", false
	}
	_, rest, found := strings.Cut(line, "://")
	path, _, _ := strings.Cut(rest, " ")
	return path[strings.LastIndex(path, "/")+1:], found
}

// verifySums checks that dir holds the files of sums (lines as sha256sum writes
// them) and no others.
func verifySums(dir, sums string) error {
	wanted := make(map[string]string)
	for line := range strings.Lines(sums) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			return fmt.Errorf("malformed checksum line %q", line)
		}
		wanted[name] = sum
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		sum, known := wanted[entry.Name()]
		if !known {
			return fmt.Errorf("%s came with it and is not in the list of its files", entry.Name())
		}
		got, err := fileSum(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		if got != sum {
			return fmt.Errorf("%s has SHA-256 %s, and must have %s; delete it from Maven's local repository and try again", entry.Name(), got, sum)
		}
		delete(wanted, entry.Name())
	}
	if missing := slices.Sorted(maps.Keys(wanted)); len(missing) > 0 {
		return fmt.Errorf("%d files are missing, such as %s", len(missing), missing[0])
	}
	return nil
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// compileLauncher compiles into lib, with the compiler inside the Java runtime,
// and leaves the source there last, as the sign of a complete installation.
func compileLauncher(ctx context.Context, java, lib string) error {
	jars, err := filepath.Glob(filepath.Join(lib, "*.jar"))
	if err != nil {
		return fmt.Errorf("servers: DynamoDB Local: %w", err)
	}
	slices.Sort(jars)
	source := filepath.Join(lib, "Launcher.java")
	if err := os.WriteFile(source, dynamoDBLauncher, 0o644); err != nil {
		return fmt.Errorf("servers: DynamoDB Local: %w", err)
	}
	out, err := exec.CommandContext(ctx, java, "-m", "jdk.compiler/com.sun.tools.javac.Main",
		"-cp", strings.Join(jars, string(os.PathListSeparator)), "-d", lib, source).CombinedOutput()
	switch {
	case err != nil && bytes.Contains(out, []byte("jdk.compiler not found")):
		return &MissingError{"dynamodb", java + " has no compiler: it is a runtime only", jdkRemedy}
	case err != nil:
		return fmt.Errorf("servers: compiling the launcher of DynamoDB Local: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}
