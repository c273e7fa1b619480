package linearizability

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

func readTestdata(t testing.TB, file string) (Params, History) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, h, err := Read(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return p, h
}

func testdataNamed(t testing.TB, prefix string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/" + prefix + "-*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s histories: %v", prefix, err)
	}
	named := map[string]string{}
	for _, file := range files {
		named[strings.TrimSuffix(filepath.Base(file), ".jsonl")] = file
	}
	return named
}

// violations names the properties that are violated, in order.
func violations(v Verdict) []string {
	var names []string
	for _, p := range v.Properties {
		if p.Verdict == Violation {
			names = append(names, p.Name)
		}
	}
	return names
}

func TestKnownGoodHistoriesPass(t *testing.T) {
	for name, file := range testdataNamed(t, "good") {
		p, h := readTestdata(t, file)
		var c Checker
		v := c.Check(context.Background(), p, h)
		if c.lin.searched > 0 {
			t.Errorf("%s: porcupine had to be asked for an order", name)
		}
		for _, property := range v.Properties {
			// Whoever writes a good history is not asked to end it in a liveness phase.
			bad := property.Verdict == Violation && !property.Informational ||
				property.Verdict == Unknown && property.Name != Liveness
			if bad {
				t.Errorf("%s: %s is %v: %s", name, property.Name, property.Verdict, property.Detail)
			}
		}
		if strings.HasPrefix(name, "good-liveness") && v.Verdict != OK {
			t.Errorf("%s: verdict %v", name, v.Verdict)
		}
	}
}

// badHistories says what is found in each known-bad history: the properties that
// are violated, all others being not, and what the first one says.
var badHistories = map[string]struct {
	violated []string
	says     string
}{
	"bad-mutual-exclusion-by-one-nanosecond": {[]string{MutualExclusion},
		"c0 held a 1s-5s (grant 1); c1 acquired it at 5s (grant 2): overlap 1ns"},
	"bad-mutual-exclusion-holder-outlives-lease": {[]string{MutualExclusion},
		"c0 held a 100ms-20s (grant 1); c1 acquired it at 10.5s (grant 2): overlap 1.5s"},
	"bad-mutual-exclusion-reader-and-writer": {[]string{MutualExclusion},
		"c0 held a (shared) 1s-6s (grant 1); c1 acquired it at 4s (grant 2): overlap 1s"},
	"bad-lock-linearizability-lost-release": {[]string{LockLinearizability},
		"c1 was told between 2s and 2.1s that c0 holds lock a, which it cannot have held then: it released grant 1 at 1s"},
	"bad-lock-linearizability-held-by-nobody": {[]string{LockLinearizability},
		"c0 was told between 1s and 1.1s that c2 holds lock a"},
	"bad-lock-linearizability-lease-cut-short": {[]string{LockLinearizability},
		"c1 was granted lock a at 5s (grant 2), but c0's grant 1 was in force: last renewed at 3s, it could not end before 13s"},
	"bad-lock-linearizability-foreign-release": {[]string{LockLinearizability},
		"c0's grant 1 was in force: it was released at 11s"},
	"bad-lock-linearizability-renewed-after-takeover": {[]string{LockLinearizability},
		"c0's grant 1 was in force: last renewed at 11s"},
	"bad-lock-linearizability-named-one-that-never-was": {[]string{LockLinearizability},
		"c1 was told between 2s and 2.1s that c0 holds lock a"},
	"bad-lock-linearizability-named-after-failed-release": {[]string{LockLinearizability},
		"c1 was told between 2s and 2.1s that c0 holds lock a, which it cannot have held then: it released grant 1 at 1s"},
	"bad-lock-linearizability-renewed-and-taken": {[]string{LockLinearizability},
		"c0's grant 1 was in force: last renewed at 8s, it could not end before 18s"},
	"bad-lock-linearizability-renewed-after-it-was-taken": {[]string{LockLinearizability},
		"c1 was granted lock a at 2.5s (grant 2), but c0's grant 1 was in force"},
	"bad-lock-linearizability-lost-before-its-end": {[]string{LockLinearizability, LeaseKept},
		"a renew at 2.1s said that it was lost before it can have ended"},
	"bad-lock-linearizability-named-before-it-asked": {[]string{LockLinearizability},
		"c1 was told between 2s and 2.1s that c0 holds lock a, which it cannot have held then"},
	"bad-lock-linearizability-one-maybe-seen-twice": {[]string{LockLinearizability},
		"c1 was told between 5s and 5.1s that c0 holds lock a, which it cannot have held then"},
	"bad-token-order-shared-by-concurrent-grants": {[]string{LockLinearizability, TokenOrder},
		"c1 was granted lock a at 1.2s (grant 2) with token 7"},
	"bad-token-order-falls": {[]string{LockLinearizability, TokenOrder},
		"c1 was granted lock a at 2.1s (grant 2) with token 6, where token 7 had been given out before"},
	"bad-token-order-duplicate": {[]string{LockLinearizability, TokenOrder},
		"c1 was granted lock a at 2.1s (grant 2) with token 7, where token 7 had been given out before"},
	"bad-token-order-reader-shares-with-writer": {[]string{LockLinearizability, TokenOrder},
		"c1 was granted lock a (shared) at 2.1s (grant 2) with token 7"},
	"bad-protected-effect-fenced-guard-on-writes-alone": {[]string{ProtectedEffectFenced},
		"1 lost update, 1 stale write, 0 stale reads"},
	"bad-protected-effect-fenced-stale-read": {[]string{ProtectedEffectFenced},
		"c0's read under grant 1 of lock a was let through at 11.5s, after grant 2 of c1 at 11s"},
	"bad-loss-notice-late": {[]string{LossNotice},
		"c0 held grant 1 of lock a; its lease ended by its own clock at 10s, it was to be told by 10.5s and was told at 12s, 1.5s late"},
	"bad-loss-notice-closed-too-late": {[]string{LossNotice},
		"it was to be told by 10.4s and was never told"},
	"bad-loss-notice-never": {[]string{LossNotice},
		"was to be told by 10.5s and was never told"},
	"bad-loss-notice-after-pause": {[]string{LossNotice},
		"was told at 11.6s, 100ms late"},
	"bad-liveness-never-granted": {[]string{Liveness},
		"lock a was wanted from 20s on and nobody held it, yet it was not granted by 60s: 40s, where 10s is the bound"},
	"bad-liveness-refused-while-another-crashes": {[]string{Liveness},
		"lock a was wanted from 21s on and nobody held it, yet it was not granted by 31.1s"},
	"bad-liveness-every-try-refused": {[]string{Liveness},
		"lock a was wanted from 21s on"},
	"bad-liveness-host-stood-still-for-less": {[]string{Liveness},
		"not granted by 45s: 24s, where 10s is the bound; the host stood still for 8s of it"},
	"bad-liveness-always-errs": {[]string{Liveness},
		`it was never granted, and 20 of 30 acquires ended with "denied"`},
	"bad-loss-notice-late-though-host-stood-still": {[]string{LossNotice},
		"it was to be told by 13.5s and was told at 14s, 500ms late"},
	"bad-acquire-persists-failed": {[]string{AcquirePersists},
		"c1 waited for lock a from 1s on and did not give up, yet its acquire ended at 3s: the store said no"},
	"bad-acquire-persists-no-answer": {[]string{AcquirePersists}, "ended at 3s: timeout"},
	"bad-call-returns-acquire-after-give-up": {[]string{CallReturns},
		"c1's acquire of lock a at 1s, given up at 2s, returned at 20s, 13s after it was due: 5s is the limit"},
	"bad-call-returns-close": {[]string{CallReturns}, "c0's close at 2s returned at 9s, 2s after it was due"},
	"bad-call-returns-release-never": {[]string{CallReturns},
		"c0's release of lock a at 1s had not returned when the run ended at 60s, 54s after it was due"},
	"bad-end-is-final-came-back": {[]string{EndIsFinal},
		"c0's belief in grant 1 of lock a ended by its own clock at 9.9s, and came back at 10.2s"},
	"bad-free-granted-after-a-release": {[]string{FreeGranted},
		"c1 was refused lock a between 2s and 2.1s as held, which nobody can have held: c0 released it at 1.1s (grant 1)"},
	"bad-free-granted-after-a-takeover": {[]string{FreeGranted}, "c1 released it at 11.1s (grant 2)"},
	"bad-free-granted-names-who-released": {[]string{LockLinearizability, FreeGranted},
		"c1 was told between 2s and 2.1s that c0 holds lock a"},
	"bad-free-granted-nobody-yet": {[]string{FreeGranted}, "which nobody had been granted yet"},
	"bad-lease-kept-one-nanosecond-early": {[]string{LeaseKept},
		"extended at 0s, and was told that it is lost at 9.8s, with nobody else in the way: it was good to 9.8s at the least"},
	"bad-lease-kept-renewal-refused": {[]string{LockLinearizability, LeaseKept}, "a renew at 3.1s said that it was lost"},
	"bad-lease-kept-told-lost":       {[]string{LeaseKept}, "was told that it is lost at 5s"},
	"bad-lock-linearizability-inspect-names-who-released": {[]string{LockLinearizability},
		"c1 was told between 3s and 3.1s that c0 holds lock a"},
	"bad-lock-linearizability-own-lease-taken-again": {[]string{MutualExclusion, LockLinearizability, LossNotice},
		"c0 held a 100ms-7.2s (grant 1); c0 acquired it at 5.1s (grant 2)"},
	"bad-lock-linearizability-released-what-it-had-lost": {[]string{LockLinearizability},
		"but c0's grant 1 was in force: it was released at 11s"},
	"bad-lock-linearizability-renewed-though-gone": {[]string{LockLinearizability},
		"it was released at 2.1s, and renewed at 2.5s"},
	"bad-lock-linearizability-retake-is-for-its-own-client": {[]string{MutualExclusion, LockLinearizability, LossNotice},
		"c0 held a 7.1s to the end of the run (grant 3); c1 acquired it at 7.4s (grant 4)"},
	"bad-lock-linearizability-taken-before-the-shortest-lease": {[]string{LockLinearizability},
		"last renewed at 900ms, it could not end before 10.8s"},
	"bad-mutual-exclusion-belief-came-back": {[]string{MutualExclusion},
		"c1 held a 10.5s-13s (grant 2); c0 believed in it again at 11s (grant 1): overlap 2s"},
	"bad-mutual-exclusion-in-the-first-of-two-beliefs": {[]string{MutualExclusion},
		"c0 held a 100ms-9.9s (grant 1); c1 acquired it at 9.8s (grant 2): overlap 100ms"},
	"bad-mutual-exclusion-tampered-before": {[]string{MutualExclusion}, "c1 acquired it at 3.1s (grant 2): overlap 900ms"},
	"bad-renewal-interval-never": {[]string{RenewalInterval},
		"was last granted or renewed at 100ms, and believed in it to 9.9s: 9.8s without a renewal, where 3s is the longest"},
	"bad-renewal-interval-once-too-late": {[]string{RenewalInterval},
		"was last granted or renewed at 2.1s, and asked to renew it at 8s: 5.9s without a renewal"},
	"bad-request-budget-acquire": {[]string{RequestsBudget},
		"c0's acquire of lock a from 11s to 11.1s met no fault and sent 4 requests, where 3 is the budget"},
	"bad-request-budget-release": {[]string{RequestsBudget}, "c0's release of lock a from 12s to 12.1s met no fault and sent 2 requests, where 1 is"},
	"bad-request-budget-renew":   {[]string{RequestsBudget}, "c0's renew of lock a from 12s to 12.1s met no fault and sent 2 requests, where 1 is"},
	"bad-request-budget-wait":    {[]string{RequestsBudget}, "sent 16 requests, where 15 is the budget"},
	"bad-starvation-four-times": {[]string{Starvation},
		"c1 waited for lock a from 11s to 20s, through 4 grants to others, where 3 is the bound"},
	"bad-starvation-never": {[]string{Starvation}, "from 10s to the end of the run, through 5 grants to others"},
	"bad-valid-answers-not-valid-while-held": {[]string{ValidAnswers},
		"c0's lease of grant 1 of lock a said at 2s that it is not valid, but its holder believed in it to 8s"},
	"bad-valid-answers-valid-when-over": {[]string{ValidAnswers},
		"said at 10.2s that it is valid for 5s, but it ended at 9.9s (its holder's own clock)"},
	"bad-valid-answers-valid-when-released": {[]string{ValidAnswers}, "but it ended at 1.1s (released)"},
}

func TestKnownBadHistoriesFailInTheirPropertyAlone(t *testing.T) {
	files := testdataNamed(t, "bad")
	for name := range badHistories {
		if files[name] == "" {
			t.Errorf("%s: no such file", name)
		}
	}
	for name, file := range files {
		want, known := badHistories[name]
		if !known {
			t.Errorf("%s: nobody says what is wrong with it", name)
			continue
		}
		p, h := readTestdata(t, file)
		v := Check(context.Background(), p, h)
		if v.Verdict != Violation || v.Malformed != "" {
			t.Errorf("%s: verdict %v %s", name, v.Verdict, v.Malformed)
		}
		if got := violations(v); !slices.Equal(got, want.violated) {
			t.Errorf("%s: violated %v, want %v", name, got, want.violated)
		}
		property, _ := v.Property(want.violated[0])
		if !strings.Contains(property.Detail, want.says) {
			t.Errorf("%s says\n  %s\nwant\n  %s", name, property.Detail, want.says)
		}
		checkWitness(t, name, property, h)
	}
}

// checkWitness: events that exist, in order, on the lock that is named. A close alone
// is of no lock.
func checkWitness(t *testing.T, name string, p Property, h History) {
	t.Helper()
	if len(p.Events) == 0 || !slices.IsSorted(p.Events) || p.Lock == "" && h[p.Events[0]].Op != OpClose {
		t.Errorf("%s: witness %v on lock %q", name, p.Events, p.Lock)
	}
	for _, i := range p.Events {
		if i < 0 || i >= len(h) || h[i].Lock != p.Lock && h[i].Op != OpCrash {
			t.Errorf("%s: witness %d is not an event of lock %s", name, i, p.Lock)
		}
	}
}

// TestSearchAloneJudgesEveryHistory gives each lock of each history to porcupine whole,
// whatever an order says of it, and to the order alone.
func TestSearchAloneJudgesEveryHistory(t *testing.T) {
	for name, file := range testdataNamed(t, "*") {
		p, h := readTestdata(t, file)
		var c Checker
		if c.load(&p, h) != nil || p.nothingToAnswerFor() != "" {
			continue
		}
		want := !slices.Contains(badHistories[name].violated, LockLinearizability)
		x, part := &c.index, &c.lin.part
		ordered, searched := true, true
		for lock := range x.locks {
			x.searchPartOf(part, int32(lock), &p)
			f, _ := part.order()
			ordered = ordered && f.why == noFault
			if strings.HasPrefix(name, "good-maybe") {
				continue // too much for porcupine: that is why it is kept
			}
			result := newBudget(context.Background()).check(part, x.steps(part, int32(lock), part.everything(), &p))
			if result == porcupine.Unknown {
				t.Errorf("%s: porcupine gave up", name)
			}
			searched = searched && result == porcupine.Ok
		}
		if ordered != want || searched != want {
			t.Errorf("%s: an order was found: %v, porcupine finds one: %v, there is one: %v", name, ordered, searched, want)
		}
	}
}

func TestUnfencedLossIsForInformationOnly(t *testing.T) {
	for _, name := range []string{"info-protected-effect-unfenced-lost-update", "good-paused-holder-unfenced-loses"} {
		p, h := readTestdata(t, "testdata/"+name+".jsonl")
		v := Check(context.Background(), p, h)
		if got := violations(v); !slices.Equal(got, []string{ProtectedEffectUnfenced}) || v.Verdict == Violation {
			t.Errorf("%s: violated %v, verdict %v", name, got, v.Verdict)
		}
		property, _ := v.Property(ProtectedEffectUnfenced)
		if !property.Informational || property.Count != 2 {
			t.Errorf("%s: %+v", name, property)
		}
	}
}

func TestLivenessThatCannotBeJudgedIsUnknown(t *testing.T) {
	for name, file := range testdataNamed(t, "unknown-liveness") {
		p, h := readTestdata(t, file)
		v := Check(context.Background(), p, h)
		if property, _ := v.Property(Liveness); property.Verdict != Unknown || v.Verdict != Unknown {
			t.Errorf("%s: %v, verdict %v: %s", name, property.Verdict, v.Verdict, property.Detail)
		}
	}
}

func TestMalformedHistoriesAreRefusedWithTheirReason(t *testing.T) {
	reasons := map[string]string{
		"malformed-time-runs-backwards":            "event 1 (line 3 of its file: 4s c0 acquire ok): time runs backwards: the event before is at 5s",
		"malformed-ok-without-invoke":              "process 0 has no acquire of lock a open",
		"malformed-two-open-acquires":              "process 0 has an acquire of lock a open",
		"malformed-grant-made-twice":               "grant 1 was made before",
		"malformed-unknown-grant":                  "grant 2 is unknown",
		"malformed-grant-of-another-client":        "grant 1 belongs to c0",
		"malformed-grant-of-another-lock":          "grant 1 is of lock a",
		"malformed-after-crash":                    "process 0 has crashed",
		"malformed-after-crash-of-another-process": "process 1 has crashed",
		"malformed-after-indefinite-acquire":       "process 0 ended with an info",
		"malformed-process-of-two-clients":         "process 0 belongs to c0",
		"malformed-release-while-acquiring":        "process 0 has an acquire of lock a open",
		"malformed-released-twice":                 "grant 1 was released before",
		"malformed-too-many-clients":               "there are only 4 clients",
		"malformed-renew-without-invoke":           "no renew of grant 1 is open",
		"malformed-resume-without-an-end":          "grant 1 did not end by its holder's own clock",
		"malformed-resume-after-the-loss":          "grant 1 did not end by its holder's own clock",
		"malformed-inspect-without-invoke":         "process 0 has no inspect open",
		"malformed-two-open-closes":                "process 0 has close open",
	}
	for name, file := range testdataNamed(t, "malformed") {
		p, h := readTestdata(t, file)
		v := Check(context.Background(), p, h)
		if reasons[name] == "" || !strings.Contains(v.Malformed, reasons[name]) {
			t.Errorf("%s: %q, want %q", name, v.Malformed, reasons[name])
		}
		if v.Verdict != Unknown || len(v.Properties) != propertyCount {
			t.Errorf("%s: verdict %v on %d properties", name, v.Verdict, len(v.Properties))
		}
		if err := Validate(h); err == nil && name != "malformed-too-many-clients" {
			t.Errorf("%s: Validate accepts it", name)
		}
	}
}
