package report

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/harness"
	lin "github.com/lockproof/lockproof/linearizability"
)

// endings are all that a command can come to.
func endings() map[string]struct {
	parts   []Part
	errs    []string
	code    int
	verdict lin.Status
} {
	type ending = struct {
		parts   []Part
		errs    []string
		code    int
		verdict lin.Status
	}
	p := parts()
	cut := sound()
	cut.Interrupted, cut.Verdict.Verdict = true, lin.Unknown
	whole := sound()
	whole.Coverage = measured()
	cutFailed := violating()
	cutFailed.Interrupted = true
	failedSweep := sweep(violating())
	failedSweep.Interrupted, failedSweep.Wanted = true, 1000
	none := &harness.Summary{Base: scenario(nil), Wanted: 300, Interrupted: true}
	full := []string{"--junit /dev/full: no space left on device"}
	missing := Part{NotRun: &NotRun{Subject: "reference", Backend: "nats", Err: errors.New("nobody answers")}}
	stopped := Part{NotRun: &NotRun{Subject: "reference", Backend: "nats", Err: context.Canceled, Interrupted: true}}
	ok, violation := Part{Summary: sweep()}, Part{Summary: sweep(violating())}
	return map[string]ending{
		"ok":                                  {p["default"], nil, ExitOK, lin.OK},
		"one run":                             {[]Part{{Summary: harness.Summarize(whole)}}, nil, ExitOK, lin.OK},
		"violation":                           {p["violation"], nil, ExitViolation, lin.Violation},
		"violation beside ok":                 {[]Part{ok, {Result: violating()}}, nil, ExitViolation, lin.Violation},
		"undecided":                           {p["undecided"], nil, ExitUnknown, lin.Unknown},
		"vacuous":                             {p["vacuous"], nil, ExitUnknown, lin.Unknown},
		"an interrupted sweep":                {p["interrupted"][:1], nil, ExitUnknown, lin.Unknown},
		"a sweep interrupted at once":         {[]Part{{Summary: none}}, nil, ExitUnknown, lin.Unknown},
		"an interrupted sweep with a failure": {[]Part{{Summary: failedSweep}}, nil, ExitViolation, lin.Violation},
		"an interrupted run":                  {[]Part{{Result: cut}}, nil, ExitUnknown, lin.Unknown},
		"an interrupted run with a failure":   {[]Part{{Result: cutFailed}}, nil, ExitViolation, lin.Violation},
		"the second part was interrupted":     {[]Part{ok, stopped}, nil, ExitUnknown, lin.Unknown},
		"the second part could not be run":    {[]Part{ok, missing}, nil, ExitCannotRun, lin.Unknown},
		"that one after a violation":          {[]Part{violation, missing}, nil, ExitViolation, lin.Violation},
		"ok, and an output failed":            {[]Part{ok}, full, ExitCannotRun, lin.OK},
		"unknown, and an output failed":       {p["vacuous"], full, ExitCannotRun, lin.Unknown},
		"violation, and an output failed":     {[]Part{violation}, full, ExitViolation, lin.Violation},
		"another run than the recorded one":   {[]Part{{Summary: harness.Summarize(whole), Differs: "line 3"}}, nil, ExitUnknown, lin.Unknown},
		"that one with a violation":           {[]Part{{Result: violating(), Differs: "line 3"}}, nil, ExitUnknown, lin.Unknown},
	}
}

func TestEveryOutputSaysWhatTheExitCodeSays(t *testing.T) {
	for name, c := range endings() {
		if got := ExitCode(c.errs, c.parts...); got != c.code {
			t.Errorf("%s: exit code %d, want %d", name, got, c.code)
		}
		var doc struct {
			ExitCode *int `json:"exit_code"`
			Verdict  lin.Status
			Message  string
			Errors   []string
			Failures []Failure
		}
		if err := json.Unmarshal(render(t, func(b *bytes.Buffer) error { return JSON(b, c.errs, c.parts...) }), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.ExitCode == nil || *doc.ExitCode != c.code || doc.Verdict != c.verdict || len(doc.Errors) != len(c.errs) || doc.Message == "" {
			t.Errorf("%s: JSON says %+v", name, doc)
		}
		for _, f := range doc.Failures {
			if f.Replay == "" || f.Property == "" || f.Verdict != lin.Violation && f.Verdict != lin.Unknown {
				t.Errorf("%s: failure %+v", name, f)
			}
		}
		var x junitSuites
		if err := xml.Unmarshal(render(t, func(b *bytes.Buffer) error { return JUnit(b, c.errs, c.parts...) }), &x); err != nil {
			t.Fatal(err)
		}
		// violating has a property beside that could not be judged.
		differs := c.parts[0].Differs != ""
		if failed := x.Failures > 0; failed != (c.verdict == lin.Violation || differs && c.parts[0].Result != nil) {
			t.Errorf("%s: JUnit has %d failures", name, x.Failures)
		}
		if c.code == ExitOK && x.Errors > 0 || c.code >= ExitUnknown && x.Errors == 0 {
			t.Errorf("%s: JUnit has %d errors", name, x.Errors)
		}
		text := string(render(t, func(b *bytes.Buffer) error { return Terminal(b, TerminalOptions{}, c.parts...) }))
		if worst := Worst(c.parts...); worst != c.verdict {
			t.Errorf("%s: worst %s, want %s", name, worst, c.verdict)
		} else if len(c.parts) == 1 && !bytes.HasPrefix([]byte(text), bytes.ToUpper([]byte(worst.String()))) {
			t.Errorf("%s: the headline is %.60q", name, text)
		}
	}
}

func TestAPageOfAnInterruptedRunSaysSo(t *testing.T) {
	r := sound()
	r.Interrupted, r.Verdict.Verdict = true, lin.Unknown
	got := string(htmlOf(t, r))
	for _, want := range []string{`class="verdict unknown"`, "interrupted after 24s of"} {
		if !bytes.Contains([]byte(got), []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestClassesStayApart(t *testing.T) {
	r := sound()
	for i := range r.Verdict.Properties {
		if p := &r.Verdict.Properties[i]; p.Name == lin.RequestsBudget {
			p.Verdict, p.Detail = lin.Violation, "an acquire took 9 requests, and needs 3"
		}
	}
	r.Verdict.Verdict = lin.Violation
	var doc struct {
		Classes  map[string]lin.Status
		Failures []Failure
	}
	if err := json.Unmarshal(render(t, func(b *bytes.Buffer) error { return JSON(b, nil, Part{Result: r}) }), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Classes["safety"] != lin.OK || doc.Classes["cost"] != lin.Violation || len(doc.Classes) != 4 || doc.Failures[0].Class != lin.Cost {
		t.Errorf("%+v", doc)
	}
	var x junitSuites
	if err := xml.Unmarshal(render(t, func(b *bytes.Buffer) error { return JUnit(b, nil, Part{Result: r}) }), &x); err != nil {
		t.Fatal(err)
	}
	for _, c := range x.Suites[0].Cases {
		if (c.Failure != nil) != (c.Class == "lockproof.reference.nats.cost") {
			t.Errorf("%s of class %s fails: %v", c.Name, c.Class, c.Failure != nil)
		}
	}
	text := string(render(t, func(b *bytes.Buffer) error { return Terminal(b, TerminalOptions{}, Part{Result: r}) }))
	page := string(htmlOf(t, r))
	at := 0
	for _, class := range []string{"safety", "notice", "liveness", "cost"} {
		heading := strings.Index(text, "properties: "+class+"\n")
		if heading < at || !strings.Contains(page, `scope="rowgroup">`+class+"</th>") {
			t.Errorf("no heading %s, in its place", class)
		}
		at = heading
	}
}
