package harness

import (
	"errors"
	"testing"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// A subject that can be made once and not again ends the run with its error; it
// was swallowed once, and the run never came to its end.
func TestASubjectThatCannotStartAgainEndsTheRun(t *testing.T) {
	refused := errors.New("not twice")
	subject, err := subjects.Find(subjects.ReferenceName)
	if err != nil {
		t.Fatal(err)
	}
	make, made := subject.New, 0
	subject.New = func(env subjects.Env) (subjects.Locker, error) {
		if made++; made > 3 {
			return nil, refused
		}
		return make(env)
	}
	s := Scenario{Clients: 3}.WithDefaults()
	w, err := sim.New(sim.Config{Chooser: sim.NewRandom(1), Clients: s.Clients})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r := newRun(s, subject, w.Now)
	if err := r.populate(w); err != nil {
		t.Fatal(err)
	}
	w.Node(0).Die(0)
	if err := r.runTo(t.Context(), w, s.end()); !errors.Is(err, refused) {
		t.Errorf("the run ended with %v, want %v", err, refused)
	}
	if len(linearizability.History(r.rec.history)) == 0 {
		t.Error("nothing was recorded before")
	}
}
