package harness

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// What the workload can do, it does.
func TestTheWorkloadUsesTheWholeInterface(t *testing.T) {
	first := firstSeed(t)
	ops := map[linearizability.Op]int{}
	requests := map[linearizability.Op]int{}
	tasks, several := 0, 0
	s := scenario(t, subjects.ReferenceName, "all")
	s.Locks = 3
	for seed := first; seed < first+uint64(many(20, 10)); seed++ {
		asking, holding := map[int]map[int]bool{}, map[int]int{}
		for _, e := range simulated(t, draw(t, s, seed)).History {
			ops[e.Op]++
			if e.Requests > 0 {
				requests[e.Op]++
			}
			if asking[e.Client] == nil {
				asking[e.Client] = map[int]bool{}
			}
			switch {
			case e.Op == linearizability.OpAcquire && e.Phase == linearizability.Invoke:
				asking[e.Client][e.Process] = true
				tasks = max(tasks, len(asking[e.Client]))
			case e.Op == linearizability.OpAcquire:
				delete(asking[e.Client], e.Process)
			case e.Op == linearizability.OpCrash:
				clear(asking[e.Client])
				holding[e.Client] = 0
			}
			switch {
			case e.Op == linearizability.OpAcquire && e.Phase == linearizability.Ok:
				if holding[e.Client]++; holding[e.Client] > 1 {
					several++
				}
			case e.Op == linearizability.OpRelease && e.Phase == linearizability.Invoke:
				holding[e.Client]--
			}
		}
	}
	for _, op := range []linearizability.Op{
		linearizability.OpGiveUp, linearizability.OpAsk, linearizability.OpInspect, linearizability.OpClose, linearizability.OpRenew,
	} {
		if ops[op] == 0 {
			t.Errorf("nothing was recorded of %v", op)
		}
	}
	for _, op := range []linearizability.Op{
		linearizability.OpAcquire, linearizability.OpRenew, linearizability.OpRelease, linearizability.OpInspect,
	} {
		if requests[op] == 0 {
			t.Errorf("the requests of %v were not counted", op)
		}
	}
	if tasks < 2 || several == 0 {
		t.Errorf("at most %d acquires of a client at once, %d grants beside another", tasks, several)
	}
}

// Every probability of the workload is in the table, under the name of its field.
func TestTheTableOfChancesIsWhole(t *testing.T) {
	var w Workload
	byName := map[string]bool{}
	for i, c := range Chances() {
		*c.Of(&w) = uint64(i + 1)
		byName[c.Name+"_permille"] = true
		if c.Summary == "" {
			t.Errorf("%s has no summary", c.Name)
		}
	}
	kind := reflect.TypeFor[Workload]()
	values := reflect.ValueOf(w)
	seen := map[uint64]bool{}
	for i := range kind.NumField() {
		name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
		if !strings.HasSuffix(name, "_permille") {
			continue
		}
		v := values.Field(i).Uint()
		if v == 0 || seen[v] || !byName[name] {
			t.Errorf("%s is not in the table, or not alone", name)
		}
		seen[v] = true
	}
	for _, c := range Chances() {
		s := Scenario{}.WithDefaults()
		*c.Of(&s.Workload) = 1001
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), c.Name) {
			t.Errorf("%s of 1001: error %v", c.Name, err)
		}
	}
}

// Files from before a probability was known leave out what it stands for.
func TestAnOldScenarioDoesWhatItDid(t *testing.T) {
	b, err := draw(t, scenario(t, subjects.ReferenceName, "all"), 7).Encode()
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	old := map[string]bool{"try": true, "give_up": true, "abandon": true, "die": true}
	for _, c := range Chances() {
		if !old[c.Name] {
			delete(file["workload"].(map[string]any), c.Name+"_permille")
		}
	}
	delete(file, "leases")
	if b, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	s, err := DecodeScenario(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range simulated(t, s).History {
		switch e.Op {
		case linearizability.OpAsk, linearizability.OpInspect, linearizability.OpClose:
			t.Fatalf("%v in the run of an old file", e.Op)
		}
	}
}

// The settings of clients differ in some seeds, are part of the file, and bounded by
// the scenario's own.
func TestClientsHaveSettingsOfTheirOwn(t *testing.T) {
	base := scenario(t, subjects.ReferenceName, "none")
	same, differ := 0, 0
	for seed := uint64(1); seed <= 40; seed++ {
		s := draw(t, base, seed)
		if len(s.Leases) == 0 {
			same++
			continue
		}
		differ++
		b, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		read, err := DecodeScenario(b)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for i := range s.Clients {
			if got := read.settings(i); got != s.settings(i) || got.TTL > s.TTL.D() || got.TTL < s.TTL.D()/2-time.Millisecond {
				t.Errorf("seed %d: c%d has %+v", seed, i, got)
			}
		}
		if s.settings(0).TTL == s.settings(1).TTL {
			t.Errorf("seed %d: two clients have one ttl", seed)
		}
	}
	if same == 0 || differ == 0 {
		t.Errorf("settings differ in %d seeds and are the same in %d", differ, same)
	}
	for _, ttl := range []time.Duration{shortestTTL, 31 * time.Millisecond, 24 * time.Hour} {
		short := Scenario{TTL: Duration(ttl)}.WithDefaults()
		short.Workload.Spread = 1000
		for seed := uint64(1); seed <= 20; seed++ {
			if err := draw(t, short, seed).Validate(); err != nil {
				t.Fatalf("ttl %s: %v", ttl, err)
			}
		}
	}
	bad := draw(t, base, 1)
	bad.Leases = []LeaseSettings{{TTL: base.TTL}}
	if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), "leases") {
		t.Errorf("one client's settings for five: %v", err)
	}
	bad.Leases = make([]LeaseSettings, bad.Clients)
	for i := range bad.Leases {
		bad.Leases[i] = LeaseSettings{2 * base.TTL, base.RenewEvery, base.PollEvery, base.RequestTimeout}
	}
	if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), "leases") {
		t.Errorf("a ttl over the scenario's: %v", err)
	}
}

// ownTTL is a contender that counts with its own ttl, whatever the record says.
type ownTTL struct {
	subjects.RawStore
	ttl time.Duration
}

func (s ownTTL) Capabilities() lock.Capabilities { return lock.Capabilities{} }

func (s ownTTL) Get(ctx context.Context, key string) (lock.Record, error) {
	rec, err := s.RawStore.Get(ctx, key)
	var fields map[string]any
	if err != nil || json.Unmarshal(rec.Value, &fields) != nil {
		return rec, err
	}
	holders, _ := fields["holders"].([]any)
	for _, h := range holders {
		h.(map[string]any)["ttl_ms"] = s.ttl.Milliseconds()
	}
	rec.Value, _ = json.Marshal(fields)
	return rec, err
}

// A contender that does not read how long the holder's lease is, is caught where
// leases differ, and nowhere else.
func TestAContenderWithItsOwnTTLIsCaught(t *testing.T) {
	subject, err := subjects.Find(subjects.ReferenceName)
	if err != nil {
		t.Fatal(err)
	}
	make := subject.New
	subject.New = func(env subjects.Env) (subjects.Locker, error) {
		env.Store = ownTTL{env.Store, env.Settings.TTL}
		return make(env)
	}
	base := scenario(t, subjects.ReferenceName, "none")
	for spread, want := range map[uint64]linearizability.Status{0: linearizability.OK, 1000: linearizability.Violation} {
		base.Workload.Spread = spread
		s := sweep(t, Sweep{Base: base, First: firstSeed(t), Seeds: many(30, 10), Subject: subject})
		if p := s.property(t, linearizability.MutualExclusion); p.Verdict != want {
			t.Errorf("spread %d: %s: %s, want %s", spread, p.Verdict, p.Detail, want)
		}
	}
}

// What is promised to all clients is what is promised to each.
func TestPromisesOfDifferentSettings(t *testing.T) {
	all := linearizability.Promises{}
	v := reflect.ValueOf(&all).Elem()
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Struct:
				fill(f)
			case reflect.Uint8:
				f.SetUint(2)
			default:
				f.SetInt(7)
			}
		}
	}
	fill(v)
	if got := common(all, all); got != all {
		t.Errorf("common to one promise and itself is %+v", got)
	}
	if got := common(all, linearizability.Promises{}); got != (linearizability.Promises{}) {
		t.Errorf("common to all and none is %+v", got)
	}
	if got := common(linearizability.Promises{}, all); got != (linearizability.Promises{}) {
		t.Errorf("common to none and all is %+v", got)
	}
	longer := all
	longer.ShortestLease, longer.CallLimit = 9, 9
	if got := common(all, longer); got.ShortestLease != 7 || got.CallLimit != 9 {
		t.Errorf("shortest lease %d, call limit %d, want 7, 9", got.ShortestLease, got.CallLimit)
	}
}

// A wait limit that was over before the answer came is recorded before it, when it
// was over, whichever task got to run first.
func TestAWaitLimitIsOverWhenItIs(t *testing.T) {
	p := newPaperRun(true)
	c := p.client(0)
	p.now = 5
	o := subjects.Options{WaitLimit: 110 * time.Nanosecond} // of a clock that reads 100 more than true
	a := c.tasks[0].ask(t.Context(), 0, &o, false)
	a.done()
	p.now = 20
	a.returned(nil, errors.New("not granted in time"))
	if got := p.told(c); got != "10 give-up" {
		t.Errorf("recorded %q, want the give-up at 10", got)
	}
	if err := linearizability.Validate(p.rec.history); err != nil {
		t.Error(err)
	}
}

// A grant that its client's close gave back before it could be recorded is none.
func TestAGrantThatMeetsAClose(t *testing.T) {
	p := newPaperRun(true)
	c := p.client(0)
	p.now = 1
	o := subjects.Options{Try: true}
	a := c.tasks[0].ask(t.Context(), 0, &o, false)
	c.closed++
	p.now = 3
	l := &paperLease{until: 110}
	l.lost, l.lose = context.WithCancelCause(t.Context())
	a.returned(l, nil)
	if got := p.told(c); got != "3 release, 3 release" {
		t.Errorf("recorded %q, want the release at once", got)
	}
	if err := linearizability.Validate(p.rec.history); err != nil {
		t.Error(err)
	}
}

// A lease that its holder left to run out, and that a close gave back before its
// holder was told, is given back: nobody owes a notice any more.
func TestACloseGivesBackWhatWasLeft(t *testing.T) {
	p := newPaperRun(true)
	c := p.client(0)
	g, _ := p.grantAt(c, 1, 10)
	p.now = 11
	g.leave()
	p.now = 12
	if live := c.live(); len(live) != 1 || !live[0].endBy(c.newTask().process, linearizability.OpRelease, linearizability.Invoke) {
		t.Error("a close finds nothing to give back")
	}
	if got := p.told(c); got != "10 expire, 12 release" {
		t.Errorf("recorded %q", got)
	}
}
