//go:build linux || darwin || freebsd

package file

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openFlags keep an open of a named pipe from blocking.
const openFlags = unix.O_NONBLOCK

func supported() error { return nil }

// tryLockFile takes the flock of an open file if it is free.
func tryLockFile(f *os.File) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, err
		}
	}
}

func unlockFile(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_UN); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
