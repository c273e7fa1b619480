//go:build linux || darwin || freebsd

package file

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ChildCrashes kills its own process, as kill -9 does, before the nth step of
// that name, while it writes or deletes the key "k": at is "write rename 1".
func ChildCrashes(dir, at string) error {
	fields := strings.Fields(at)
	left, err := strconv.Atoi(fields[2])
	if err != nil {
		return err
	}
	store, err := Open(dir, Config{AllowVolatile: true, NoWatch: true})
	if err != nil {
		return err
	}
	store.hook = func(next step) error {
		if next != step(fields[1]) {
			return nil
		}
		if left--; left == 0 {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				return err
			}
			select {}
		}
		return nil
	}
	record, err := store.Get(context.Background(), "k")
	if err != nil {
		return err
	}
	if fields[0] == "delete" {
		err = store.Delete(context.Background(), "k", record.Revision)
	} else {
		_, err = store.CompareAndSwap(context.Background(), "k", record.Revision, []byte("new"))
	}
	return fmt.Errorf("%s did not crash: %v", at, err)
}
