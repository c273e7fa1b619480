package tempdir_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/lockproof/lockproof/internal/tempdir"
)

func TestATemporaryDirectoryIsRemoved(t *testing.T) {
	d, err := tempdir.New("outside")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(d.Path()); err != nil || !info.IsDir() {
		t.Errorf("%v, %v", info, err)
	}
	for range 2 {
		if err := d.Remove(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(d.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
