package file

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// kinds are file systems by the magic numbers of statfs(2): those that are
// shared between hosts or live in user space, and those in memory.
var kinds = map[uint32]struct {
	storage storage
	name    string
}{
	unix.NFS_SUPER_MAGIC:   {network, "NFS"},
	unix.SMB_SUPER_MAGIC:   {network, "SMB"},
	unix.CIFS_SUPER_MAGIC:  {network, "CIFS"},
	unix.SMB2_SUPER_MAGIC:  {network, "SMB2"},
	unix.FUSE_SUPER_MAGIC:  {network, "FUSE"}, // and virtiofs
	unix.V9FS_MAGIC:        {network, "9p"},
	unix.AFS_SUPER_MAGIC:   {network, "AFS"},
	unix.AFS_FS_MAGIC:      {network, "AFS"},
	unix.CEPH_SUPER_MAGIC:  {network, "Ceph"},
	unix.CODA_SUPER_MAGIC:  {network, "Coda"},
	unix.NCP_SUPER_MAGIC:   {network, "NCP"},
	unix.OCFS2_SUPER_MAGIC: {network, "OCFS2"},
	0x01161970:             {network, "GFS2"},
	0x0BD00BD0:             {network, "Lustre"},
	0x47504653:             {network, "GPFS"},
	0x786F4256:             {network, "vboxsf"},
	0xBACBACBC:             {network, "vmhgfs"},
	0x20030528:             {network, "OrangeFS"},
	unix.TMPFS_MAGIC:       {volatile, "tmpfs"},
	unix.RAMFS_MAGIC:       {volatile, "ramfs"},
}

func fileSystem(dir *os.File) (storage, string, error) {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &stat); err != nil {
		return local, "", fmt.Errorf("fstatfs: %w", err)
	}
	kind := kinds[uint32(stat.Type)]
	return kind.storage, kind.name, nil
}
