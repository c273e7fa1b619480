package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/lockproof/lockproof/lock"
)

// step names what a write does next.
type step string

const (
	stepCreate  step = "create"   // the temporary file
	stepWrite   step = "write"    // to the temporary file
	stepSync    step = "sync"     // the temporary file
	stepRename  step = "rename"   // to the name of a record or of the floor
	stepUnlink  step = "unlink"   // a record
	stepSyncDir step = "sync-dir" // after a rename or an unlink
)

func (s *Store) at(next step) error {
	if s.hook == nil {
		return nil
	}
	return s.hook(next)
}

// A write's phase, decided by whoever comes first: the writer, who is about to
// rename, or the caller, whose context has ended.
const (
	undecided int32 = iota
	committing
	abandoned
)

var errAbandoned = errors.New("abandoned")

// transact runs change while the flock is held. change must call commit just
// before the step that others can see, and stop if that fails.
//
// The goroutine is there because nothing can interrupt an fsync: if ctx ends the
// caller goes, and the goroutine stays until the step returns. It then releases
// the flock; Close waits for it.
func (s *Store) transact(ctx context.Context, change func(commit func() error) (lock.Revision, error)) (lock.Revision, error) {
	if err := s.begin(); err != nil {
		return "", err
	}
	if err := s.acquire(ctx); err != nil {
		s.running.Done()
		return "", err
	}
	type outcome struct {
		revision lock.Revision
		err      error
	}
	var phase atomic.Int32
	done := make(chan outcome, 1)
	go func() {
		defer s.running.Done()
		revision, err := change(func() error {
			if !phase.CompareAndSwap(undecided, committing) {
				return errAbandoned
			}
			return nil
		})
		if released := s.release(); released != nil && err == nil {
			err = released
		}
		done <- outcome{revision, err}
	}()
	select {
	case o := <-done:
		return o.revision, o.err
	case <-ctx.Done():
	}
	if phase.CompareAndSwap(undecided, abandoned) {
		return "", ended(ctx)
	}
	select {
	case o := <-done:
		return o.revision, o.err
	default:
		return "", fmt.Errorf("it goes on and may be applied: %w", lock.CauseOf(ctx))
	}
}

// next returns the revision that follows current, or that of a new record.
func (s *Store) next(current lock.Revision) (lock.Revision, error) {
	var last uint64
	var err error
	if current == "" {
		last, err = s.readFloor()
	} else {
		last, err = parseRevision(current)
	}
	if err != nil {
		return "", err
	}
	if last == math.MaxUint64 {
		return "", fmt.Errorf("%w: there are no revisions left", lock.ErrRefused)
	}
	return formatRevision(last + 1), nil
}

// raiseFloor makes sure that records made from now on have revisions above
// deleted.
func (s *Store) raiseFloor(deleted lock.Revision) error {
	atLeast, err := parseRevision(deleted)
	if err != nil {
		return err
	}
	floor, err := s.readFloor()
	if err != nil || floor >= atLeast {
		return err
	}
	if err := s.replace(floorName, encodeFloor(atLeast), func() error { return nil }); err != nil {
		// Whether the floor was raised or not, the record was not touched.
		return notApplied(err)
	}
	return nil
}

func (s *Store) readFloor() (uint64, error) {
	data, err := s.readFile(floorName)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: %s is missing, so revisions could repeat; restore it, or stop all users of the directory and empty it", lock.ErrRefused, s.join(floorName))
	}
	if err != nil {
		return 0, notApplied(err)
	}
	floor, err := decodeFloor(data)
	if err != nil {
		return 0, fmt.Errorf("%w: %s is damaged: %w; restore it, or stop all users of the directory and empty it", lock.ErrRefused, s.join(floorName), err)
	}
	return floor, nil
}

// read returns the current record of key; its Revision is empty if there is
// none. Errors are definite.
func (s *Store) read(key string) (lock.Record, error) {
	if err := s.inPlace(); err != nil {
		return lock.Record{}, err
	}
	name := fileName(key)
	data, err := s.readFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return lock.Record{}, nil
	}
	if err != nil {
		return lock.Record{}, notApplied(err)
	}
	found, record, err := decodeRecord(data)
	if err == nil && found != key {
		err = fmt.Errorf("it holds the key %.200q", found)
	}
	if err != nil {
		return lock.Record{}, fmt.Errorf("%w: %s cannot be used: %w; if nobody holds this lock, move the file away", lock.ErrRefused, s.join(name), err)
	}
	return record, nil
}

// readFile reads a file of at most maxFile bytes.
func (s *Store) readFile(name string) ([]byte, error) {
	f, err := s.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is no regular file; move it away", lock.ErrRefused, s.join(name))
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%w: %s has %d bytes, more than any file of this store; move it away", lock.ErrRefused, s.join(name), info.Size())
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	return data, nil
}

// replace gives the file of that name new contents. Errors are definite until
// the rename has been tried, and indefinite then.
func (s *Store) replace(name string, data []byte, commit func() error) error {
	temp := tempPrefix + rand.Text()
	if err := s.writeTemp(temp, data); err != nil {
		return notApplied(err)
	}
	err := commit()
	if err == nil {
		err = s.at(stepRename)
	}
	if err == nil {
		err = s.root.Rename(temp, name)
	}
	if err != nil {
		_ = s.root.Remove(temp) // Open does it otherwise
		if errors.Is(err, errAbandoned) || didNothing(err) {
			return notApplied(err)
		}
		return err
	}
	return s.syncDir()
}

// writeTemp leaves no file behind if it fails.
func (s *Store) writeTemp(temp string, data []byte) error {
	if err := s.at(stepCreate); err != nil {
		return err
	}
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = s.at(stepWrite); err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = s.at(stepSync)
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = s.root.Remove(temp) // Open does it otherwise
	}
	return err
}

// unlink removes a file. Errors are as those of replace.
func (s *Store) unlink(name string, commit func() error) error {
	err := commit()
	if err == nil {
		err = s.at(stepUnlink)
	}
	if err == nil {
		err = s.root.Remove(name)
	}
	switch {
	case err == nil:
		return s.syncDir()
	case errors.Is(err, errAbandoned) || didNothing(err):
		return notApplied(err)
	}
	return err
}

func (s *Store) syncDir() error {
	if err := s.at(stepSyncDir); err != nil {
		return err
	}
	return s.dir.Sync()
}

// notApplied makes an error definite that came before anything was changed.
func notApplied(err error) error {
	switch {
	case errors.Is(err, lock.ErrRefused) || errors.Is(err, lock.ErrUnavailable):
		return err
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrClosed),
		errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EFBIG), errors.Is(err, syscall.ENAMETOOLONG),
		errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
	}
	return fmt.Errorf("%w: %w", lock.ErrUnavailable, err)
}

// didNothing reports whether the system refused a rename or an unlink before it
// began. Others, such as an I/O error, may come in the middle.
func didNothing(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EROFS) ||
		errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENOTDIR)
}

// join is the path of a file, for messages.
func (s *Store) join(name string) string { return filepath.Join(s.path, name) }
