package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	lin "github.com/lockproof/lockproof/linearizability"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
	Out        string          `xml:"system-out,omitempty"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Skipped *junitMessage `xml:"skipped"`
	Error   *junitMessage `xml:"error"`
	Failure *junitMessage `xml:"failure"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes one test suite for each part and in it one test case for each
// property; its class name ends with the property's class. A violation is a failure; unknown is an error, for the property was
// not judged; n/a is skipped. An informational property never fails. What makes a
// verdict unknown besides has a case of its own with an error: "not-vacuous",
// "not-interrupted", "as-recorded", "could-be-run". errs is what went wrong
// besides; they are the errors of one suite more, "outputs".
func JUnit(w io.Writer, errs []string, parts ...Part) error {
	all := junitSuites{Name: "lockproof"}
	seconds := 0.0
	for _, p := range parts {
		v := p.view()
		s := v.junit()
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		seconds += v.counters.Wall.Seconds()
		all.Suites = append(all.Suites, s)
	}
	if len(errs) > 0 {
		s := junitSuite{Name: "outputs", Time: junitTime(0)}
		for _, message := range errs {
			s.add(junitCase{Name: "written", Class: "lockproof.outputs", Time: junitTime(0), Error: &junitMessage{Message: message, Type: "output"}})
		}
		all.Tests += s.Tests
		all.Errors += s.Errors
		all.Suites = append(all.Suites, s)
	}
	all.Time = junitTime(seconds)
	body, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("report: JUnit: %w", err)
	}
	if _, err := io.WriteString(w, xml.Header+string(body)+"\n"); err != nil {
		return fmt.Errorf("report: write JUnit: %w", err)
	}
	return nil
}

func junitTime(seconds float64) string { return strconv.FormatFloat(seconds, 'f', 3, 64) }

func (v *view) junit() junitSuite {
	s := junitSuite{Name: v.title(), Time: junitTime(v.counters.Wall.Seconds()), Properties: []junitProperty{
		{"subject", v.subject}, {"backend", v.backend}, {"seeds", strconv.Itoa(v.ran())}, {"verdict", v.verdict.String()},
	}}
	if !v.recorded {
		s.Properties = append(s.Properties, junitProperty{"seed", strconv.FormatUint(v.seed, 10)})
	}
	if v.traceHash != 0 {
		s.Properties = append(s.Properties, junitProperty{"trace_hash", hexHash(v.traceHash)})
	}
	class := "lockproof." + dotless(v.subject) + "." + dotless(v.backend)
	for _, g := range byClass(v.properties) {
		name := class
		if g.class != "" {
			name += "." + dotless(string(g.class))
		}
		for _, p := range g.properties {
			s.add(v.junitCase(p, name))
		}
	}
	for _, d := range v.doubts {
		s.add(junitCase{Name: d.name, Class: class, Time: junitTime(0),
			Error: &junitMessage{Message: d.message, Type: "unknown", Text: v.sentence}})
	}
	lines := slices.Concat([]string{v.sentence}, v.warnings, v.notes)
	s.Out = strings.Join(lines, "\n")
	return s
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func (v *view) junitCase(p lin.Property, class string) junitCase {
	c := junitCase{Name: p.Name, Class: class, Time: junitTime(0)}
	switch {
	case p.Verdict == lin.NotApplicable:
		c.Skipped = &junitMessage{Message: p.Detail}
	case p.Verdict == lin.OK || p.Informational:
		c.Out = p.Verdict.String() + ": " + p.Detail
	case p.Verdict == lin.Violation:
		c.Failure = &junitMessage{Message: p.Detail, Type: "violation", Text: v.replays(p)}
	default:
		c.Error = &junitMessage{Message: p.Detail, Type: "unknown", Text: v.replays(p)}
	}
	return c
}

// replays are the failures of a property with the lines that run them again.
func (v *view) replays(p lin.Property) string {
	var b strings.Builder
	for _, f := range v.failures {
		if f.Property == p.Name || len(v.failures) == 1 {
			fmt.Fprintf(&b, "seed %d: %s: %s\n%s\n", f.Seed, f.Property, f.Message, f.Replay)
		}
	}
	if b.Len() == 0 {
		return p.Detail
	}
	return b.String()
}

// dotless keeps a name one segment of a class name.
func dotless(s string) string { return strings.ReplaceAll(named(s, "unknown"), ".", "_") }
