// Package tempdir makes temporary directories that do not outlive their process
// for long: what a killed one left behind is removed by the next.
package tempdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// Dir is a temporary directory that the next process removes if this one is
// killed: whoever makes one looks for others that nobody holds any more.
//
// Its mark is a file beside it that its process keeps locked, and the kernel lets
// go of it however the process ends. The mark is there before the directory and
// until after it:
//
//	mark made, locked | directory made ... directory removed | mark removed
//
// so that a directory without a mark is nobody's, and a process may be killed at
// any moment.
type Dir struct {
	path string
	held *flock.Flock
}

// tempMark ends the name of a mark; the rest is that of its directory.
const tempMark = ".held"

// oldTempMark is where earlier versions had the mark: inside.
const oldTempMark = "lockproof.held"

// New makes a directory in os.TempDir, "lockproof-NAME-" and something random, and
// removes those of that name that were left behind. The caller calls Remove.
func New(name string) (*Dir, error) {
	prefix := "lockproof-" + name + "-"
	removeAbandoned(prefix)
	for {
		mark, err := os.CreateTemp("", prefix+"*"+tempMark)
		if err != nil {
			return nil, fmt.Errorf("temporary directory: %w", err)
		}
		path := mark.Name()
		if err := mark.Close(); err != nil {
			return nil, fmt.Errorf("temporary directory: %w", err)
		}
		d := &Dir{path: strings.TrimSuffix(path, tempMark), held: flock.New(path, flock.SetFlag(os.O_RDWR))}
		ok, err := d.held.TryLock()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(path)
			return nil, fmt.Errorf("lock the mark of temporary directory %s: %w", d.path, err)
		}
		// Another process may have taken it for abandoned before it was locked.
		if _, err := os.Stat(path); !ok || err != nil {
			_ = d.held.Unlock()
			continue
		}
		if err := os.Mkdir(d.path, 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("temporary directory: %w", err), d.Remove())
		}
		return d, nil
	}
}

// removeAbandoned removes directories whose mark nobody locks or is not there.
func removeAbandoned(prefix string) {
	found, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return
	}
	for _, path := range found {
		dir, isMark := strings.CutSuffix(path, tempMark)
		mark := dir + tempMark
		if _, err := os.Lstat(mark); !isMark && err == nil {
			continue // it has its own turn
		} else if !isMark {
			if mark = filepath.Join(dir, oldTempMark); !exists(mark) {
				_ = os.RemoveAll(dir)
				continue
			}
		}
		hold := flock.New(mark, flock.SetFlag(os.O_RDWR)) // never creates it
		if ok, err := hold.TryLock(); err == nil && ok {
			if os.RemoveAll(dir) == nil {
				_ = os.Remove(mark)
			}
			_ = hold.Unlock()
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Remove removes the directory and all in it. It may be called more than once.
func (d *Dir) Remove() error {
	err := os.RemoveAll(d.path)
	if err == nil && d.held.Locked() {
		err = os.Remove(d.path + tempMark)
	}
	_ = d.held.Unlock()
	if err != nil {
		return fmt.Errorf("temporary directory: %w", err)
	}
	return nil
}

// Path of the directory, which is empty at first.
func (d *Dir) Path() string { return d.path }
