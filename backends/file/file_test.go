//go:build linux || darwin || freebsd

package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/backends/file"
	"github.com/lockproof/lockproof/lock"
)

func TestMain(m *testing.M) {
	if job := os.Getenv(jobEnv); job != "" {
		os.Exit(runChild(job))
	}
	goleak.VerifyTestMain(m)
}

// open opens a directory, also where the machine keeps temporary files in
// memory, and closes the Store after the test.
func open(t testing.TB, dir string, config file.Config) *file.Store {
	t.Helper()
	config.AllowVolatile = true
	store, err := file.Open(dir, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func TestStoreKeepsTheContract(t *testing.T) {
	dir := t.TempDir()
	store := open(t, dir, file.Config{})
	if c := store.Capabilities(); !c.Watch || !c.ConflictReturnsCurrent || !c.RevisionOrder {
		t.Fatalf("capabilities %+v; is no inotify instance left? (fs.inotify.max_user_instances)", c)
	}
	conform(t, store, open(t, dir, file.Config{}))
	left(t, dir)
}

// pretending declares Watch, so that the suite looks at waits that poll.
type pretending struct{ *file.Store }

func (p pretending) Capabilities() lock.Capabilities {
	c := p.Store.Capabilities()
	c.Watch = true
	return c
}

func TestStoreKeepsTheContractByPolling(t *testing.T) {
	dir := t.TempDir()
	config := file.Config{NoWatch: true, PollEvery: 1e6}
	store := open(t, dir, config)
	if store.Capabilities().Watch {
		t.Fatal("a store that polls declares Watch")
	}
	conform(t, pretending{store}, pretending{open(t, dir, config)})
}

func conform(t *testing.T, store, other lock.Store) {
	options := backendtest.Options{Other: other}
	for _, c := range backendtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if why := c.Skip(store, options); why != "" {
				t.Fatal("the store declares everything: " + why)
			}
			if err := c.Run(t.Context(), store, options); err != nil {
				t.Error(err)
			}
		})
	}
}

// left checks that only the store's own two files are in the directory.
func left(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != ".lockproof-lock" && name != ".lockproof-floor" {
			t.Errorf("%s was left behind", name)
		}
	}
}

func TestPutAndRemoveAskForNothing(t *testing.T) {
	store, ctx := open(t, t.TempDir(), file.Config{}), t.Context()
	if err := store.Remove(ctx, "k"); err != nil {
		t.Fatal("remove of a missing key:", err)
	}
	first, err := store.Put(ctx, "k", []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := store.Put(ctx, "k", []byte("two"))
	if err != nil || second == first {
		t.Fatalf("second put: revision %q after %q, %v", second, first, err)
	}
	if err := store.Remove(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.CompareAndSwap(ctx, "k", second, nil); !errors.Is(err, lock.ErrConflict) {
		t.Fatal("update with the removed revision:", err)
	}
}

func TestRevisionsGoOnAfterReopening(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	seen := make(map[lock.Revision]bool)
	for round := range 5 {
		store, err := file.Open(dir, file.Config{AllowVolatile: true})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			revision, err := store.CompareAndSwap(ctx, "k", "", []byte("same"))
			if err != nil {
				t.Fatal(err)
			}
			if seen[revision] {
				t.Fatalf("round %d: revision %s again", round, revision)
			}
			seen[revision] = true
			if err := store.Delete(ctx, "k", revision); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	dir := t.TempDir()
	notDir := filepath.Join(dir, "file")
	put(t, notDir, "x")
	noFloor, noLock, badFloor := madeStore(t), madeStore(t), madeStore(t)
	remove(t, filepath.Join(noFloor, ".lockproof-floor"))
	remove(t, filepath.Join(noLock, ".lockproof-lock"))
	put(t, filepath.Join(badFloor, ".lockproof-floor"), "lockproof-floor 1 rev")
	for _, c := range []struct {
		name, path string
		config     file.Config
		says       string
	}{
		{"missing", filepath.Join(dir, "missing"), file.Config{}, "create it"},
		{"empty path", "", file.Config{}, "the path is empty"},
		{"no directory", notDir, file.Config{}, "not a directory"},
		{"other files", dir, file.Config{}, `holds "file"`},
		{"no floor", noFloor, file.Config{}, ".lockproof-floor is missing"},
		{"no lock file", noLock, file.Config{}, "create it as an empty file"},
		{"damaged floor", badFloor, file.Config{}, ".lockproof-floor is damaged"},
		{"config", madeStore(t), file.Config{PollEvery: -1}, "PollEvery"},
		{"not writable", "/proc/self", file.Config{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.AllowVolatile = true
			store, err := file.Open(c.path, c.config)
			if err == nil {
				_ = store.Close()
			}
			if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("want ErrRefused that says %q, got %v", c.says, err)
			}
		})
	}
}

// madeStore is the directory of a closed store with the record "k".
func madeStore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	store, err := file.Open(dir, file.Config{AllowVolatile: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), "k", []byte("value")); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOpenRemovesWhatACrashLeft(t *testing.T) {
	dir := madeStore(t)
	stale := filepath.Join(dir, ".lockproof-temp-STALE")
	put(t, stale, "half a rec")
	open(t, dir, file.Config{})
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("the stale temporary file is still there:", err)
	}
}

func TestForeignFilesAreNamedAndKept(t *testing.T) {
	dir, ctx := madeStore(t), t.Context()
	store := open(t, dir, file.Config{})
	whole, err := os.ReadFile(filepath.Join(dir, "k.record"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"foreign":     "root:x:0:0\n",
		"empty":       "",
		"torn":        string(whole[:len(whole)-1]),
		"longer":      string(whole) + "x",
		"flipped":     strings.Replace(string(whole), "value", "valve", 1),
		"other key":   string(whole),
		"newer":       strings.Replace(string(whole), "record 1", "record 2", 1),
		"binary":      "\x00\x00\x00\x00",
		"header only": "lockproof-record 1 \n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "f.record")
			put(t, path, data)
			_, errGet := store.Get(ctx, "f")
			_, errCreate := store.CompareAndSwap(ctx, "f", "", []byte("x"))
			_, errUpdate := store.CompareAndSwap(ctx, "f", "5", []byte("x"))
			_, errPut := store.Put(ctx, "f", []byte("x"))
			_, errWait := store.Wait(ctx, "f", "")
			for what, err := range map[string]error{
				"get": errGet, "create": errCreate, "update": errUpdate, "put": errPut, "wait": errWait,
				"delete": store.Delete(ctx, "f", "5"), "remove": store.Remove(ctx, "f"),
			} {
				if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move the file away") {
					t.Errorf("%s: want ErrRefused with the file and the remedy, got %v", what, err)
				}
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != data {
				t.Errorf("the file was changed to %q, %v", after, err)
			}
			remove(t, path)
			if _, err := store.Get(ctx, "f"); !errors.Is(err, lock.ErrNotFound) {
				t.Error("after the remedy:", err)
			}
		})
	}
}

func TestReplacedDirectoryAndDeletedLockFileAreNoticed(t *testing.T) {
	ctx := t.Context()
	dir := madeStore(t)
	store := open(t, dir, file.Config{})
	remove(t, filepath.Join(dir, ".lockproof-lock"))
	if _, err := store.Put(ctx, "k", nil); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "was deleted") {
		t.Error("lock file deleted:", err)
	}

	dir = madeStore(t)
	store = open(t, dir, file.Config{})
	record, err := store.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		_, err := store.Wait(ctx, "k", record.Revision)
		waited <- err
	}()
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; !errors.Is(err, lock.ErrRefused) {
		t.Error("wait in a directory that was moved away:", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(ctx, "k", nil); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "replaced") {
		t.Error("directory replaced:", err)
	}
	if _, err := store.Get(ctx, "k"); !errors.Is(err, lock.ErrRefused) {
		t.Error("directory replaced:", err)
	}
}

func TestWhatIsTooLongIsRefused(t *testing.T) {
	store, ctx := open(t, t.TempDir(), file.Config{}), t.Context()
	if _, err := store.Put(ctx, strings.Repeat("k", 4097), nil); !errors.Is(err, lock.ErrRefused) {
		t.Error("key:", err)
	}
	if _, err := store.Put(ctx, "k", make([]byte, 1<<20+1)); !errors.Is(err, lock.ErrRefused) {
		t.Error("value:", err)
	}
	key := strings.Repeat("\xff\x00", 2048)
	if _, err := store.Put(ctx, key, make([]byte, 1<<20)); err != nil {
		t.Fatal("the longest of both:", err)
	}
	if record, err := store.Get(ctx, key); err != nil || len(record.Value) != 1<<20 {
		t.Error("the longest of both:", len(record.Value), err)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	dir, ctx := madeStore(t), t.Context()
	store := open(t, dir, file.Config{})
	record, err := store.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		_, err := store.Wait(ctx, "k", record.Revision)
		waited <- err
	}()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	_, errGet := store.Get(ctx, "k")
	_, errPut := store.Put(ctx, "k", nil)
	for _, err := range []error{<-waited, errGet, errPut, store.Delete(ctx, "k", record.Revision)} {
		if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "closed") {
			t.Error("want ErrRefused, got", err)
		}
	}
	if err := store.Close(); err != nil {
		t.Error("second close:", err)
	}
}

// The flock is held by another process, which is then killed.
func TestWaitingForTheFlockEndsWithTheContext(t *testing.T) {
	dir := madeStore(t)
	store := open(t, dir, file.Config{})
	child := start(t, "hold", dir)
	child.expect(t, "held")

	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := store.Put(ctx, "k", []byte("late"))
		done <- err
	}()
	record, err := store.Get(t.Context(), "k") // takes no lock
	if err != nil {
		t.Fatal(err)
	}
	cancel(why)
	if err := <-done; !errors.Is(err, lock.ErrUnavailable) || !errors.Is(err, why) {
		t.Fatal("want ErrUnavailable with the cause, got", err)
	}
	child.kill(t)
	if _, err := store.CompareAndSwap(t.Context(), "k", record.Revision, nil); err != nil {
		t.Fatal("after the holder was killed:", err)
	}
}

func put(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
