// Package resultfile opens the files that a command's results go to before
// anything is run, so that a long run does not end in "permission denied", and
// those that results are read from.
package resultfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Set is the files of one command. The zero value works.
type Set struct{ files []*File }

// Create opens a file without changing what is in it: until there is a result to
// write, an older one is worth more. Its first Write replaces all that. Two flags
// cannot name one file, and a named pipe must have a reader: without one it would
// be waited for without end. The error names the flag.
func (s *Set) Create(flag, path string) (*File, error) {
	info, err := os.Lstat(path)
	created := errors.Is(err, fs.ErrNotExist)
	mode := os.O_WRONLY | os.O_CREATE
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		info, err = os.Stat(path)
	}
	if err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		mode = os.O_WRONLY | syscall.O_NONBLOCK
	}
	opened, err := os.OpenFile(path, mode, 0o666)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	f := &File{file: opened, flag: flag, created: created}
	if other := s.same(f); other != "" {
		_ = opened.Close()
		return nil, fmt.Errorf("%s and %s are both %s; one result would replace the other", other, flag, path)
	}
	s.files = append(s.files, f)
	return f, nil
}

// same returns the flag of a file that is the same as f. A device may be named
// twice: nothing is replaced there.
func (s *Set) same(f *File) (flag string) {
	info, err := f.file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	for _, other := range s.files {
		if there, err := other.file.Stat(); err == nil && os.SameFile(info, there) {
			return other.flag
		}
	}
	return ""
}

// Close closes the files and takes back those that were made here and that
// nothing was written to. It may be called more than once; the first call
// returns what went wrong.
func (s *Set) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	s.files = nil
	return errors.Join(errs...)
}

// File is emptied by the first write to it.
type File struct {
	file    *os.File // not embedded: its WriteString would write past Write
	flag    string
	created bool // by us
	written bool
	closed  bool
}

// Write implements io.Writer.
func (f *File) Write(b []byte) (int, error) {
	if !f.written {
		f.written = true
		if err := f.empty(); err != nil {
			return 0, err
		}
	}
	return f.file.Write(b)
}

// Regular reports whether what was written can be replaced.
func (f *File) Regular() bool {
	info, err := f.file.Stat()
	return err == nil && info.Mode().IsRegular()
}

// Replace writes b in the place of all that was written before; a device or a
// pipe has it after that. The error names the flag.
func (f *File) Replace(b []byte) error {
	f.written = true
	if err := f.empty(); err != nil {
		return fmt.Errorf("%s: %w", f.flag, err)
	}
	if _, err := f.file.Write(b); err != nil {
		return fmt.Errorf("%s: %w", f.flag, err)
	}
	return nil
}

// empty takes out what is in a file. A device or a pipe has nothing to empty.
func (f *File) empty() error {
	if !f.Regular() {
		return nil
	}
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return f.file.Truncate(0)
}

// Close closes the file, and removes it if it was made here and nothing was
// written to it. It may be called more than once.
func (f *File) Close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	err := f.file.Close()
	if err != nil {
		err = fmt.Errorf("%s: %w", f.flag, err)
	}
	if f.created && !f.written {
		err = errors.Join(err, os.Remove(f.file.Name()))
	}
	return err
}

// ErrNotRegular is the error of Open for what is there and no regular file.
var ErrNotRegular = errors.New("not a regular file")

// Open opens a file to read. What is no regular file is refused: a named pipe to
// which nobody writes would be waited for without end.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %s, %w", path, kindOf(info.Mode()), ErrNotRegular)
	}
	return os.Open(path)
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}
