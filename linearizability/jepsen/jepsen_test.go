package jepsen_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lin "github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/linearizability/jepsen"
)

// judged judges a history as that of a lock without leases, as Jepsen's models do.
func judged(t *testing.T, text string) lin.Verdict {
	t.Helper()
	p, h, err := jepsen.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return lin.Check(t.Context(), p, h)
}

func TestHistoriesOfJepsenAreJudged(t *testing.T) {
	for name, want := range map[string][]string{
		"ok.edn":           nil,
		"vector.edn":       nil,
		"two-holders.edn":  {lin.MutualExclusion, lin.LockLinearizability},
		"lost-release.edn": nil,
		"tokens-fall.edn":  {lin.TokenOrder, lin.LockLinearizability},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		v := judged(t, string(text))
		if v.Malformed != "" {
			t.Errorf("%s: %s", name, v.Malformed)
		}
		for _, p := range v.Properties {
			if p.Informational {
				continue
			}
			if (p.Verdict == lin.Violation) != slices.Contains(want, p.Name) {
				t.Errorf("%s: %s is %v: %s", name, p.Name, p.Verdict, p.Detail)
			}
		}
	}
}

func TestOperationsAreTakenAsTheyAreMeant(t *testing.T) {
	_, h, err := jepsen.Read(strings.NewReader(`
; a comment, and what is read over
#_{:type :invoke} #jepsen.history.Op{:process 7, :type :invoke, :f :lock, :value ["a" nil], :time 5, :tags #{:x (1 2)}}
{:process :nemesis, :type :info, :f :start-partition, :value [:majority {"n1" #{"n2"}}], :time 6}
{:process 7, :type :ok, :f :lock, :value ["a" 33], :time 7, :error nil, :ratio 1.5e3, :c \a}
{:process 7, :type :invoke, :f :unlock, :value ["b" nil], :time 8}
{:process 7, :type :fail, :f :unlock, :value ["b" nil], :time 9, :error "not \"ours\"\n"}
{:process 7, :type :invoke, :f :unlock, :value ["a" nil], :time 10}
{:process 7, :type :info, :f :unlock, :value ["a" nil], :time 11, :error "timeout"}
{:process 12, :type :invoke, :f :lock, :value ["a" nil], :time 12}`))
	if err != nil {
		t.Fatal(err)
	}
	want := lin.History{
		{At: 5, Lock: "a", Op: lin.OpAcquire, Phase: lin.Invoke},
		{At: 7, Lock: "a", Op: lin.OpAcquire, Phase: lin.Ok, Grant: 1, Token: 33},
		{At: 10, Lock: "a", Op: lin.OpRelease, Phase: lin.Invoke, Grant: 1},
		{At: 11, Lock: "a", Op: lin.OpRelease, Phase: lin.Info, Grant: 1, Detail: "timeout"},
		{At: 12, Lock: "a", Op: lin.OpAcquire, Phase: lin.Invoke, Client: 1, Process: 1},
	}
	if len(h) != len(want) {
		t.Fatalf("got %d events, want %d: %+v", len(h), len(want), h)
	}
	for i := range want {
		if h[i] != want[i] {
			t.Errorf("event %d is %+v, want %+v", i, h[i], want[i])
		}
	}
	if err := lin.Validate(h); err != nil {
		t.Error(err)
	}
}

func TestWhereThereAreNoTimesTheOrderCounts(t *testing.T) {
	v := judged(t, `[{:process 0 :type :invoke :f :acquire} {:process 0 :type :ok :f :acquire}
		{:process 1 :type :invoke :f :acquire} {:process 1 :type :ok :f :acquire}]`)
	if p, _ := v.Property(lin.MutualExclusion); p.Verdict != lin.Violation {
		t.Errorf("%v: %s", p.Verdict, p.Detail)
	}
}

func TestWhatIsNoHistoryOfAMutexIsRefusedByLine(t *testing.T) {
	const acquired = "{:process 0 :type :invoke :f :acquire :time 1}\n{:process 0 :type :ok :f :acquire :time 2}\n"
	for text, want := range map[string]string{
		"":                                      "no operation of a mutex",
		"nil":                                   "line 1: <nil> where an operation was to come",
		acquired + "{:process 0 :type ":         "line 3: the file ends before",
		acquired + "{:process 0]":               `"]" where "}" was to come`,
		acquired + "]":                          `line 3: "]" closes nothing`,
		"{:process 0 :type :invoke :f :read}":   ":f of an operation is read",
		"{:process 0 :type :began :f :acquire}": ":type of an operation is began",
		"{:type :invoke :f :acquire}":           "without a :process",
		"{:process 0 :type :ok :f :acquire}":    "ends what it has not invoked",
		acquired + "{:process 0 :type :invoke :f :acquire}":                              "some operations have a :time",
		"{:process 0 :type :invoke :f :acquire}\n{:process 0 :type :invoke :f :acquire}": "line 2: process 0 has not finished",
		"{:process 0 :type :invoke :f :acquire}\n{:process 0 :type :ok :f :release}":     "line 2: process 0 invoked acquire and ends release",
		"{:process 0 :type :invoke :f :release}\n{:process 0 :type :ok :f :release}":     "line 2: process 0 released the lock, :ok, without",
		`{:process 0 :type "invoke`:   "ends inside a string",
		"{:process 0 :type}":          "a key and no value",
		"{:process 0x :type :invoke}": "is no number",
		strings.Repeat("[", 200):      "within each other",
		"#":                           "ends after #",
		"#tag":                        "ends inside a value",
	} {
		_, _, err := jepsen.Read(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.edn")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, h, err := jepsen.Read(strings.NewReader(text))
		if err == nil && len(h) == 0 {
			t.Error("nothing was read, and that is no error")
		}
		if v := lin.Check(t.Context(), p, h); err == nil && v.Malformed == "" && len(v.Properties) == 0 {
			t.Error("nothing was judged")
		}
	})
}
