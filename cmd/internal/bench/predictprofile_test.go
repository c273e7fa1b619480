package bench

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAProfileSaysWhatItParses(t *testing.T) {
	for _, info := range Profiles() {
		p, err := ParseProfile(info.Profile.Name)
		if err != nil || p != info.Profile {
			t.Errorf("%s: %+v, %v", info.Profile.Name, p, err)
		}
		if err := p.validate(); err != nil {
			t.Error(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := func(name string) time.Duration {
			return time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, name))
		}
		span := func(name string) Span {
			low := d(name + " low")
			return Span{low, low + d(name+" more")}
		}
		p := Profile{Name: "x", LossPPM: rapid.Int64Range(0, maxPartsPerMillion-1).Draw(t, "loss"), DriftPPM: rapid.Int64Range(0, maxDriftPPM).Draw(t, "drift")}
		if rapid.Bool().Draw(t, "rtt") {
			p.RTT = span("rtt")
		}
		for _, e := range []*Episodes{&p.Partition, &p.Pause, &p.Suspend} {
			if rapid.Bool().Draw(t, "has") {
				e.Length = span("length")
				e.Every = e.Length.High + d("every")
			}
		}
		got, err := ParseProfile(p.String())
		if err != nil || got != p {
			t.Fatalf("%s:\n%+v\n%+v, %v", p, p, got, err)
		}
	})
}

func TestOwnValuesChangeAProfile(t *testing.T) {
	p, err := ParseProfile("lan,pause=none,loss=0.1%,drift=1%,partition=6h:1s-30s")
	if err != nil {
		t.Fatal(err)
	}
	want := Profile{
		Name: "lan+pause=none+loss=0.1%+drift=1%+partition=6h:1s-30s", LossPPM: 1000, DriftPPM: 10_000,
		Partition: Episodes{6 * time.Hour, Span{time.Second, 30 * time.Second}},
	}
	if p != want {
		t.Errorf("%+v", p)
	}
	if p, err = ParseProfile("rtt=5ms,name=ours"); err != nil || p != (Profile{Name: "ours", RTT: Span{5 * time.Millisecond, 5 * time.Millisecond}}) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestABadProfileIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "there is no profile",
		"moon":                  "there are calm, lan",
		"lan,":                  "key=value",
		"lan,speed=1":           "there is no such key",
		"lan,loss=100%":         "under 100%",
		"lan,loss=0.1":          "0.1% or 1000ppm",
		"lan,loss=-1%":          "from 0",
		"lan,loss=NaN%":         "from 0",
		"lan,rtt=5ms-1ms":       "more than 0",
		"lan,rtt=fast":          "invalid duration",
		"lan,pause=1h":          "every:length",
		"lan,pause=1h:2h":       "no time in between",
		"lan,pause=0s:1s":       "more than 0",
		"lan,drift=2%":          "beyond what the lock allows",
		"lan,name=a/b":          "slashes",
		"lan,name=a b":          "spaces",
		"loss=0.1%,name=a\tb":   "spaces",
		"lan,partition=-6h:-1s": "",
	} {
		if p, err := ParseProfile(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %q", text, p, err, want)
		}
	}
}

func FuzzParseProfile(f *testing.F) {
	for _, text := range []string{"lan", "wan,loss=0.1%", "rtt=2ms-5ms,drift=50ppm,name=ours", "lan,pause=6h:1s-20s,suspend=none"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProfile(text)
		if err != nil {
			return
		}
		again, err := ParseProfile(p.String())
		if err != nil || again != p {
			t.Fatalf("%q is %+v, and %q is %+v, %v", text, p, p, again, err)
		}
	})
}
