package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/resultfile"
	lin "github.com/lockproof/lockproof/linearizability"
)

// largest bounds a scenario or verdict file: a larger one is none of ours.
const largest = 16 << 20

// ReadFolder reads a run folder back. The verdict is the recorded one and not
// judged again; the coverage is derived from the history. Whoever reads a folder
// may have got it from a stranger: every file is checked, and an error names the
// file.
func ReadFolder(dir string) (*harness.Result, error) {
	s, err := ReadScenario(dir)
	if err != nil {
		return nil, err
	}
	r := &harness.Result{Scenario: s}
	v, err := readVerdict(filepath.Join(dir, VerdictFile))
	if err != nil {
		return nil, err
	}
	r.Server, r.Interrupted, r.Counters, r.Verdict = v.Server, v.Interrupted, v.Counters, v.Verdict
	if r.TraceHash, err = parseHash(v.TraceHash); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, VerdictFile), err)
	}
	path := filepath.Join(dir, HistoryFile)
	file, err := resultfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if r.Params, r.History, err = lin.Read(file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Coverage = lin.CoverageOf(r.Params, r.History)
	return r, nil
}

// ReadScenario reads the scenario of a run folder, or a scenario file itself.
func ReadScenario(path string) (harness.Scenario, error) {
	info, err := os.Stat(path)
	if err != nil {
		return harness.Scenario{}, err
	}
	if info.IsDir() {
		path = filepath.Join(path, ScenarioFile)
	}
	b, err := readSmall(path)
	if err != nil {
		return harness.Scenario{}, err
	}
	s, err := harness.DecodeScenario(b)
	if err != nil {
		return harness.Scenario{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func readVerdict(path string) (verdictFile, error) {
	b, err := readSmall(path)
	if err != nil {
		return verdictFile{}, err
	}
	v, err := decodeVerdict(b)
	if err != nil {
		return verdictFile{}, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

func decodeVerdict(b []byte) (verdictFile, error) {
	var v verdictFile
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&v); err != nil {
		return verdictFile{}, fmt.Errorf("verdict: %w", err)
	}
	if v.Schema != VerdictSchema {
		return verdictFile{}, fmt.Errorf("verdict has schema %q; this version reads %q", v.Schema, VerdictSchema)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return verdictFile{}, errors.New("verdict: something follows it in the file")
	}
	return v, nil
}

func parseHash(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	h, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("trace hash %q is not a hexadecimal number of 64 bits", text)
	}
	return h, nil
}

func readSmall(path string) ([]byte, error) {
	file, err := resultfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, largest+1))
	if err != nil {
		return nil, err
	}
	if len(b) > largest {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, largest)
	}
	return b, nil
}
