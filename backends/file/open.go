package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// openPatience is how long Open waits for writes of others to end.
const openPatience = 10 * time.Second

// Open returns a Store on an existing directory, which it makes a store if it is
// empty. It removes what crashed writes left behind. It fails with
// lock.ErrRefused if the directory is not there, is not empty and not a store,
// cannot be written, or is on a file system that is not safe and that config
// does not allow, and names the remedy; with lock.ErrUnavailable if another
// process keeps the store locked for 10 s.
func Open(dir string, config Config) (*Store, error) {
	s, err := open(dir, config.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("file: %s: %w", dir, err)
	}
	return s, nil
}

func open(dir string, config Config) (*Store, error) {
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", lock.ErrRefused, err)
	}
	if err := supported(); err != nil {
		return nil, err
	}
	if dir == "" {
		return nil, fmt.Errorf("%w: the path is empty", lock.ErrRefused)
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, notApplied(err)
	}
	s := &Store{path: path, config: config, turn: make(chan struct{}, 1), closing: make(chan struct{})}
	if err := s.openDir(); err != nil {
		return nil, err
	}
	if err = s.openStore(); err == nil {
		return s, nil
	}
	_ = s.closeFiles() // err tells more
	return nil, err
}

func (s *Store) openDir() error {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no such directory; create it, on a disk of this machine", lock.ErrRefused)
	case err != nil:
		return notApplied(err)
	case !info.IsDir():
		return fmt.Errorf("%w: it is not a directory", lock.ErrRefused)
	}
	if s.root, err = os.OpenRoot(s.path); err != nil {
		return notApplied(err)
	}
	if s.dir, err = s.root.Open("."); err != nil {
		_ = s.root.Close()
		return notApplied(err)
	}
	return nil
}

func (s *Store) openStore() error {
	var err error
	if s.dirID, err = s.dir.Stat(); err != nil {
		return notApplied(err)
	}
	kind, name, err := fileSystem(s.dir)
	if err != nil {
		return notApplied(err)
	}
	if err := s.config.allows(kind, name); err != nil {
		return err
	}
	if err := s.openLock(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), openPatience, fmt.Errorf("another process has kept it for %v", openPatience))
	defer cancel()
	if err := s.acquire(ctx); err != nil {
		return err
	}
	err = s.prepare()
	if released := s.release(); err == nil {
		err = released
	}
	if err != nil {
		return err
	}
	// Where another host may write, the kernel here is not told.
	s.watch = newHub(s.path, s.config.NoWatch || kind == network)
	return nil
}

// allows refuses what is not safe on a file system of that name.
func (c Config) allows(kind storage, name string) error {
	switch {
	case kind == network && !c.AllowNetwork:
		return fmt.Errorf("%w: it is on a network or FUSE file system (%s), where locks are not safe; use a directory on a disk of this machine", lock.ErrRefused, name)
	case kind == volatile && !c.AllowVolatile:
		return fmt.Errorf("%w: it is in memory (%s), so a restart of the machine would forget fencing tokens; use a directory on a disk, or set Config.AllowVolatile in tests", lock.ErrRefused, name)
	}
	return nil
}

// openLock opens the lock file, and makes it only where there is no floor, which
// is to say in a new store. The order matters: whoever finds no floor may make
// the lock file if nobody else has; whoever finds the floor must find the lock
// file, since it was made before.
func (s *Store) openLock() error {
	flags := os.O_RDWR
	if _, err := s.root.Lstat(floorName); errors.Is(err, fs.ErrNotExist) {
		flags |= os.O_CREATE
	}
	var err error
	s.lock, err = s.root.OpenFile(lockName, flags|openFlags, 0o600)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s was deleted; stop all users of the directory, then create it as an empty file", lock.ErrRefused, s.join(lockName))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: it cannot be written; all users of the directory must run as the user who owns it: %w", lock.ErrRefused, err)
	case err != nil:
		return notApplied(err)
	}
	if s.lockID, err = s.lock.Stat(); err != nil {
		return notApplied(err)
	}
	if !s.lockID.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is no regular file; move it away, with all users of the directory stopped", lock.ErrRefused, s.join(lockName))
	}
	return nil
}

// prepare is called with the flock held: so any temporary file belongs to a
// write that has crashed.
func (s *Store) prepare() error {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return notApplied(err)
	}
	var stray string
	var found bool
	for _, entry := range entries {
		switch name := entry.Name(); {
		case name == floorName:
			found = true
		case strings.HasPrefix(name, tempPrefix):
			if err := s.root.Remove(name); err != nil {
				return notApplied(err)
			}
		case name != lockName && name != "lost+found":
			stray = name
		}
	}
	if found {
		if _, err := s.readFloor(); err != nil {
			return err
		}
		return s.probe()
	}
	if strings.HasSuffix(stray, recordSuffix) {
		_, err := s.readFloor() // says what is missing
		return err
	}
	if stray != "" {
		return fmt.Errorf("%w: it is no store, and not empty: it holds %q; use an empty directory", lock.ErrRefused, stray)
	}
	// A new store begins at the time, in microseconds. So revisions from before
	// a directory was emptied do not come again, if the clock is right.
	return s.replace(floorName, encodeFloor(uint64(max(1, time.Now().UnixMicro()))), func() error { return nil })
}

// probe finds out now, and not at the first write, if nothing can be written.
func (s *Store) probe() error {
	const name = tempPrefix + "probe"
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = errors.Join(f.Close(), s.root.Remove(name))
	}
	if err != nil {
		return notApplied(fmt.Errorf("it cannot be written: %w", err))
	}
	return nil
}
