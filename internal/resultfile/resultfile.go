// Package resultfile opens the files that a command's results go to before
// anything is run, so that a long run does not end in "permission denied".
package resultfile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Set is the files of one command. The zero value works.
type Set struct{ files []*file }

// Create opens a file without changing what is in it: until there is a result to
// write, an older one is worth more. Its first Write replaces all that. The
// error names the flag.
func (s *Set) Create(flag, path string) (io.Writer, error) {
	_, err := os.Lstat(path)
	created := errors.Is(err, os.ErrNotExist)
	opened, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	f := &file{file: opened, created: created}
	s.files = append(s.files, f)
	return f, nil
}

// Close closes the files and takes back those that were made here and that
// nothing was written to. It may be called more than once; the first call
// returns what went wrong.
func (s *Set) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.file.Close())
		if f.created && !f.written {
			errs = append(errs, os.Remove(f.file.Name()))
		}
	}
	s.files = nil
	return errors.Join(errs...)
}

// file is emptied by the first write to it.
type file struct {
	file    *os.File // not embedded: its WriteString would write past Write
	created bool     // by us
	written bool
}

func (f *file) Write(b []byte) (int, error) {
	if !f.written {
		f.written = true
		// A device or a pipe has nothing to empty.
		if info, err := f.file.Stat(); err == nil && info.Mode().IsRegular() {
			if err := f.file.Truncate(0); err != nil {
				return 0, err
			}
		}
	}
	return f.file.Write(b)
}
