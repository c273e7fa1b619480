package servers

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mavenRelease is a server on Maven Central: what to fetch, what must come, and
// how it is started.
type mavenRelease struct {
	server   string     // its name, as in LOCKPROOF_REQUIRE
	title    string     // what people call it
	version  string     // pinned
	size     string     // of the download, about
	java     int        // the oldest Java that it runs on
	jars     []mavenJar // what to ask for; what they depend on comes with them
	sums     string     // all of its files, as written by sha256sum
	launcher []byte     // the source of its Launcher class
	own      string     // what to do instead: "set X to a running Y"
}

// debianJava is the Java of Debian 12, which runs all of these.
const debianJava = 17

// mavenJar names a file on Maven Central.
type mavenJar struct{ group, artifact, version string }

func (r mavenRelease) remedy() string {
	return fmt.Sprintf("run `go run ./cmd/locksim servers get %s` (it needs a JDK %d or later and Maven), or %s", r.server, r.java, r.own)
}

func (r mavenRelease) jdkRemedy() string {
	return fmt.Sprintf("install a JDK %d or later (Debian: apt-get install openjdk-%d-jdk-headless), or %s", r.java, max(r.java, debianJava), r.own)
}

func (r mavenRelease) missing(detail, remedy string) error {
	return &MissingError{r.server, detail, remedy}
}

func (r mavenRelease) fail(err error) error { return fmt.Errorf("servers: %s: %w", r.title, err) }

// dir is where the release is installed.
func (r mavenRelease) dir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("servers: no place to keep %s: %w", r.title, err)
	}
	return filepath.Join(cache, "lockproof", r.server+"-"+r.version), nil
}

// installation returns the directory of the release, or a *MissingError. A
// launcher from another version of this package counts as missing, and so does a
// file that is not what was fetched: it would be run.
func (r mavenRelease) installation() (string, error) {
	dir, err := r.dir()
	if err != nil {
		return "", err
	}
	launcher, err := os.ReadFile(filepath.Join(dir, "Launcher.java"))
	if err != nil || !bytes.Equal(launcher, r.launcher) {
		return "", r.missing(r.title+" "+r.version+" is not installed", r.remedy())
	}
	if err := verifySums(dir, r.sums, r.compiled); err != nil {
		return "", r.missing(r.title+" "+r.version+" in "+dir+" was altered: "+err.Error(), r.remedy())
	}
	return dir, nil
}

// compiled are the files that were made here: the launcher.
func (r mavenRelease) compiled(name string) bool {
	return name == "Launcher.java" || strings.HasPrefix(name, "Launcher") && strings.HasSuffix(name, ".class")
}

// get fetches, verifies, compiles, and puts the whole in its place last.
func (r mavenRelease) get(ctx context.Context, progress func(line string)) error {
	if progress == nil {
		progress = func(string) {}
	}
	java, err := r.findJava()
	if err != nil {
		return err
	}
	if err := r.checkJava(ctx, java); err != nil {
		return err
	}
	dir, err := r.dir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return r.fail(err)
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "."+r.server+"-")
	if err != nil {
		return r.fail(err)
	}
	defer os.RemoveAll(work)
	lib := filepath.Join(work, "lib")
	if err := r.fetch(ctx, work, lib, progress); err != nil {
		return err
	}
	progress("verifying checksums")
	if err := verifySums(lib, r.sums, nothingElse); err != nil {
		return fmt.Errorf("servers: %s %s: %w; delete it from Maven's local repository and try again", r.title, r.version, err)
	}
	progress("compiling the launcher")
	if err := r.compile(ctx, java, lib); err != nil {
		return err
	}
	return r.install(lib, dir)
}

// install puts a complete directory in its place, by renaming.
func (r mavenRelease) install(lib, dir string) error {
	if err := os.Rename(lib, dir); err == nil {
		return nil
	}
	if _, err := r.installation(); err == nil {
		return nil // another process was quicker
	}
	// Something else is in the way: an installation of another launcher.
	if err := os.Rename(dir, lib+"-old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return r.fail(err)
	}
	if err := os.Rename(lib, dir); err != nil {
		return r.fail(err)
	}
	return nil
}

// javaProgram looks in JAVA_HOME first, as Maven does. It returns "" if there is
// none.
func javaProgram() string {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		if java, err := exec.LookPath(filepath.Join(home, "bin", "java")); err == nil {
			return java
		}
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return ""
	}
	return java
}

// findJava is javaProgram with an error for this release.
func (r mavenRelease) findJava() (string, error) {
	java := javaProgram()
	if java == "" {
		return "", r.missing(r.title+" runs on Java, and there is no java in PATH", r.jdkRemedy())
	}
	return java, nil
}

// way says whether the release could be started as it is.
func (r mavenRelease) way() (string, error) {
	if _, err := r.installation(); err != nil {
		return "", err
	}
	if _, err := r.findJava(); err != nil {
		return "", err
	}
	return r.title + " " + r.version + " as a child process", nil
}

// checkJava asks for the version.
func (r mavenRelease) checkJava(ctx context.Context, java string) error {
	out, err := exec.CommandContext(ctx, java, "-XshowSettings:properties", "-version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("servers: %s -version: %w\n%s", java, err, bytes.TrimSpace(out))
	}
	version := javaVersion(string(out))
	if version < r.java {
		return r.missing(fmt.Sprintf("%s needs Java %d, and %s is Java %d", r.title, r.java, java, version), r.jdkRemedy())
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

// pom asks for the release and, through it, for all that it needs.
func (r mavenRelease) pom() string {
	var b strings.Builder
	b.WriteString(`<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lockproof</groupId>
  <artifactId>` + r.server + `</artifactId>
  <version>1</version>
  <dependencies>
`)
	for _, jar := range r.jars {
		fmt.Fprintf(&b, "    <dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n",
			jar.group, jar.artifact, jar.version)
	}
	b.WriteString("  </dependencies>\n</project>\n")
	return b.String()
}

// copyGoal is pinned as the release is.
const copyGoal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

// fetch has Maven copy the files to lib. The user's Maven settings
// (mirrors, proxies) and local repository are used.
func (r mavenRelease) fetch(ctx context.Context, work, lib string, progress func(string)) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return r.missing(r.title+" is fetched with Maven, and there is no mvn in PATH", "install Maven (Debian: apt-get install maven), or "+r.own)
	}
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), []byte(r.pom()), 0o644); err != nil {
		return r.fail(err)
	}
	progress("fetching " + r.title + " " + r.version + " (" + r.size + ") with Maven")
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
		return fmt.Errorf("servers: Maven could not fetch %s %s: %w; it said:\n%s", r.title, r.version, err, kept)
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

// nothingElse is for verifySums.
func nothingElse(string) bool { return false }

// verifySums checks that dir holds the files of sums (lines as sha256sum writes
// them), and no others but those that are also allowed.
func verifySums(dir, sums string, also func(name string) bool) error {
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
		if !known && also(entry.Name()) {
			continue
		}
		if !known {
			return fmt.Errorf("%s came with it and is not in the list of its files", entry.Name())
		}
		got, err := fileSum(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		if got != sum {
			return fmt.Errorf("%s has SHA-256 %s, and must have %s", entry.Name(), got, sum)
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

// compile compiles the launcher into lib, with the compiler inside the Java runtime,
// and leaves the source there last, as the sign of a complete installation.
func (r mavenRelease) compile(ctx context.Context, java, lib string) error {
	jars, err := filepath.Glob(filepath.Join(lib, "*.jar"))
	if err != nil {
		return r.fail(err)
	}
	slices.Sort(jars)
	source := filepath.Join(lib, "Launcher.java")
	if err := os.WriteFile(source, r.launcher, 0o644); err != nil {
		return r.fail(err)
	}
	out, err := exec.CommandContext(ctx, java, "-m", "jdk.compiler/com.sun.tools.javac.Main",
		"-cp", strings.Join(jars, string(os.PathListSeparator)), "-d", lib, source).CombinedOutput()
	switch {
	case err != nil && bytes.Contains(out, []byte("jdk.compiler not found")):
		return r.missing(java+" has no compiler: it is a runtime only", r.jdkRemedy())
	case err != nil:
		return fmt.Errorf("servers: compiling the launcher of %s: %w\n%s", r.title, err, bytes.TrimSpace(out))
	}
	return nil
}
