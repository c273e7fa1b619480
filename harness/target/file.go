package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lockproof/lockproof/backends/file"
	"github.com/lockproof/lockproof/internal/tempdir"
)

// File is the kind of store that is a temporary directory of this host.
func File() Kind {
	return Kind{
		Name: "file", Summary: "files of this host, in a temporary directory (TMPDIR)", Faults: InProcessFaults, Open: openFile,
	}
}

// fileTarget is a directory. There is no server to stop and no network to cut.
type fileTarget struct {
	dir   string
	floor string       // another directory, which nobody watches
	temp  *tempdir.Dir // what they lie in
}

func openFile(_ context.Context, o Options) (Target, error) {
	if err := o.RefuseExpiry("file"); err != nil {
		return nil, err
	}
	temp, err := tempdir.New("file")
	if err != nil {
		return nil, err
	}
	f := fileTarget{filepath.Join(temp.Path(), "locks"), filepath.Join(temp.Path(), "floor"), temp}
	for _, dir := range []string{f.dir, f.floor} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("a directory for locks: %w", err), temp.Remove())
		}
	}
	return f, nil
}

func (f fileTarget) Describe() string   { return "files in a temporary directory" }
func (f fileTarget) Address(int) string { return "" }
func (f fileTarget) Faults() Faults     { return Faults{} }
func (f fileTarget) Close() error       { return f.temp.Remove() }

// Connect opens the directory anew, as another process would. A memory file
// system will do for data that nobody needs tomorrow.
func (f fileTarget) Connect(context.Context, int, string) (*Connection, error) {
	store, err := file.Open(f.dir, file.Config{AllowVolatile: true})
	if err != nil {
		return nil, err
	}
	beside, err := file.Open(f.floor, file.Config{AllowVolatile: true})
	if err != nil {
		_ = store.Close()
		return nil, err
	}
	return &Connection{Store: store, Floor: storeFloor(beside), Close: func() {
		_ = store.Close()
		_ = beside.Close()
	}}, nil
}
