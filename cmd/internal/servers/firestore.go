package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// firestoreHostVariable is known to all of Firestore's client libraries.
const firestoreHostVariable = "FIRESTORE_EMULATOR_HOST"

const (
	// firestoreStartTimeout bounds a start whose context has no earlier deadline.
	firestoreStartTimeout = 120 * time.Second
	// firestoreReadyPoll is how often a starting emulator is asked.
	firestoreReadyPoll = 50 * time.Millisecond
	// firestorePorts is how many ports are tried if they turn out to be taken.
	firestorePorts = 5
	// firestoreHeap is far more than the records of any test.
	firestoreHeap = "256m"
	// firestoreAnswer is what an emulator says to GET /.
	firestoreAnswer = "Ok"
	firestoreLook   = 5 * time.Second

	firestoreMain      = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
	firestoreComponent = "cloud-firestore-emulator"
	firestoreRemedy    = "run `gcloud components install cloud-firestore-emulator` (Debian: apt-get install google-cloud-cli-firestore-emulator), or set " + firestoreHostVariable + " to a running one"
	firestoreJava      = "install Java 17 or later (Debian: apt-get install openjdk-17-jre-headless), or set " + firestoreHostVariable + " to a running emulator"
)

// FirestoreHost returns the value of FIRESTORE_EMULATOR_HOST, the emulator that
// the user wants used ("127.0.0.1:8080"), or "".
func FirestoreHost() string { return os.Getenv(firestoreHostVariable) }

// FirestoreConfig configures a Firestore emulator. The zero value works.
type FirestoreConfig struct {
	// Port on 127.0.0.1; 0 lets the system choose a free one.
	Port int
}

func (c FirestoreConfig) validate() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("servers: FirestoreConfig.Port %d is not between 0 and 65535", c.Port)
	}
	return nil
}

// Firestore is a Firestore emulator: the user's own, or one of the Cloud SDK that
// this process started. Its methods may be called from any goroutine.
type Firestore struct {
	host    string
	version string
	local   *child            // nil for the user's own, and in Docker
	box     *runningContainer // of one in Docker
	dir     string
	stop    sync.Once
}

// StartFirestore returns the emulator at FIRESTORE_EMULATOR_HOST if that is set,
// and otherwise starts one, once it answers: in Docker if an engine answers that
// has the image, else the one of the Cloud SDK (CLOUDSDK_ROOT_DIR, or where
// gcloud is) as a child process (LOCKPROOF_DOCKER is as in StartDynamoDB). It keeps its documents in
// memory: they are gone when it stops. ctx bounds the start (two minutes at
// most), not the emulator's life: call Stop. On Linux the emulator also ends
// with this process, however this process ends; elsewhere one that is killed
// leaves it behind, for it does not watch its standard input.
//
// If there is no emulator, or no Java, the error is a *MissingError.
func StartFirestore(ctx context.Context, config FirestoreConfig) (*Firestore, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, firestoreStartTimeout)
	defer cancel()
	if host := FirestoreHost(); host != "" {
		f := &Firestore{host: host}
		if err := f.answers(ctx); err != nil {
			return nil, fmt.Errorf("servers: the Firestore emulator at %s, which %s names: %w", host, firestoreHostVariable, err)
		}
		return f, nil
	}
	box, noDocker := firestoreImage.startContainer(ctx, config.Port)
	if noDocker == nil {
		return &Firestore{host: box.address, version: "of " + firestoreImage.reference + " in Docker", box: box}, nil
	} else if !isMissing(noDocker) || dockerOnly() {
		return nil, noDocker
	}
	install, java, err := firestoreProgram()
	if err != nil {
		return nil, alsoWithoutDocker(noDocker, err)
	}
	for try := 1; ; try++ {
		f, err := startFirestoreLocal(ctx, java, install, config)
		if err == nil {
			return f, nil
		}
		// The emulator cannot say which port it got, so one that is free is chosen
		// before, and somebody else may be quicker.
		if config.Port != 0 || try == firestorePorts || ctx.Err() != nil || !errors.Is(err, errPortTaken) {
			return nil, fmt.Errorf("servers: the Firestore emulator did not start: %w", err)
		}
	}
}

// firestoreProgram returns the emulator and the Java that it runs on, or a
// *MissingError.
func firestoreProgram() (install firestoreInstall, java string, err error) {
	if install, err = firestoreInstallation(); err != nil {
		return install, "", err
	}
	if java = javaProgram(); java == "" {
		return install, "", &MissingError{"firestore", "the emulator runs on Java, and there is no java in PATH", firestoreJava}
	}
	return install, java, nil
}

// errPortTaken means that an emulator ended because of its port.
var errPortTaken = errors.New("the port is taken")

func startFirestoreLocal(ctx context.Context, java string, install firestoreInstall, config FirestoreConfig) (*Firestore, error) {
	host, err := firestoreAddress(config.Port)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lockproof-firestore-")
	if err != nil {
		return nil, fmt.Errorf("its directory: %w", err)
	}
	_, port, _ := net.SplitHostPort(host)
	// Java itself and not the launching script, which would be the child and die
	// in its place.
	cmd := exec.Command(java,
		"-Duser.language=en", "-Djava.io.tmpdir="+dir, "-XX:-UsePerfData",
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx"+firestoreHeap,
		"-cp", install.jar, firestoreMain, "start", "--host=127.0.0.1", "--port="+port)
	cmd.Dir = dir
	local, err := startChild(cmd)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	f := &Firestore{host: host, version: install.version, local: local, dir: dir}
	if err := f.waitReady(ctx); err != nil {
		_ = f.Stop()
		return nil, err
	}
	// It keeps nothing there. Removed at once, the directory is not left behind
	// when this process is killed. Where a system does not allow that, Stop does it.
	_ = os.RemoveAll(dir)
	return f, nil
}

// firestoreAddress returns the loopback address with the port, or with one that
// is free at the moment.
func firestoreAddress(port int) (string, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return "", fmt.Errorf("port %d on 127.0.0.1 is not free: %w; stop what holds it, or set Port 0 for a free one", port, err)
	}
	return listener.Addr().String(), listener.Close()
}

// waitReady returns nil once the emulator answers, or says why it does not.
func (f *Firestore) waitReady(ctx context.Context) error {
	tick := time.NewTicker(firestoreReadyPoll)
	defer tick.Stop()
	for {
		// Another program on the same port could answer in its place; then the
		// emulator ends, so this is looked at after the answer.
		answer := f.answers(ctx)
		started := strings.Contains(f.local.out.String(), "now running")
		if err := f.local.ended(); err != nil {
			if strings.Contains(err.Error(), "Address already in use") || strings.Contains(err.Error(), "Failed to bind") {
				return fmt.Errorf("%w: %w", errPortTaken, err)
			}
			return err
		}
		if answer == nil && started {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w (asked, it answered: %v); it said:\n%s", context.Cause(ctx), answer, f.local.out)
		}
	}
}

// answers asks for the page by which an emulator says that it is one.
func (f *Firestore) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, firestoreLook)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.host+"/", nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 100))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != firestoreAnswer {
		return fmt.Errorf("it answers GET / with status %d and %q, not as a Firestore emulator", response.StatusCode, body)
	}
	return nil
}

// Host is the emulator's address, host:port, without encryption.
func (f *Firestore) Host() string { return f.host }

// Describe says in a few words what the server is.
func (f *Firestore) Describe() string {
	if !f.Local() {
		return "Firestore emulator at " + f.host
	}
	return strings.TrimSpace("Firestore emulator " + f.version)
}

// Local reports whether the emulator was started here.
func (f *Firestore) Local() bool { return f.local != nil || f.box != nil }

// Stop ends an emulator that was started here, and leaves the user's own alone.
// It returns when the process is gone and may be called more than once.
func (f *Firestore) Stop() error {
	var err error
	f.stop.Do(func() {
		if f.box != nil {
			err = f.box.stop()
		}
		if f.local == nil {
			return
		}
		f.local.stop()
		if err = os.RemoveAll(f.dir); err != nil {
			err = fmt.Errorf("servers: the Firestore emulator's directory: %w", err)
		}
	})
	return err
}

// FirestoreInstalled reports whether the Cloud SDK's emulator is there.
func FirestoreInstalled() bool {
	_, err := firestoreInstallation()
	return err == nil
}

// firestoreInstall is an emulator in a Cloud SDK. Its version may be unknown.
type firestoreInstall struct{ jar, version string }

// firestoreInstallation looks for the emulator, or returns a *MissingError.
func firestoreInstallation() (firestoreInstall, error) {
	root := os.Getenv("CLOUDSDK_ROOT_DIR")
	if root == "" {
		gcloud, err := exec.LookPath("gcloud")
		if err == nil {
			gcloud, err = filepath.EvalSymlinks(gcloud)
		}
		if err != nil {
			return firestoreInstall{}, &MissingError{"firestore", "there is no gcloud in PATH, and CLOUDSDK_ROOT_DIR is not set", firestoreRemedy}
		}
		root = filepath.Dir(filepath.Dir(gcloud))
	}
	jar := filepath.Join(root, "platform", firestoreComponent, firestoreComponent+".jar")
	if info, err := os.Stat(jar); err != nil || !info.Mode().IsRegular() {
		return firestoreInstall{}, &MissingError{"firestore", "the Cloud SDK in " + root + " has no Firestore emulator", firestoreRemedy}
	}
	return firestoreInstall{jar: jar, version: firestoreVersion(root)}, nil
}

// firestoreVersion reads what the SDK notes about its components; "" if it
// cannot be read.
func firestoreVersion(root string) string {
	text, err := os.ReadFile(filepath.Join(root, ".install", firestoreComponent+".snapshot.json"))
	if err != nil {
		return ""
	}
	var snapshot struct {
		Components []struct {
			ID      string `json:"id"`
			Version struct {
				String string `json:"version_string"`
			} `json:"version"`
		} `json:"components"`
	}
	if json.Unmarshal(text, &snapshot) != nil {
		return ""
	}
	for _, c := range snapshot.Components {
		if c.ID == firestoreComponent {
			return c.Version.String
		}
	}
	return ""
}
