// Package backendtest states what a lock.Store must guarantee, as cases that
// return an error instead of needing a *testing.T: a program can check a real
// server with them, and a backend's tests loop over Cases.
//
//	for _, c := range backendtest.Cases() {
//		t.Run(c.Name, func(t *testing.T) {
//			if why := c.Skip(store, options); why != "" {
//				t.Skip(why)
//			}
//			if err := c.Run(t.Context(), store, options); err != nil {
//				t.Error(err)
//			}
//		})
//	}
//
// It promises that a case that fails has seen the guarantee broken, or could
// not finish: each says which. It does not promise that a store that passes is
// correct: races are provoked, not enumerated, and no fault is injected. The
// server must stay up, and nobody else may write under the run's prefix; an
// indefinite error fails a case, because the case can then no longer tell.
//
// Nothing here guesses how long a store takes. Time is only used to give up:
// what must happen has Options.Patience to happen. A call that never returns,
// although its context has ended, is reported, and its goroutine is left
// behind.
package backendtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// Options of a run. The zero value works.
type Options struct {
	// Prefix starts almost every key that the cases use; "backendtest" if it is
	// empty. Each case adds a random part, so that runs may share a store.
	Prefix string
	// Other is a second handle on the same data, best over a connection of its
	// own. With it, cases also show that what one client wrote, another sees.
	Other lock.Store
	// Parallel is the number of clients that contend, at least 2; 8 if it is 0.
	Parallel int
	// Rounds is how often a case repeats what may go wrong only sometimes; 25
	// if it is 0.
	Rounds int
	// Patience is how long something that must happen may take; 10 s if it is
	// 0. A case as a whole may take six times as long.
	Patience time.Duration
	// Log, if not nil, is told of each case's outcome by Run, in the manner of
	// fmt.Printf.
	Log func(format string, args ...any)
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = "backendtest"
	}
	if o.Parallel == 0 {
		o.Parallel = 8
	}
	if o.Rounds == 0 {
		o.Rounds = 25
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Parallel < 0 || o.Parallel == 1:
		return fmt.Errorf("backendtest: Options.Parallel %d is not at least 2", o.Parallel)
	case o.Rounds < 0:
		return fmt.Errorf("backendtest: Options.Rounds %d is negative", o.Rounds)
	case o.Patience < 0:
		return fmt.Errorf("backendtest: Options.Patience %v is negative", o.Patience)
	}
	return nil
}

// Case is one guarantee and the experiment that tries to break it.
type Case struct {
	// Name is short and stable, fit for a subtest.
	Name string
	// Guarantee is what the store promises, in one sentence.
	Guarantee string

	// needs is nil if every store must pass; else it says what the store lacks,
	// or "".
	needs func(lock.Capabilities) (lacks string)
	run   func(ctx context.Context, e *env) error
}

// Skip returns why the case does not apply to store, or "" if it does.
func (c Case) Skip(store lock.Store, _ Options) string {
	if c.needs == nil {
		return ""
	}
	if lacks := c.needs(lock.CapabilitiesOf(store)); lacks != "" {
		return "the store does not declare " + lacks
	}
	return ""
}

// Run runs the case and returns nil if the guarantee held or does not apply.
// Its error names the case and the guarantee. Keys that the case made are
// deleted again as far as the store allows.
func (c Case) Run(ctx context.Context, store lock.Store, options Options) error {
	if err := options.validate(); err != nil {
		return err
	}
	if c.Skip(store, options) != "" {
		return nil
	}
	options = options.withDefaults()
	e := newEnv(store, options)
	ctx, cancel := context.WithTimeoutCause(ctx, 6*options.Patience, errCaseTooLong)
	defer cancel()
	err := e.returns(ctx, func() error { return c.run(ctx, e) })
	e.cleanUp()
	if err != nil {
		return fmt.Errorf("%s: %w\n\tguarantee: %s", c.Name, err, c.Guarantee)
	}
	return nil
}

// Run runs every case that applies to store, one after the other, and returns
// their errors joined; nil if all guarantees held.
func Run(ctx context.Context, store lock.Store, options Options) error {
	if err := options.validate(); err != nil {
		return err
	}
	log := options.withDefaults().Log
	var failures []error
	for _, c := range Cases() {
		if why := c.Skip(store, options); why != "" {
			log("skip %s: %s", c.Name, why)
			continue
		}
		if ctx.Err() != nil {
			failures = append(failures, fmt.Errorf("%s: not run: %w", c.Name, context.Cause(ctx)))
			continue
		}
		err := c.Run(ctx, store, options)
		if err != nil {
			failures = append(failures, err)
			log("FAIL %v", err)
			continue
		}
		log("ok   %s", c.Name)
	}
	return errors.Join(failures...)
}

// Cases returns all cases, in an order in which the first failure is the most
// telling one.
func Cases() []Case {
	var all []Case
	for _, group := range [][]Case{
		basicCases(), revisionCases(), deleteCases(), keyCases(), valueCases(),
		contentionCases(), contextCases(), watchCases(), watchEndCases(),
	} {
		all = append(all, group...)
	}
	return all
}

// errCaseTooLong is the cause of the end of a case's own context.
var errCaseTooLong = errors.New("the case took longer than six times Options.Patience")

// namespace is drawn anew for each case so that runs can share a store.
func namespace() string { return rand.Text()[:12] }
