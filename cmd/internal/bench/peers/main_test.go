package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

func TestOneRoundOnNATSWritesAResult(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.json")
	var out, errs bytes.Buffer
	args := []string{"-servers", "nats", "-ttl", "2s", "-rounds", "1", "-operations", "2", "-handoffs", "2", "-failovers", "1", "-json", file}
	if code := run(t.Context(), args, &out, &errs); code != exitOK || out.Len()+errs.Len() != 0 {
		t.Fatalf("exit code %d, output %q, errors %q", code, &out, &errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := bench.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if r.Kind != bench.Compare || len(r.Cells) != 16 || !strings.Contains(r.Command, "-servers nats") {
		t.Errorf("%s, %d cells, command %q", r.Kind, len(r.Cells), r.Command)
	}
	for _, c := range r.Cells {
		for _, note := range c.Notes {
			if strings.HasPrefix(note, "not measured") && c.Label("lock") != "natslock" {
				t.Errorf("%s: %s", c.Name, note)
			}
		}
	}
	if d, err := bench.Diff(r, r, bench.DiffOptions{}); err != nil || len(d.Gate(0)) != 0 {
		t.Errorf("the result against itself: %+v, %v", d, err)
	}
}

func TestBadFlagsAreNamed(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-servers", "nats,zookeeper"}, "zookeeper"},
		{[]string{"-ttl", "1500ms"}, "-ttl"},
		{[]string{"-rounds", "0"}, "-rounds"},
		{[]string{"a.json"}, "a.json"},
		{[]string{"-nonsense"}, "-nonsense"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), c.args, &out, &errs); code != exitCannot || out.Len() != 0 || !strings.Contains(errs.String(), c.says) {
			t.Errorf("%v: exit code %d, output %q, errors %q", c.args, code, &out, &errs)
		}
	}
}

func TestAnInterruptedRunWritesWhatItHas(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"-servers", "nats"}, &out, &errs); code != exitInterrupted {
		t.Fatalf("exit code %d, errors %q", code, &errs)
	}
	if _, err := bench.Read(out.Bytes()); err != nil {
		t.Error(err)
	}
}
