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
	// Replay is the line that runs it again, and Source what it names: the folder,
	// or the scenario in one that lacks its recording.
	Replay, Source string
	// NoVisualization says why porcupine's picture is not in it; nil if it is.
	NoVisualization error
	// Missing says which files are not in it and why; nil if none is missing.
	Missing error
	lacks   map[string]bool
}

// HasReport reports whether the page is in it.
func (f *Folder) HasReport() bool { return !f.lacks[ReportFile] }

// verdictFile is verdict.json.
type verdictFile struct {
	Schema      string           `json:"schema"`
	Server      string           `json:"server,omitempty"`
	TraceHash   string           `json:"trace_hash,omitempty"`
	Interrupted bool             `json:"interrupted,omitempty"`
	Counters    harness.Counters `json:"counters"`
	lin.Verdict
}

// WriteFolder writes a run folder beside dir and then renames it, so that it
// appears with all that will be in it. The scenario comes first, then the history,
// the verdict and the page: where there is no room for all of them, the folder has
// what was written before, and Missing says what it has not. An error means that
// there is no folder. The same simulated run, down to its trace hash, replaces
// itself; everything else that is in dir already is ErrOtherRun. Other processes
// may write the same folder at the same time. An error names the path that could
// not be written.
func WriteFolder(dir string, r *harness.Result) (Folder, error) {
	dir = filepath.Clean(dir)
	f := Folder{Dir: dir, Source: dir, Replay: replayFolderLine(dir), lacks: map[string]bool{}}
	if _, err := occupiedBy(dir, r); err != nil {
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
	if f.Missing != nil {
		f.Missing = fmt.Errorf("run folder %s: not all of it could be written: %w", dir, f.Missing)
	}
	if err := install(temp, dir, r); err != nil {
		return Folder{}, err
	}
	return f, nil
}

// occupiedBy tells whether dir holds the same run. Any other is an error. Another
// process may replace dir while it is looked at, which is then looked at again.
func occupiedBy(dir string, r *harness.Result) (same bool, err error) {
	for try := 1; ; try++ {
		before, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("run folder %s: %w", dir, err)
		}
		same, err := holds(dir, r)
		if err == nil {
			return same, nil
		}
		if after, statErr := os.Stat(dir); try == folderTries || statErr == nil && os.SameFile(before, after) {
			return false, fmt.Errorf("run folder %s: %w", dir, err)
		}
	}
}

// folderTries bounds how often one process lets others go first.
const folderTries = 100

// holds tells whether dir holds the same run, and false of an empty directory.
func holds(dir string, r *harness.Result) (same bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	there, err := ReadScenario(dir)
	if err != nil {
		return false, ErrOtherRun
	}
	old, err := there.Encode()
	if err != nil {
		return false, ErrOtherRun
	}
	fresh, err := r.Scenario.Encode()
	if err != nil {
		return false, err
	}
	v, err := readVerdict(filepath.Join(dir, VerdictFile))
	if err != nil || r.TraceHash == 0 || v.TraceHash != hexHash(r.TraceHash) || !bytes.Equal(old, fresh) {
		return false, fmt.Errorf("%w: %s on %s, seed %d; choose another folder or remove it",
			ErrOtherRun, there.Subject, there.Backend, there.Seed)
	}
	return true, nil
}

// install moves a folder to its place. A folder cannot be renamed over one that
// is not empty, so that of two processes one comes first; the other one looks
// again at what is there now.
func install(temp, dir string, r *harness.Result) error {
	old := temp + "-old"
	defer os.RemoveAll(old)
	for try := 1; ; try++ {
		same, err := occupiedBy(dir, r)
		if err != nil {
			return err
		}
		if same {
			// Whoever renames it first has it; that another one did is as good.
			if err = os.Rename(dir, old); err == nil || errors.Is(err, fs.ErrNotExist) {
				err = os.Rename(temp, dir)
			}
		} else if err = removeEmpty(dir); err == nil {
			err = os.Rename(temp, dir)
		}
		if err == nil {
			return nil
		}
		if try == folderTries || !inTheWay(dir) {
			// What was taken away is put back, unless something is there by now.
			return fmt.Errorf("run folder %s: %w", dir, errors.Join(err, putBack(old, dir)))
		}
		_ = os.RemoveAll(old)
	}
}

// putBack undoes the removal of an older folder, if there was one.
func putBack(old, dir string) error {
	if err := os.Rename(old, dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeEmpty removes an empty directory, over which not every system renames.
func removeEmpty(dir string) error {
	err := os.Remove(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// inTheWay reports whether something is at dir: another process put it there.
func inTheWay(dir string) bool {
	_, err := os.Lstat(dir)
	return err == nil
}

// fill writes the files in the order in which they are missed, and goes on after
// one that could not be written. Without the scenario there is no folder. A run
// whose picture by porcupine cannot be drawn is still a whole one.
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
	var missing []error
	add := func(name string, write func(io.Writer) error) {
		if err := writeFile(temp, name, write); err != nil {
			f.lacks[name] = true
			missing = append(missing, err)
		}
	}
	add(HistoryFile, func(w io.Writer) error { return lin.Write(w, r.Params, r.History) })
	add(VerdictFile, func(w io.Writer) error { return writeVerdict(w, r) })
	if len(missing) > 0 {
		// The recording is not whole, but the scenario is.
		f.Source = filepath.Join(f.Dir, ScenarioFile)
		f.Replay = replayFolderLine(f.Source)
	}
	o := HTMLOptions{Replay: f.Replay}
	if f.NoVisualization = visualize(temp, r); f.NoVisualization == nil {
		o.Visualization = VisualizationFile
	}
	add(ReportFile, func(w io.Writer) error { return HTML(w, r, o) })
	f.Missing = errors.Join(missing...)
	return nil
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

// writeFile writes one file down to the disk, where a full one is noticed; of one
// that could not be written nothing is left. An error names the file.
func writeFile(dir, name string, write func(io.Writer) error) (err error) {
	path := filepath.Join(dir, name)
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", name, errors.Join(bare(err), os.Remove(path)))
		}
	}()
	b := bufio.NewWriterSize(file, 1<<16)
	if err := write(b); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return file.Sync()
}

// bare takes the path out of an error: that of the temporary folder tells nobody
// anything.
func bare(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}
