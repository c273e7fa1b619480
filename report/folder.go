package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lockproof/lockproof/harness"
	lin "github.com/lockproof/lockproof/linearizability"
)

// The files of a run folder.
const (
	ScenarioFile      = "scenario.json"
	HistoryFile       = "history.jsonl"
	VerdictFile       = "verdict.json"
	ReportFile        = "report.html"
	VisualizationFile = "porcupine.html"
)

// VerdictSchema names the format of a verdict file.
const VerdictSchema = "lockproof.verdict/v1"

// ErrOtherRun says that a run folder holds another run, or something that is no
// run at all, and was left as it is.
var ErrOtherRun = errors.New("the folder holds something else")

// Folder is a run folder that was written.
type Folder struct {
	Dir string
	// Replay is the line that runs it again.
	Replay string
	// NoVisualization says why porcupine's picture is not in it; nil if it is.
	NoVisualization error
}

// verdictFile is verdict.json.
type verdictFile struct {
	Schema      string           `json:"schema"`
	Server      string           `json:"server,omitempty"`
	TraceHash   string           `json:"trace_hash,omitempty"`
	Interrupted bool             `json:"interrupted,omitempty"`
	Counters    harness.Counters `json:"counters"`
	lin.Verdict
}

// WriteFolder writes a run folder: all of it or, on an error, nothing. It is
// written beside dir and then renamed. The same simulated run, down to its trace
// hash, replaces itself; everything else that is in dir already is ErrOtherRun.
// An error names the path that could not be written.
func WriteFolder(dir string, r *harness.Result) (Folder, error) {
	dir = filepath.Clean(dir)
	f := Folder{Dir: dir, Replay: replayFolderLine(dir)}
	occupied, err := occupiedBy(dir, r)
	if err != nil {
		return Folder{}, err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return Folder{}, fmt.Errorf("run folder %s: %w", dir, err)
	}
	temp, err := os.MkdirTemp(parent, ".lockproof-*")
	if err != nil {
		return Folder{}, fmt.Errorf("run folder %s: %w", dir, err)
	}
	defer os.RemoveAll(temp) // after the rename there is nothing left to remove
	if err := os.Chmod(temp, 0o755); err != nil {
		return Folder{}, fmt.Errorf("run folder %s: %w", dir, err)
	}
	if err := f.fill(temp, r); err != nil {
		return Folder{}, fmt.Errorf("run folder %s: %w", dir, err)
	}
	if err := install(temp, dir, occupied); err != nil {
		return Folder{}, fmt.Errorf("run folder %s: %w", dir, err)
	}
	return f, nil
}

// occupiedBy tells whether dir holds the same run. Any other is an error.
func occupiedBy(dir string, r *harness.Result) (same bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("run folder %s: %w", dir, err)
	case len(entries) == 0:
		return false, nil
	}
	there, err := ReadScenario(dir)
	if err != nil {
		return false, fmt.Errorf("run folder %s: %w", dir, ErrOtherRun)
	}
	old, err := there.Encode()
	if err != nil {
		return false, fmt.Errorf("run folder %s: %w", dir, ErrOtherRun)
	}
	fresh, err := r.Scenario.Encode()
	if err != nil {
		return false, fmt.Errorf("run folder %s: %w", dir, err)
	}
	v, err := readVerdict(filepath.Join(dir, VerdictFile))
	if err != nil || r.TraceHash == 0 || v.TraceHash != hexHash(r.TraceHash) || !bytes.Equal(old, fresh) {
		return false, fmt.Errorf("run folder %s: %w: %s on %s, seed %d; choose another folder or remove it", dir,
			ErrOtherRun, there.Subject, there.Backend, there.Seed)
	}
	return true, nil
}

// install moves a folder to its place.
func install(temp, dir string, occupied bool) error {
	if !occupied {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() {
			// Only an empty directory can be removed like this.
			if err := os.Remove(dir); err != nil {
				return err
			}
		}
		return os.Rename(temp, dir)
	}
	old := temp + "-old"
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(temp, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return os.RemoveAll(old)
}

// fill writes the files. Porcupine's picture is a bonus: a run whose picture
// cannot be drawn is still a run.
func (f *Folder) fill(temp string, r *harness.Result) error {
	scenario, err := r.Scenario.Encode()
	if err != nil {
		return fmt.Errorf("%s: %w", ScenarioFile, err)
	}
	err = writeFile(temp, ScenarioFile, func(w io.Writer) error {
		_, err := w.Write(scenario)
		return err
	})
	if err != nil {
		return err
	}
	err = writeFile(temp, HistoryFile, func(w io.Writer) error { return lin.Write(w, r.Params, r.History) })
	if err != nil {
		return err
	}
	if err := writeFile(temp, VerdictFile, func(w io.Writer) error { return writeVerdict(w, r) }); err != nil {
		return err
	}
	o := HTMLOptions{Replay: f.Replay}
	if f.NoVisualization = visualize(temp, r); f.NoVisualization == nil {
		o.Visualization = VisualizationFile
	}
	return writeFile(temp, ReportFile, func(w io.Writer) error { return HTML(w, r, o) })
}

func visualize(temp string, r *harness.Result) error {
	lock := ""
	if foci := fociOf(r); len(foci) > 0 {
		lock = foci[0].lock
	}
	for i := range r.History {
		if lock != "" {
			break
		}
		lock = r.History[i].Lock
	}
	if lock == "" {
		return errors.New("the history names no lock")
	}
	var b bytes.Buffer
	if err := lin.Visualize(&b, r.Params, r.History, lock); err != nil {
		return err
	}
	return writeFile(temp, VisualizationFile, func(w io.Writer) error {
		_, err := w.Write(b.Bytes())
		return err
	})
}

func writeVerdict(w io.Writer, r *harness.Result) error {
	v := verdictFile{Schema: VerdictSchema, Server: r.Server, Interrupted: r.Interrupted, Counters: r.Counters, Verdict: r.Verdict}
	if r.TraceHash != 0 {
		v.TraceHash = hexHash(r.TraceHash)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// writeFile writes one file down to the disk, where a full one is noticed. The
// errors of os name the file already.
func writeFile(dir, name string, write func(io.Writer) error) (err error) {
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	b := bufio.NewWriterSize(file, 1<<16)
	if err := write(b); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return file.Sync()
}
