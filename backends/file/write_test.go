//go:build linux || darwin || freebsd

package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lockproof/lockproof/lock"
)

func openTest(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Config{AllowVolatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Every step of every kind of write fails in turn. What the error says must be
// so: a definite one means that nothing has changed, now and for a second Store.
func TestErrorsTellWhatIsKnown(t *testing.T) {
	const eio, nospace, denied = syscall.EIO, syscall.ENOSPC, syscall.EACCES
	for _, c := range []struct {
		op      string
		at      step
		nth     int
		because syscall.Errno
		want    error // nil: indefinite
	}{
		{"create", stepCreate, 1, nospace, lock.ErrUnavailable},
		{"create", stepCreate, 1, denied, lock.ErrRefused},
		{"update", stepCreate, 1, syscall.EROFS, lock.ErrRefused},
		{"update", stepCreate, 1, syscall.EMFILE, lock.ErrUnavailable},
		{"update", stepWrite, 1, nospace, lock.ErrUnavailable},
		{"update", stepWrite, 1, syscall.EFBIG, lock.ErrRefused},
		{"update", stepSync, 1, eio, lock.ErrUnavailable},
		{"update", stepRename, 1, denied, lock.ErrRefused},
		{"update", stepRename, 1, eio, nil},
		{"create", stepRename, 1, nospace, nil},
		{"update", stepSyncDir, 1, eio, nil},
		{"update", stepSyncDir, 1, denied, nil},
		{"delete", stepSync, 1, nospace, lock.ErrUnavailable},
		{"delete", stepRename, 1, eio, lock.ErrUnavailable},
		{"delete", stepSyncDir, 1, eio, lock.ErrUnavailable},
		{"delete", stepUnlink, 1, denied, lock.ErrRefused},
		{"delete", stepUnlink, 1, eio, nil},
		{"delete", stepSyncDir, 2, eio, nil},
	} {
		t.Run(c.op+" "+string(c.at)+" "+c.because.Error(), func(t *testing.T) {
			dir, ctx := t.TempDir(), t.Context()
			s, other := openTest(t, dir), openTest(t, dir)
			before := lock.Record{}
			if c.op != "create" {
				revision, err := s.Put(ctx, "k", []byte("old"))
				if err != nil {
					t.Fatal(err)
				}
				before = lock.Record{Value: []byte("old"), Revision: revision}
			}
			left := c.nth
			s.hook = func(next step) error {
				if next == c.at {
					if left--; left == 0 {
						return c.because
					}
				}
				return nil
			}
			var err error
			if c.op == "delete" {
				err = s.Delete(ctx, "k", before.Revision)
			} else {
				_, err = s.CompareAndSwap(ctx, "k", before.Revision, []byte("new"))
			}
			s.hook = nil
			if err == nil || !errors.Is(err, c.because) {
				t.Fatal("want the injected error, got", err)
			}
			if lock.Definite(err) != (c.want != nil) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("want %v, got %v", c.want, err)
			}
			after, readErr := other.read("k")
			if readErr != nil {
				t.Fatal(readErr)
			}
			if c.want != nil && (after.Revision != before.Revision || string(after.Value) != string(before.Value)) {
				t.Errorf("%v was said to be definite, but the record is now %+v", err, after)
			}
			if temp, _ := filepath.Glob(filepath.Join(dir, tempPrefix+"*")); len(temp) != 0 {
				t.Errorf("%v was left behind", temp)
			}
			// The lock is free, and whatever comes next has a new revision.
			revision, err := other.CompareAndSwap(ctx, "k", after.Revision, []byte("next"))
			if err != nil || revision == before.Revision || revision == after.Revision {
				t.Errorf("next write: revision %q after %q, %v", revision, before.Revision, err)
			}
		})
	}
}

// The writer is held at a step by the hook while its context ends.
func TestContextEndsDuringAWrite(t *testing.T) {
	for _, c := range []struct {
		at       step
		definite bool
	}{{stepWrite, true}, {stepSync, true}, {stepRename, false}, {stepSyncDir, false}} {
		t.Run(string(c.at), func(t *testing.T) {
			s := openTest(t, t.TempDir())
			revision, err := s.Put(t.Context(), "k", []byte("old"))
			if err != nil {
				t.Fatal(err)
			}
			reached, goOn := make(chan struct{}), make(chan struct{})
			s.hook = func(next step) error {
				if next == c.at {
					close(reached)
					<-goOn
				}
				return nil
			}
			why := errors.New("why")
			ctx, cancel := context.WithCancelCause(t.Context())
			done := make(chan error, 1)
			value := []byte("new")
			go func() {
				_, err := s.CompareAndSwap(ctx, "k", revision, value)
				done <- err
			}()
			<-reached
			cancel(why)
			err = <-done // while the step still lasts
			if !errors.Is(err, why) || lock.Definite(err) != c.definite {
				t.Errorf("definite should be %v: %v", c.definite, err)
			}
			copy(value, "!!!") // the caller has its buffer back
			close(goOn)
			s.turn <- struct{}{} // the write has ended
			s.hook = nil
			<-s.turn
			record, err := s.Get(t.Context(), "k")
			if want := map[bool]string{true: "old", false: "new"}[c.definite]; err != nil || string(record.Value) != want {
				t.Errorf("the record is %q, want %q (%v)", record.Value, want, err)
			}
		})
	}
}

func TestLostEventsWakeEverybody(t *testing.T) {
	s := openTest(t, t.TempDir())
	w := s.watch.join("x")
	defer s.watch.leave(w)
	s.watch.watcher.Errors <- errors.New("overflow")
	<-w.changed
	if !s.watch.live() {
		t.Error("the watcher gave up")
	}
}

func TestNetworkFileSystemsAreRefused(t *testing.T) {
	err := Config{AllowVolatile: true}.allows(network, "NFS")
	if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "NFS") {
		t.Error(err)
	}
	if err := (Config{AllowNetwork: true}).allows(network, "NFS"); err != nil {
		t.Error(err)
	}
}

func TestWithoutWatcherWaitsPoll(t *testing.T) {
	h := newHub(filepath.Join(t.TempDir(), "missing"), false)
	if h.live() {
		t.Error("a watcher of nothing")
	}
	if err := h.close(); err != nil {
		t.Error(err)
	}
}

func TestUnsafeFileSystemsAreTold(t *testing.T) {
	dir, err := os.Open("/proc")
	if err != nil {
		t.Skip(err)
	}
	defer dir.Close()
	if kind, name, err := fileSystem(dir); err != nil || kind != local {
		t.Error(kind, name, err)
	}
	info, err := os.Stat("/dev/shm")
	if err != nil || !info.IsDir() {
		t.Skip("no /dev/shm here")
	}
	memory, err := os.MkdirTemp("/dev/shm", "lockproof")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(memory)
	shm, err := os.Open(memory)
	if err != nil {
		t.Fatal(err)
	}
	defer shm.Close()
	if kind, _, err := fileSystem(shm); err != nil || kind != volatile {
		t.Skip("/dev/shm is no tmpfs here", err)
	}
	if _, err := Open(memory, Config{}); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "AllowVolatile") {
		t.Error("want ErrRefused that names the setting, got", err)
	}
}
