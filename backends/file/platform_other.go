//go:build !linux && !darwin && !freebsd

package file

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/lockproof/lockproof/lock"
)

const openFlags = 0

func supported() error {
	return fmt.Errorf("%w: on %s a store in files would not be safe; use another backend", lock.ErrRefused, runtime.GOOS)
}

func tryLockFile(*os.File) (bool, error) { return false, errors.ErrUnsupported }

func unlockFile(*os.File) error { return errors.ErrUnsupported }

func fileSystem(*os.File) (storage, string, error) { return local, "", errors.ErrUnsupported }
