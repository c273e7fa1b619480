package benchreport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

// The files of a result.
const (
	JSONFile  = "result.json"
	TextFile  = "result.txt"
	CSVFile   = "result.csv"
	BenchFile = "result.bench"
	HTMLFile  = "report.html"
)

// textWidth is how wide a text file is.
const textWidth = 100

// WriteFiles writes r into dir in every form, as result.json, result.txt,
// result.csv, result.bench, report.html and a picture such as cdf.svg for each of
// SVGs. dir is made if it is missing. Each file is complete or not there at all,
// and replaces one of the same name; other files of dir are left alone. Pictures
// that r has no figures for are removed: they would be of an earlier result. All
// is made before the first file is written, so a result that cannot be shown
// leaves dir as it was. An error names the file.
func WriteFiles(dir string, r *bench.Result) error {
	type file struct {
		name  string
		write func(io.Writer) error
	}
	files := []file{
		{JSONFile, r.Write},
		{TextFile, func(w io.Writer) error { return Terminal(w, r, textWidth) }},
		{CSVFile, func(w io.Writer) error { return CSV(w, r) }},
		{BenchFile, func(w io.Writer) error { return GoBench(w, r) }},
		{HTMLFile, func(w io.Writer) error { return HTML(w, r) }},
	}
	drawn := make(map[Picture]bool)
	for _, p := range SVGs(r) {
		drawn[p] = true
		files = append(files, file{p.file(), func(w io.Writer) error { return SVG(w, r, p) }})
	}
	texts := make([][]byte, len(files))
	for i, f := range files {
		var b bytes.Buffer
		if err := f.write(&b); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, f.name), err)
		}
		texts[i] = b.Bytes()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("folder for a result: %w", err)
	}
	for i, f := range files {
		if err := writeFile(filepath.Join(dir, f.name), texts[i]); err != nil {
			return err
		}
	}
	for _, p := range pictures() {
		if drawn[p] {
			continue
		}
		if err := os.Remove(filepath.Join(dir, p.file())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("picture of an earlier result: %w", err)
		}
	}
	return nil
}

// writeFile puts a complete file in place: it is written beside its place, down
// to the disk, where a full one is noticed, and then renamed.
func writeFile(path string, text []byte) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = temp.Close()
			_ = os.Remove(temp.Name())
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	if _, err := temp.Write(text); err != nil {
		return err
	}
	if err := temp.Chmod(0o644); err != nil {
		return err
	}
	if err := temp.Sync(); err != nil {
		return err
	}
	if err := temp.Close(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
