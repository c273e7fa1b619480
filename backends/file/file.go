// Package file is a lock store in a directory of one host: no server, for the
// processes of one machine.
//
// # What it promises
//
// All that package backendtest asks for, with every capability: a conflict
// carries the current record, revisions are ordered, and Wait is told of changes
// by the kernel (inotify, kqueue) where that can be had; Capabilities says so.
//
// Each key is one file, and a write replaces it as a whole:
//
//	flock --- read, compare --- temporary file, fsync --- rename --- fsync of the directory --- unlock
//	          \___ nothing has happened yet: errors are definite ___/ \__ errors are indefinite __/
//
// So a process that is killed at any instant, or a machine that loses power,
// leaves the old version or the new one, and an acknowledged write is on disk as
// far as the disk tells the truth about fsync. The kernel releases the flock of
// a process that dies. Two Stores exclude each other in one process as they do
// in two. Get takes no lock: a rename is seen as a whole or not at all.
//
// Revisions never repeat, not across deletions and restarts: an update adds one
// to the record's revision, a creation starts above the store's floor, and a
// deletion first raises the floor, durably, to the revision that it deletes.
//
// # What it does not promise
//
// Nothing about network file systems, FUSE and those that cannot be trusted
// with flock, rename and fsync: Open refuses them. It also refuses file systems
// in memory, which lose fencing tokens when the machine restarts. It cannot see
// what a container or an overlay stands on.
//
// Get may see a write that is not on disk yet. If the machine loses power at
// that instant, the write may be gone, and with it everybody who saw it.
//
// Waiting for the flock is not fair, and all keys of a directory share it: their
// writes take turns, at two fsyncs each, and up to three for a deletion. A
// process that is stopped in the middle of a write holds up the others until it
// goes on or dies.
//
// Anybody who may write to the directory can break the lock. The files belong to
// one user (mode 0600), so all processes must run as that user. A backup that is
// restored while the store is in use brings old revisions back.
//
// # Limits
//
// A key has up to 4096 bytes, a value up to 1 MiB; more is lock.ErrRefused.
//
// # Failure model
//
// Up to the rename every error is definite: lock.ErrRefused for what trying
// again does not mend (no permission, read-only, a file that is not a record),
// lock.ErrUnavailable for the rest, as for a full disk. A full disk lets no
// record be written nor deleted. From the rename on errors are indefinite, and
// so is a context that ends then: the call returns at once, the write goes on,
// and Close waits for it. A record that is damaged, foreign or of a newer format
// is never overwritten: the error names the file and the remedy.
//
// # Platforms
//
// Linux is tested. macOS and FreeBSD use the same calls (on macOS Go's fsync is
// F_FULLFSYNC; network file systems are those not mounted as local); they
// compile but were not run. Elsewhere Open refuses: Windows can neither sync a
// directory nor replace a file that somebody reads.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/lockproof/lockproof/lock"
)

var (
	_ lock.Store   = (*Store)(nil)
	_ lock.Watcher = (*Store)(nil)
	_ lock.Capable = (*Store)(nil)
)

const (
	maxKey   = 4096
	maxValue = 1 << 20
)

// Config of a Store. The zero value works.
type Config struct {
	// PollEvery is how often a Wait looks at its key where the kernel does not
	// tell of changes; 20 ms if it is 0.
	PollEvery time.Duration
	// NoWatch makes waits poll even where the kernel would tell of changes, and
	// saves an inotify instance (Linux allows each user 128 by default).
	NoWatch bool
	// AllowNetwork opens a directory on a network or FUSE file system. No
	// promise of this package then holds, for one host neither.
	AllowNetwork bool
	// AllowVolatile opens a directory on a file system in memory (tmpfs). After
	// a restart of the machine its locks are forgotten, and fencing tokens begin
	// again. Tests need no more.
	AllowVolatile bool
}

func (c Config) withDefaults() Config {
	if c.PollEvery == 0 {
		c.PollEvery = 20 * time.Millisecond
	}
	return c
}

func (c Config) validate() error {
	if c.PollEvery < 0 {
		return fmt.Errorf("Config.PollEvery %v is negative", c.PollEvery)
	}
	return nil
}

// Store keeps one file per key in a directory. Its methods may be called from
// any goroutine. Use Open, and Close in the end.
type Store struct {
	path   string
	config Config
	root   *os.Root
	dir    *os.File    // the directory, to be synced
	dirID  os.FileInfo // its identity
	lock   *os.File    // the lock file
	lockID os.FileInfo // its identity
	turn   chan struct{}
	watch  *hub

	mu      sync.Mutex
	closed  bool
	closing chan struct{}  // closed by Close
	running sync.WaitGroup // writes and waits, also writes whose caller has left

	// hook, if not nil, is called before each step of a write. Tests fail or
	// die there.
	hook func(step) error
}

// Capabilities declares ConflictReturnsCurrent and RevisionOrder, and Watch if
// the kernel tells of changes.
func (s *Store) Capabilities() lock.Capabilities {
	return lock.Capabilities{Watch: s.watch.live(), ConflictReturnsCurrent: true, RevisionOrder: true}
}

// Close ends all waits, and returns when they and all writes have ended, also
// those whose callers have left. All later calls are lock.ErrRefused. It may be
// called more than once.
func (s *Store) Close() error {
	s.mu.Lock()
	first := !s.closed
	if first {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	s.running.Wait()
	if !first {
		return nil
	}
	return s.closeFiles()
}

func (s *Store) closeFiles() error {
	var errs []error
	if s.watch != nil {
		errs = append(errs, s.watch.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if err := errors.Join(append(errs, s.dir.Close(), s.root.Close())...); err != nil {
		return fmt.Errorf("file: %s: close: %w", s.path, err)
	}
	return nil
}

// Get returns the current version of key, or an error that is lock.ErrNotFound.
// It reads one small file and takes no lock; ctx is only looked at before.
func (s *Store) Get(ctx context.Context, key string) (lock.Record, error) {
	record, err := s.get(ctx, key)
	if err != nil {
		return lock.Record{}, s.fail("get", key, err)
	}
	return record, nil
}

func (s *Store) get(ctx context.Context, key string) (lock.Record, error) {
	if err := check(ctx, key, nil); err != nil {
		return lock.Record{}, err
	}
	if err := s.begin(); err != nil {
		return lock.Record{}, err
	}
	defer s.running.Done()
	record, err := s.read(key)
	if err == nil && record.Revision == "" {
		err = lock.ErrNotFound
	}
	return record, err
}

// CompareAndSwap writes value if key's current revision is old; "" means that
// the key must not exist. A conflict is a *lock.ConflictError that carries the
// current record.
func (s *Store) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	revision, err := s.write(ctx, key, value, func(current lock.Record) error {
		if current.Revision != old {
			return &lock.ConflictError{Current: current, Known: true}
		}
		return nil
	})
	if err != nil {
		return "", s.fail("write", key, err)
	}
	return revision, nil
}

// Put writes value whatever is there, if it is a record. The reference lock
// never uses it; models of published protocols do.
func (s *Store) Put(ctx context.Context, key string, value []byte) (lock.Revision, error) {
	revision, err := s.write(ctx, key, value, func(lock.Record) error { return nil })
	if err != nil {
		return "", s.fail("put", key, err)
	}
	return revision, nil
}

// Delete removes key if its current revision is old, which must not be empty.
func (s *Store) Delete(ctx context.Context, key string, old lock.Revision) error {
	if old == "" {
		return s.fail("delete", key, fmt.Errorf("%w: delete needs a revision", lock.ErrRefused))
	}
	err := s.remove(ctx, key, func(current lock.Record) error {
		if current.Revision != "" && current.Revision != old {
			return &lock.ConflictError{Current: current, Known: true}
		}
		return nil
	})
	if err != nil {
		return s.fail("delete", key, err)
	}
	return nil
}

// Remove deletes key whatever is there, if it is a record; a missing key is no
// error. The reference lock never uses it; models of published protocols do.
func (s *Store) Remove(ctx context.Context, key string) error {
	err := s.remove(ctx, key, func(lock.Record) error { return nil })
	if err != nil && !errors.Is(err, lock.ErrNotFound) {
		return s.fail("remove", key, err)
	}
	return nil
}

// write replaces the record of key if allowed does not object to it.
func (s *Store) write(ctx context.Context, key string, value []byte, allowed func(current lock.Record) error) (lock.Revision, error) {
	if err := check(ctx, key, value); err != nil {
		return "", err
	}
	value = bytes.Clone(value) // the write may outlive the call
	return s.transact(ctx, func(commit func() error) (lock.Revision, error) {
		current, err := s.read(key)
		if err != nil {
			return "", err
		}
		if err := allowed(current); err != nil {
			return "", err
		}
		revision, err := s.next(current.Revision)
		if err != nil {
			return "", err
		}
		data := encodeRecord(key, lock.Record{Value: value, Revision: revision})
		return revision, s.replace(fileName(key), data, commit)
	})
}

// remove deletes the record of key if allowed does not object to it.
func (s *Store) remove(ctx context.Context, key string, allowed func(current lock.Record) error) error {
	if err := check(ctx, key, nil); err != nil {
		return err
	}
	_, err := s.transact(ctx, func(commit func() error) (lock.Revision, error) {
		current, err := s.read(key)
		if err != nil {
			return "", err
		}
		if current.Revision == "" {
			return "", lock.ErrNotFound
		}
		if err := allowed(current); err != nil {
			return "", err
		}
		if err := s.raiseFloor(current.Revision); err != nil {
			return "", err
		}
		return "", s.unlink(fileName(key), commit)
	})
	return err
}

// begin lets a call in, which must end with s.running.Done, unless the store
// was closed.
func (s *Store) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.running.Add(1)
	return nil
}

var errClosed = fmt.Errorf("%w: the store was closed", lock.ErrRefused)

// check refuses what no operation can take. An ended context is definite here:
// nothing was done.
func check(ctx context.Context, key string, value []byte) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: the key is empty", lock.ErrRefused)
	case len(key) > maxKey:
		return fmt.Errorf("%w: the key has %d bytes, more than %d", lock.ErrRefused, len(key), maxKey)
	case len(value) > maxValue:
		return fmt.Errorf("%w: the value has %d bytes, more than %d", lock.ErrRefused, len(value), maxValue)
	case ctx.Err() != nil:
		return ended(ctx)
	}
	return nil
}

// ended is the error of a context that ended before anything was done.
func ended(ctx context.Context) error {
	return fmt.Errorf("%w: %w", lock.ErrUnavailable, lock.CauseOf(ctx))
}

// fail says where an error came from, once, at the package's edge.
func (s *Store) fail(what, key string, err error) error {
	if len(key) > 200 {
		key = key[:200] + "..."
	}
	return fmt.Errorf("file: %s: %s of key %q: %w", s.path, what, key, err)
}
