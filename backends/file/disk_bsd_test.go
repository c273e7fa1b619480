//go:build darwin || freebsd

package file_test

import (
	"testing"

	"golang.org/x/sys/unix"
)

const rlimitFileSize = unix.RLIMIT_FSIZE

func smallDisk(t *testing.T, _ string) string {
	t.Skip("mounts a tmpfs, as Linux does; TestFilesThatMayNotGrow and the injected errors stand in for it")
	return ""
}

func denyWrites(*testing.T, string) {}
