package file_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

const rlimitFileSize = unix.RLIMIT_FSIZE

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

func denyWrites(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skip("remount:", err)
	}
}
