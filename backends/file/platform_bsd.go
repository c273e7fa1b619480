//go:build darwin || freebsd

package file

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fileSystem trusts the system's word on what is local. It does not know file
// systems in memory.
func fileSystem(dir *os.File) (storage, string, error) {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &stat); err != nil {
		return local, "", fmt.Errorf("fstatfs: %w", err)
	}
	if uint64(stat.Flags)&unix.MNT_LOCAL == 0 {
		return network, unix.ByteSliceToString(typeName(&stat)), nil
	}
	return local, "", nil
}

func typeName(stat *unix.Statfs_t) []byte {
	name := make([]byte, len(stat.Fstypename))
	for i, c := range stat.Fstypename {
		name[i] = byte(c)
	}
	return name
}
