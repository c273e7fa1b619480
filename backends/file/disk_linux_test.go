package file_test

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

const rlimitFileSize = unix.RLIMIT_FSIZE

// immutable is FS_IMMUTABLE_FL of ioctl_iflags(2).
const immutable = 0x10

// smallDisk mounts a file system in memory, if the user may.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("lockproof", dir, "tmpfs", 0, options); err != nil {
		t.Skip("needs the right to mount a tmpfs; TestFilesThatMayNotGrow and the injected errors stand in for it:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Error(err)
		}
	})
	return dir
}

// denyWrites stands in for a disk that has become read-only: the immutable
// attribute stops the superuser too, and permissions stop all others.
func denyWrites(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		chmod(t, dir, 0o500)
		t.Cleanup(func() { chmod(t, dir, 0o700) })
		return
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	flags, err := unix.IoctlGetInt(int(d.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(d.Fd()), unix.FS_IOC_SETFLAGS, flags|immutable)
	}
	if err != nil {
		_ = d.Close()
		t.Skip("needs a file system with the immutable attribute, or a user who is not root:", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(unix.IoctlSetPointerInt(int(d.Fd()), unix.FS_IOC_SETFLAGS, flags), d.Close()); err != nil {
			t.Error(err)
		}
	})
}

func chmod(t *testing.T, dir string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(dir, mode); err != nil {
		t.Error(err)
	}
}
