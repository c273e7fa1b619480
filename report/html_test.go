package report

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/harness"
	lin "github.com/lockproof/lockproof/linearizability"
)

func htmlOf(t *testing.T, r *harness.Result) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r, HTMLOptions{Replay: "locksim replay runs/42"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHTMLOfAViolation(t *testing.T) { golden(t, "violation.html", htmlOf(t, violating())) }
func TestHTMLOfASoundRun(t *testing.T)  { golden(t, "ok.html", htmlOf(t, sound())) }

// TestHTMLLoadsNothing looks for every way in which a page loads something.
func TestHTMLLoadsNothing(t *testing.T) {
	for _, r := range []*harness.Result{violating(), sound(), {}} {
		got := string(htmlOf(t, r))
		for _, bad := range []string{"http://", "https://", "src=", "@import", "url(", "<iframe", "<object", "fetch(", "XMLHttp"} {
			if strings.Contains(got, bad) {
				t.Errorf("the page has %q", bad)
			}
		}
	}
}

func TestHTMLEscapesEverything(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img onerror=x '` + "`" + `</title></svg></style>`
	r := violating()
	r.Server = hostile
	r.Scenario.Subject, r.Scenario.Backend = hostile, hostile
	r.Verdict.Malformed = hostile
	for i := range r.Verdict.Properties {
		p := &r.Verdict.Properties[i]
		p.Name, p.Detail, p.Lock = hostile, hostile, hostile
	}
	for i := range r.History {
		r.History[i].Lock, r.History[i].Detail = hostile, hostile
	}
	var b bytes.Buffer
	if err := HTML(&b, r, HTMLOptions{Replay: hostile, Visualization: "javascript:alert(1)"}); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if n := strings.Count(got, "<script"); n != 1 {
		t.Errorf("%d scripts, want ours alone", n)
	}
	for _, bad := range []string{"<img", "alert(1)</script>", `href="javascript:`} {
		if strings.Contains(got, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if n := strings.Count(got, "</title>"); n != 1+strings.Count(got, "<title>")-1 {
		t.Errorf("%d ends of titles", n)
	}
}

func TestHTMLOfWhatIsNoHistory(t *testing.T) {
	wild := []lin.Event{
		{At: 5, Op: lin.OpRelease, Phase: lin.Ok, Grant: 9, Lock: "a"},
		{At: 3, Client: 1 << 19, Op: lin.OpAcquire, Phase: lin.Ok, Grant: 9, Lock: "b"},
		{At: 1 << 60, Client: 3, Op: lin.OpAcquire, Phase: lin.Invoke, Lock: "a"},
		{At: -4, Op: lin.OpLost, Phase: lin.Info, Grant: 9, Lock: "b"},
		{Op: 77, Phase: 88},
	}
	r := &harness.Result{History: wild}
	r.Verdict.Verdict = lin.Violation
	r.Verdict.Properties = []lin.Property{
		{Name: lin.MutualExclusion, Verdict: lin.Violation, Lock: "a", At: 1 << 60, Size: 1 << 60, Events: []int{-1, 0, 99, 2}},
		{Name: lin.Liveness, Verdict: lin.Violation, Lock: "nowhere", At: -7},
		{Name: lin.TokenOrder, Verdict: lin.Violation, Events: []int{1}},
	}
	htmlOf(t, r)
	htmlOf(t, &harness.Result{})
}

// informational is a run in which all went well, but for what is for information.
func informational() *harness.Result {
	r := sound()
	for i := range r.Verdict.Properties {
		if p := &r.Verdict.Properties[i]; p.Name == lin.ProtectedEffectUnfenced {
			p.Verdict, p.Lock, p.At, p.Size, p.Events, p.Informational = lin.Violation, "orders", 2e9, 5e8, []int{1, 7}, true
		}
	}
	var other script // a second lock, so that there is a menu of locks
	other.ask(50, 0)
	other.grant(60, 0, 1000, 1)
	for i := range other.h {
		other.h[i].Lock = "parcels"
	}
	r.History = append(other.h, r.History...)
	return r
}

func TestWhatIsForInformationPaintsNothingRed(t *testing.T) {
	got := htmlOf(t, informational())
	_, body, _ := bytes.Cut(got, []byte("</style>"))
	body, _, _ = bytes.Cut(body, []byte("<script>"))
	for _, red := range []string{`class="strong"`, "(violation)", "the violation", `status violation`, `<tr class="violation`, `<tr class="witness`,
		`hold exclusive witness`, `class="two"`, `class="region veil"`, `class="region outline"`, `i class="region"`} {
		if bytes.Contains(body, []byte(red)) {
			t.Errorf("the page of a run without a violation has %s", red)
		}
	}
	for _, want := range []string{`data-do="home"`, "(for information)", "status noted", "region informational"} {
		if !bytes.Contains(body, []byte(want)) {
			t.Errorf("the page does not show where: %s", want)
		}
	}
	got = htmlOf(t, violating())
	for _, want := range []string{`class="strong"`, "status violation", `<tr class="violation`, `<tr class="witness`} {
		if !bytes.Contains(got, []byte(want)) {
			t.Errorf("the page of a violation has no %s", want)
		}
	}
	colored := render(t, func(b *bytes.Buffer) error {
		return Terminal(b, TerminalOptions{Color: true}, Part{Result: informational()})
	})
	if bytes.Contains(colored, []byte("\x1b[1;31m")) {
		t.Errorf("red on the terminal:\n%s", colored)
	}
}

// long is a history of n events in which one client after the other holds.
func long(n, clients int) *harness.Result {
	r := sound()
	var s script
	for i := int64(0); len(s.h) < n; i++ {
		c, at := int(i)%clients, i*1300
		s.ask(at, c)
		s.grant(at+11, c, i+1, uint64(i+1))
		s.release(at+1200, c, i+1, uint64(i+1))
	}
	r.History, r.Scenario.Clients, r.Scenario.Plan = s.h, clients, nil
	r.Params.End = 0
	return r
}

func TestALongHistoryIsCutDownAroundItsViolation(t *testing.T) {
	r := long(100_000, 40)
	at := len(r.History) / 2
	r.Verdict.Verdict = lin.Violation
	r.Verdict.Properties[0] = lin.Property{Name: lin.MutualExclusion, Verdict: lin.Violation, Lock: "orders",
		At: r.History[at].At, Size: 1e6, Events: []int{at, at + 1}, Detail: "overlap 1ms"}
	got := htmlOf(t, r)
	if len(got) > 4<<20 {
		t.Errorf("the page has %d bytes", len(got))
	}
	for _, want := range []string{"Drawn are the 6,000 events of 100,000", "Shown are 30 of 40 clients"} {
		if !bytes.Contains(got, []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func BenchmarkHTMLOfALongHistory(b *testing.B) {
	r := long(100_000, 5)
	for b.Loop() {
		if err := HTML(io.Discard, r, HTMLOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
