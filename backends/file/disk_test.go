//go:build linux || darwin || freebsd

package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/file"
	"github.com/lockproof/lockproof/lock"
)

// A process kills itself before each step of an update and of a deletion.
func TestCrashAtEachStep(t *testing.T) {
	for _, c := range []struct{ at, want string }{
		{"write create 1", "old"}, {"write write 1", "old"}, {"write sync 1", "old"}, {"write rename 1", "old"},
		{"write sync-dir 1", "new"},
		{"delete create 1", "old"}, {"delete rename 1", "old"}, {"delete sync-dir 1", "old"}, {"delete unlink 1", "old"},
		{"delete sync-dir 2", "gone"},
	} {
		t.Run(c.at, func(t *testing.T) {
			dir, ctx := t.TempDir(), t.Context()
			store := open(t, dir, file.Config{})
			first, err := store.Put(ctx, "k", []byte("old"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = start(t, "crash "+c.at, dir).wait()
			if err == nil || err.Error() != "signal: killed" {
				t.Fatal("the child was to be killed:", err)
			}
			record, err := store.Get(ctx, "k")
			switch {
			case c.want == "gone":
				if !errors.Is(err, lock.ErrNotFound) {
					t.Fatalf("got %+v, %v", record, err)
				}
			case err != nil || string(record.Value) != c.want || (c.want == "old") != (record.Revision == first):
				t.Fatalf("got %+v, %v; revision %s before", record, err, first)
			}
			// The lock is free, and a new life of the key has new revisions.
			if err := store.Remove(ctx, "k"); err != nil {
				t.Fatal(err)
			}
			again := open(t, dir, file.Config{})
			revision, err := again.CompareAndSwap(ctx, "k", "", nil)
			if err != nil || number(t, revision) <= number(t, first) || number(t, revision) <= number(t, record.Revision) {
				t.Fatalf("revision %s after %s and %s, %v", revision, first, record.Revision, err)
			}
			if err := again.Delete(ctx, "k", revision); err != nil {
				t.Fatal(err)
			}
			left(t, dir)
		})
	}
}

func number(t *testing.T, revision lock.Revision) uint64 {
	t.Helper()
	if revision == "" {
		return 0
	}
	n, err := strconv.ParseUint(string(revision), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// writesTooMuch makes a value grow until it cannot be written, and checks that
// the last one that was acknowledged is still there.
func writesTooMuch(ctx context.Context, store *file.Store, want error) error {
	revision, err := store.CompareAndSwap(ctx, "k", "", nil)
	if err != nil {
		return err
	}
	var value []byte
	for {
		longer := bytes.Repeat([]byte("v"), len(value)+4096)
		next, err := store.CompareAndSwap(ctx, "k", revision, longer)
		if err == nil {
			revision, value = next, longer
			continue
		}
		if len(value) == 0 || !errors.Is(err, want) {
			return fmt.Errorf("after %d bytes: want %q, got: %w", len(value), want, err)
		}
		break
	}
	record, err := store.Get(ctx, "k")
	if err != nil || record.Revision != revision || !bytes.Equal(record.Value, value) {
		return fmt.Errorf("after the failed write: revision %s, %d bytes, %v", record.Revision, len(record.Value), err)
	}
	if revision, err = store.CompareAndSwap(ctx, "k", revision, nil); err != nil {
		return fmt.Errorf("a small value after the failed write: %w", err)
	}
	return store.Delete(ctx, "k", revision)
}

func childWritesTooMuch(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}
	if err := syscall.Setrlimit(rlimitFileSize, &limit); err != nil {
		return err
	}
	store, err := file.Open(dir, file.Config{AllowVolatile: true})
	if err != nil {
		return err
	}
	return errors.Join(writesTooMuch(context.Background(), store, lock.ErrRefused), store.Close())
}

func TestFilesThatMayNotGrow(t *testing.T) {
	dir := t.TempDir()
	if _, err := start(t, "small-files", dir).wait(); err != nil {
		t.Fatal(err)
	}
	left(t, dir)
}

func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, "size=128k")
	if err := writesTooMuch(t.Context(), open(t, dir, file.Config{}), lock.ErrUnavailable); err != nil {
		t.Fatal(err)
	}
	left(t, dir)
}

// Without inodes left no temporary file can be made: not by Open either.
func TestDiskWithoutInodes(t *testing.T) {
	dir, ctx := smallDisk(t, "nr_inodes=5"), t.Context() // the root, two own files, one record, one temporary
	store := open(t, dir, file.Config{})
	if _, err := store.Put(ctx, "one", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(ctx, "two", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(ctx, "one", nil); !errors.Is(err, lock.ErrUnavailable) {
		t.Fatal("want ErrUnavailable, got", err)
	}
	if _, err := file.Open(dir, file.Config{AllowVolatile: true}); !errors.Is(err, lock.ErrUnavailable) || !strings.Contains(err.Error(), "cannot be written") {
		t.Fatal("want ErrUnavailable, got", err)
	}
}

func TestDirectoryThatIsNotWritableAnyMore(t *testing.T) {
	dir := t.TempDir()
	store := open(t, dir, file.Config{})
	revision, err := store.Put(t.Context(), "k", []byte("old"))
	if err != nil {
		t.Fatal(err)
	}
	denyWrites(t, dir)
	if _, err := store.CompareAndSwap(t.Context(), "k", revision, nil); !errors.Is(err, lock.ErrRefused) {
		t.Error("want ErrRefused, got", err)
	}
	if err := store.Delete(t.Context(), "k", revision); !errors.Is(err, lock.ErrRefused) {
		t.Error("want ErrRefused, got", err)
	}
	if record, err := store.Get(t.Context(), "k"); err != nil || record.Revision != revision {
		t.Error(record, err)
	}
	if _, err := file.Open(dir, file.Config{AllowVolatile: true}); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "cannot be written") {
		t.Error("want ErrRefused, got", err)
	}
}

// BenchmarkCompareAndSwap takes turns with what any durable replacement of a
// file costs here (write, fsync, rename, fsync of the directory) and with the
// least, which a crash can tear (write and fsync). A disk's pace changes from
// one second to the next, so only the medians of one run can be compared.
func BenchmarkCompareAndSwap(b *testing.B) {
	dir, rawDir := b.TempDir(), b.TempDir()
	store := open(b, dir, file.Config{})
	value := bytes.Repeat([]byte("v"), 300)
	revision, err := store.Put(b.Context(), "k", value)
	if err != nil {
		b.Fatal(err)
	}
	d, err := os.Open(rawDir)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	var swaps, replaces, overwrites []time.Duration
	for b.Loop() {
		swaps = append(swaps, timed(b, func() (err error) {
			revision, err = store.CompareAndSwap(b.Context(), "k", revision, value)
			return err
		}))
		replaces = append(replaces, timed(b, func() error {
			if err := rawWrite(rawDir+"/temp", os.O_CREATE|os.O_EXCL, value); err != nil {
				return err
			}
			return errors.Join(os.Rename(rawDir+"/temp", rawDir+"/k"), d.Sync())
		}))
		overwrites = append(overwrites, timed(b, func() error { return rawWrite(rawDir+"/o", os.O_CREATE, value) }))
	}
	swap, replace, overwrite := median(swaps), median(replaces), median(overwrites)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(swap*1e6, "µs/cas")
	b.ReportMetric(swap/replace, "cas/raw-replace")
	b.ReportMetric(swap/overwrite, "cas/raw-overwrite")
}

func timed(b *testing.B, f func() error) time.Duration {
	began := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// median is in seconds.
func median(all []time.Duration) float64 {
	slices.Sort(all)
	return all[len(all)/2].Seconds()
}

func rawWrite(path string, flags int, value []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|flags, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(value)
	return errors.Join(err, f.Sync(), f.Close())
}

func BenchmarkGet(b *testing.B) {
	store := open(b, b.TempDir(), file.Config{})
	if _, err := store.Put(b.Context(), "k", bytes.Repeat([]byte("v"), 300)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := store.Get(b.Context(), "k"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandOff is a write through one Store until a Wait through another
// returns, by turns with a write that nobody waits for.
func BenchmarkHandOff(b *testing.B) {
	dir := b.TempDir()
	writer, waiter := open(b, dir, file.Config{}), open(b, dir, file.Config{})
	revision, err := writer.Put(b.Context(), "k", nil)
	if err != nil {
		b.Fatal(err)
	}
	write := func() (err error) {
		revision, err = writer.CompareAndSwap(b.Context(), "k", revision, nil)
		return err
	}
	var handOffs, writes []time.Duration
	for b.Loop() {
		writes = append(writes, timed(b, write))
		handOffs = append(handOffs, timed(b, func() error {
			woken := make(chan error, 1)
			go func(after lock.Revision) {
				_, err := waiter.Wait(b.Context(), "k", after)
				woken <- err
			}(revision)
			return errors.Join(write(), <-woken)
		}))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(handOffs)*1e6, "µs/hand-off")
	b.ReportMetric(median(handOffs)/median(writes), "hand-off/cas")
}
