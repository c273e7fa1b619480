package linearizability

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// judge runs everything that takes a history, with little patience.
func judge(t *testing.T, p Params, h History) {
	t.Helper()
	var c Checker
	v := c.Check(context.Background(), p, h)
	if len(v.Properties) != propertyCount {
		t.Fatalf("%d properties", len(v.Properties))
	}
	for _, property := range v.Properties {
		if property.Verdict == Violation {
			checkWitness(t, property.Name, property, h)
		}
	}
	if (Validate(h) == nil) != (v.Malformed == "") && v.Malformed == "" {
		t.Fatal("a malformed history was judged")
	}
	c.Coverage(p, h)
}

func TestCoverageCountsWhatHappened(t *testing.T) {
	p, h := readTestdata(t, "testdata/good-crash-failover.jsonl")
	want := Coverage{
		Acquires: 3, Grants: 3, Contended: 1, Renews: 1, Releases: 2, Takeovers: 1, Crashes: 1,
		Uncontended:   []time.Duration{100 * time.Millisecond, 100 * time.Millisecond},
		Calm:          []time.Duration{100 * time.Millisecond, 100 * time.Millisecond},
		ContendedWait: []time.Duration{9200 * time.Millisecond},
		Failover:      []time.Duration{8200 * time.Millisecond},
	}
	if diff := cmp.Diff(want, CoverageOf(p, h)); diff != "" {
		t.Error(diff)
	}
	p, h = readTestdata(t, "testdata/good-handoff.jsonl")
	got := CoverageOf(p, h)
	if got.Handoffs != 1 || len(got.Handoff) != 1 || got.Handoff[0] != 200*time.Millisecond || got.Takeovers != 0 {
		t.Errorf("%+v", got)
	}
	p, h = readTestdata(t, "testdata/good-paused-holder-unfenced-loses.jsonl")
	got = CoverageOf(p, h)
	if got.Expired != 1 || got.Lost != 1 || got.Rejected != 1 || got.Takeovers != 1 ||
		len(got.Failover) != 1 || got.Failover[0] != 10500*time.Millisecond {
		t.Errorf("%+v", got)
	}
}

func TestCoverageAddIsTheSum(t *testing.T) {
	p, h := contended(4, 500, 3)
	one := CoverageOf(p, h)
	var sum Coverage
	sum.Add(one)
	if diff := cmp.Diff(one, sum); diff != "" {
		t.Error(diff)
	}
	sum.Add(one)
	if sum.Grants != 2*one.Grants || len(sum.Handoff) != 2*len(one.Handoff) {
		t.Error("twice is not the double")
	}
}

func TestPictureShowsTheLockThatWasAskedFor(t *testing.T) {
	for name, file := range testdataNamed(t, "bad") {
		p, h := readTestdata(t, file)
		var page strings.Builder
		err := Visualize(&page, p, h, "a")
		if err != nil && !strings.Contains(err.Error(), "never granted") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && !strings.Contains(page.String(), "<html") {
			t.Errorf("%s: no page", name)
		}
		if err := Visualize(&page, p, h, "nobody"); err == nil {
			t.Errorf("%s: a picture of a lock that is not there", name)
		}
	}
}

func TestCheckerThatIsStoppedIsUnknown(t *testing.T) {
	p, h := readTestdata(t, "testdata/bad-token-order-falls.jsonl")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if v := Check(ended, p, h); v.Verdict != Unknown || len(v.Properties) != propertyCount {
		t.Errorf("%+v", v)
	}
}

func TestVerdictOutweighsInTheRightOrder(t *testing.T) {
	order := []Status{NotApplicable, OK, Unknown, Violation}
	for i, a := range order {
		for j, b := range order {
			if got := Worst(a, b); got != order[max(i, j)] {
				t.Errorf("Worst(%v, %v) = %v", a, b, got)
			}
		}
	}
	for _, s := range order {
		b, err := s.MarshalText()
		var back Status
		if err != nil || back.UnmarshalText(b) != nil || back != s {
			t.Errorf("%v does not survive its own text %q", s, b)
		}
	}
}
