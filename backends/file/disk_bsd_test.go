//go:build darwin || freebsd

package file_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

const rlimitFileSize = unix.RLIMIT_FSIZE

func smallDisk(t *testing.T, _ string) string {
	t.Skip("mounts a tmpfs, as Linux does; TestFilesThatMayNotGrow and the injected errors stand in for it")
	return ""
}

func denyWrites(t *testing.T, dir string) {
	if os.Geteuid() == 0 {
		t.Skip("permissions do not stop root; run this as another user")
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
}
