package servers

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// tempDir is a temporary directory that the next process removes if this one is
// killed: whoever makes one looks for others that nobody holds any more.
type tempDir struct {
	path string
	held *flock.Flock
}

// tempDirHold is the file in each directory that its process keeps locked. The
// kernel lets go of it however the process ends.
const tempDirHold = "lockproof.held"

// newTempDir makes a directory in os.TempDir, "lockproof-NAME-" and something
// random, and removes those of that name that were left behind.
func newTempDir(name string) (*tempDir, error) {
	prefix := "lockproof-" + name + "-"
	removeAbandoned(prefix)
	for {
		path, err := os.MkdirTemp("", prefix)
		if err != nil {
			return nil, fmt.Errorf("servers: temporary directory: %w", err)
		}
		d := &tempDir{path: path, held: flock.New(filepath.Join(path, tempDirHold))}
		ok, err := d.held.TryLock()
		if err != nil {
			_ = os.RemoveAll(path)
			return nil, fmt.Errorf("servers: lock temporary directory %s: %w", path, err)
		}
		// Another process may have taken it for abandoned before it was locked.
		if _, err := os.Stat(filepath.Join(path, tempDirHold)); ok && err == nil {
			return d, nil
		}
		_ = d.remove()
	}
}

// removeAbandoned removes directories whose file nobody locks. One without the
// file is left alone: it may be about to be locked.
func removeAbandoned(prefix string) {
	found, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*", tempDirHold))
	if err != nil {
		return
	}
	for _, path := range found {
		hold := flock.New(path, flock.SetFlag(os.O_RDWR)) // never creates it
		if ok, err := hold.TryLock(); err == nil && ok {
			_ = os.RemoveAll(filepath.Dir(path))
			_ = hold.Unlock()
		}
	}
}

// remove removes the directory and all in it. It may be called more than once.
func (d *tempDir) remove() error {
	err := os.RemoveAll(d.path)
	_ = d.held.Unlock()
	if err != nil {
		return fmt.Errorf("servers: temporary directory: %w", err)
	}
	return nil
}
