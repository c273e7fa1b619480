package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// The flock is tried again after a pause, because a wait for it could not be
// ended. The pauses grow and are random, so that processes do not keep step.
const (
	shortestPause = 50 * time.Microsecond
	longestPause  = 2 * time.Millisecond
)

// acquire gets the store's turn and the flock, or fails with a definite error.
// Each Store has an open file of its own, and flock tells these apart, so two
// Stores exclude each other in one process too; turn is for the goroutines of
// one Store.
func (s *Store) acquire(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-s.closing:
		return errClosed
	case <-ctx.Done():
		return ended(ctx)
	}
	err := s.flock(ctx)
	if err == nil {
		if err = s.lockInPlace(); err == nil {
			return nil
		}
		_ = unlockFile(s.lock) // err tells more
	}
	<-s.turn
	return err
}

func (s *Store) flock(ctx context.Context) error {
	var timer *time.Timer
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		got, err := tryLockFile(s.lock)
		if err != nil {
			return fmt.Errorf("%w: flock of %s: %w", lock.ErrUnavailable, s.join(lockName), err)
		}
		if got {
			return nil
		}
		wait := pause/2 + rand.N(pause)
		if timer == nil {
			timer = time.NewTimer(wait)
			defer timer.Stop()
		} else {
			timer.Reset(wait)
		}
		select {
		case <-timer.C:
		case <-s.closing:
			return errClosed
		case <-ctx.Done():
			return fmt.Errorf("waiting for the flock of %s: %w", s.join(lockName), ended(ctx))
		}
	}
}

func (s *Store) release() error {
	err := unlockFile(s.lock)
	<-s.turn
	if err != nil {
		return fmt.Errorf("unlocking %s: %w", s.join(lockName), err)
	}
	return nil
}

// lockInPlace refuses to go on under a lock that others cannot see, because its
// file was deleted or replaced.
func (s *Store) lockInPlace() error {
	info, err := s.root.Lstat(lockName)
	switch {
	case err == nil && os.SameFile(info, s.lockID):
		return nil
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s was deleted, so it excludes nobody; stop all users of the directory, create it as an empty file if it is missing, and open the store again", lock.ErrRefused, s.join(lockName))
	}
	return notApplied(err)
}

// inPlace refuses to go on in a directory that is not at its path any more: a
// process that opens the path now would be in another.
func (s *Store) inPlace() error {
	info, err := os.Stat(s.path)
	if err == nil && os.SameFile(info, s.dirID) {
		return nil
	}
	if err == nil {
		return fmt.Errorf("%w: the directory was replaced; open it again", lock.ErrRefused)
	}
	return notApplied(err)
}
