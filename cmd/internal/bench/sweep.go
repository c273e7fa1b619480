package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/subjects"
)

// SweepConfig says which lease settings to compare, and where. TTLs, Renewals,
// Clients and Profiles span the grid and are required; all else has a default.
type SweepConfig struct {
	// Backend is the store's name in the result.
	Backend string
	// Target is the store whose latency the simulator takes over. Nil: nothing
	// real; Model is the store. Cells are measured live on another container of
	// Backend.
	Target target.Target
	Model  StoreModel

	TTLs     []time.Duration
	Renewals []Renewal
	Clients  []int
	Profiles []Profile

	// Episodes are how many cuts, pauses, sleeps and lost requests of each size are
	// simulated for each cell. Default 1,000.
	Episodes int
	// Trials is how many holders die in each cell. Default 2,000.
	Trials int
	// Live is how many cells are measured live too: those with the shortest ttl,
	// under the calm profile, which is added to the grid for them.
	Live int
	// LiveTrials is how many holders die in each of these. Default 50.
	LiveTrials int
	// RoundTrips are measured for the calibration. Default 2,000 of each kind.
	RoundTrips int
	// Prices, if given, turn request units into money.
	Prices Prices
	// Budget is how many false failovers are acceptable. Default 1 a month.
	Budget Rate
	// Seed decides every choice of the simulator.
	Seed uint64
	// Workers is how many cells are simulated at a time. Default: one for each
	// processor.
	Workers int
	// Longest bounds how long the simulation is expected to take; a larger grid
	// is refused before it begins. Default 30 minutes.
	Longest time.Duration
	// Progress is told what is being done, from one goroutine at a time. Nil:
	// nobody listens.
	Progress func(done, total int, what string)
}

// The defaults of a sweep.
const (
	DefaultSweepEpisodes   = 1000
	DefaultSweepTrials     = 2000
	DefaultSweepLiveTrials = 50
	DefaultSweepRoundTrips = 2000
	DefaultSweepLongest    = 30 * time.Minute
)

// DefaultBudget is one false failover a month.
const DefaultBudget = Rate(1.0 / hoursPerMonth)

// Renewal is how often a lease is renewed: a part of its TTL, or a fixed time.
type Renewal struct {
	// Part of Parts of the TTL, if Every is 0.
	Part, Parts int64
	Every       time.Duration
}

// ParseRenewal reads a fraction such as 1/3 or a time such as 2s.
func ParseRenewal(text string) (Renewal, error) {
	part, parts, isFraction := strings.Cut(text, "/")
	if !isFraction {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return Renewal{}, fmt.Errorf("%q is neither a fraction of the ttl such as 1/3 nor a time such as 2s", text)
		}
		return Renewal{Every: d}, nil
	}
	n, errN := strconv.ParseInt(part, 10, 32)
	of, errOf := strconv.ParseInt(parts, 10, 32)
	if errN != nil || errOf != nil || n < 1 || of < 1 {
		return Renewal{}, fmt.Errorf("%q is not a fraction such as 1/3", text)
	}
	return Renewal{Part: n, Parts: of}, nil
}

// Of returns the time from one renewal to the next.
func (r Renewal) Of(ttl time.Duration) time.Duration {
	if r.Every > 0 {
		return r.Every
	}
	return time.Duration(int64(ttl) / r.Parts * r.Part)
}

// String returns what ParseRenewal reads.
func (r Renewal) String() string {
	if r.Every > 0 {
		return r.Every.String()
	}
	return fmt.Sprintf("%d/%d", r.Part, r.Parts)
}

func (c SweepConfig) withDefaults() SweepConfig {
	set := func(n *int, value int) {
		if *n == 0 {
			*n = value
		}
	}
	set(&c.Episodes, DefaultSweepEpisodes)
	set(&c.Trials, DefaultSweepTrials)
	set(&c.LiveTrials, DefaultSweepLiveTrials)
	set(&c.RoundTrips, DefaultSweepRoundTrips)
	set(&c.Workers, runtime.NumCPU())
	if c.Budget == 0 {
		c.Budget = DefaultBudget
	}
	if c.Longest == 0 {
		c.Longest = DefaultSweepLongest
	}
	if c.Progress == nil {
		c.Progress = func(int, int, string) {}
	}
	return c
}

// setting is one point of the grid.
type setting struct {
	ttl, renew time.Duration
	clients    int
	profile    Profile
}

func (s setting) name() string {
	return fmt.Sprintf("sweep/ttl=%s/renew=%s/clients=%d/profile=%s", s.ttl, s.renew, s.clients, s.profile.Name)
}

func (s setting) labels(backend, source string) []Label {
	return []Label{
		{"backend", backend}, {"ttl", s.ttl.String()}, {"renew", s.renew.String()},
		{"clients", strconv.Itoa(s.clients)}, {"profile", s.profile.Name},
		{sourceLabel, source},
	}
}

func (s setting) settings() subjects.Settings {
	return withDefaults(subjects.Settings{TTL: s.ttl, RenewEvery: s.renew})
}

// Validate says what is wrong with the grid before anything is started.
func (c SweepConfig) Validate() error {
	_, err := c.withDefaults().grid()
	return err
}

// mostCells bounds a grid whatever time it would take.
const mostCells = 10_000

// grid lists the cells, profile by profile.
func (c SweepConfig) grid() ([]setting, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	var cells []setting
	for _, profile := range c.Profiles {
		for _, clients := range c.Clients {
			for _, ttl := range c.TTLs {
				for _, renewal := range c.Renewals {
					s := setting{ttl, renewal.Of(ttl), clients, profile}
					if err := s.validate(renewal); err != nil {
						return nil, err
					}
					if !slices.Contains(cells, s) {
						cells = append(cells, s)
					}
				}
			}
		}
	}
	return cells, nil
}

func (c SweepConfig) validate() error {
	for _, list := range []struct {
		name string
		n    int
	}{{"ttl", len(c.TTLs)}, {"renewal", len(c.Renewals)}, {"number of clients", len(c.Clients)}, {"profile", len(c.Profiles)}} {
		if list.n == 0 {
			return fmt.Errorf("a sweep without any %s is empty", list.name)
		}
	}
	if n := len(c.TTLs) * len(c.Renewals) * len(c.Clients) * len(c.Profiles); n > mostCells {
		return fmt.Errorf("the grid has %d cells; at most %d are taken", n, mostCells)
	}
	for i, p := range c.Profiles {
		if err := p.validate(); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		for _, other := range c.Profiles[:i] {
			if other.Name == p.Name && other != p {
				return fmt.Errorf("two profiles are called %s; give one another name=", p.Name)
			}
		}
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"episodes", c.Episodes}, {"trials", c.Trials}, {"live trials", c.LiveTrials}, {"workers", c.Workers}} {
		if n.value < 1 {
			return fmt.Errorf("%s %d must be at least 1", n.name, n.value)
		}
	}
	switch {
	case c.Trials < trialsOfP99:
		return fmt.Errorf("trials %d must be at least %d: fewer do not tell a p99", c.Trials, trialsOfP99)
	case c.Episodes > mostEpisodes:
		return fmt.Errorf("episodes %d must be at most %d", c.Episodes, mostEpisodes)
	case c.RoundTrips < 100:
		return fmt.Errorf("%d round trips are too few to calibrate with; at least 100", c.RoundTrips)
	case c.Budget < 0:
		return errors.New("the budget of false failovers must be more than 0")
	case c.Live < 0:
		return fmt.Errorf("live %d must not be negative", c.Live)
	case c.Live > 0 && c.Target == nil:
		return errors.New("nothing can be measured live on a simulated store")
	}
	return c.Prices.Validate()
}

// mostEpisodes bounds what is simulated of one hazard, trialsOfP99 are the fewest
// samples with a p99, and requestHours those in which requests are counted.
const (
	mostEpisodes = 1_000_000
	trialsOfP99  = 368
	requestHours = 24
)

// maxSweepTTL bounds a ttl: nobody waits a day for a failover on purpose.
const maxSweepTTL = 24 * time.Hour

func (s setting) validate(r Renewal) error {
	switch {
	case s.ttl < 10*time.Millisecond || s.ttl > maxSweepTTL || s.ttl%time.Millisecond != 0:
		return fmt.Errorf("ttl %s must be whole milliseconds from 10ms to %s", s.ttl, maxSweepTTL)
	case s.renew > s.ttl/3:
		return fmt.Errorf("renew %s with ttl %s: the lock refuses more than a third of the ttl, %s; a fraction such as 1/3 fits every ttl", r, s.ttl, s.ttl/3)
	case s.renew < time.Millisecond:
		return fmt.Errorf("renew %s with ttl %s is %s, and must be at least 1ms", r, s.ttl, s.renew)
	case s.clients < 2 || s.clients > 1000:
		return fmt.Errorf("clients %d must be between 2 and 1000: with one alone nobody takes over", s.clients)
	}
	return nil
}

// MeasureSweep predicts every cell of the grid in the simulator, measures some
// of them live beside it, and says which setting to take. If ctx ends early, the
// result holds the cells that were done, and a note that says so; it is an error
// only if there are none.
func MeasureSweep(ctx context.Context, c SweepConfig) (*Result, error) {
	c = c.withDefaults()
	cells, err := c.grid()
	if err != nil {
		return nil, err
	}
	r := Here(Sweep)
	model, err := c.model(ctx, r)
	if err != nil {
		return nil, err
	}
	if c.Prices.Given() && model.Watch {
		return nil, fmt.Errorf("prices are for request units of DynamoDB, where a waiting client polls; %s tells its clients of changes, and would be billed for less", c.Backend)
	}
	grid := cells
	live := c.liveCells(cells)
	for _, s := range live {
		if !slices.Contains(cells, s) {
			cells = append(cells, s)
		}
	}
	work := c.predictions(cells, len(grid), model)
	if err := c.affordable(ctx, work); err != nil {
		return nil, err
	}
	began := time.Now()
	done := c.predictAll(ctx, work)
	r.collect(c, cells, done, time.Since(began))
	if len(r.Cells) == 0 {
		return nil, errors.Join(errors.New("no cell was finished"), firstError(done), context.Cause(ctx))
	}
	if err := firstError(done); err != nil && ctx.Err() == nil {
		return nil, err
	}
	c.measureLive(ctx, r, live)
	r.conclude(c, grid)
	return r, nil
}

// model is the store of the predictions: the calibrated one, or the given.
func (c SweepConfig) model(ctx context.Context, r *Result) (StoreModel, error) {
	if c.Target == nil {
		r.note("the store is simulated; without a profile's rtt it answers within 1 to 3 ms")
		return c.Model, nil
	}
	c.Progress(0, 1, "measuring the latency of "+c.Target.Describe())
	calibration, err := Calibrate(ctx, c.Target, c.RoundTrips)
	if err != nil {
		return StoreModel{}, err
	}
	r.note("%s answered %d reads and %d compare-and-swaps in %s and %s (median), %s and %s (p99); the simulator draws from these",
		c.Target.Describe(), len(calibration.Reads), len(calibration.Writes),
		seconds(calibration.Reads[len(calibration.Reads)/2]), seconds(calibration.Writes[len(calibration.Writes)/2]),
		seconds(calibration.Reads[len(calibration.Reads)*99/100]), seconds(calibration.Writes[len(calibration.Writes)*99/100]))
	return calibration.Model(), nil
}

func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// predicted is what came of one cell.
type predicted struct {
	p   *Prediction
	err error
}

func firstError(done []predicted) error {
	for _, d := range done {
		if d.err != nil {
			return d.err
		}
	}
	return nil
}

// predictAll predicts cells, several at a time. Its goroutines end with it.
func (c SweepConfig) predictAll(ctx context.Context, work []PredictConfig) []predicted {
	results := make([]predicted, len(work))
	next, finished := 0, 0
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range min(c.Workers, len(work)) {
		workers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(work) {
					return
				}
				p, err := Predict(ctx, work[i])
				results[i] = predicted{p, err}
				mu.Lock()
				finished++
				c.Progress(finished, len(work), "simulating")
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return results
}

// predictions are what is to be simulated. The cells after the first n are there
// for the live measurement alone, which tells nothing of false failovers.
func (c SweepConfig) predictions(cells []setting, n int, model StoreModel) []PredictConfig {
	var all []PredictConfig
	for i, s := range cells {
		p := PredictConfig{
			Settings: s.settings(), Clients: s.clients, Profile: s.profile, Store: model,
			Episodes: c.Episodes, Budget: c.Budget, Hours: requestHours, Trials: c.Trials, Seed: c.Seed,
		}
		if i >= n {
			p.Episodes = 0
		}
		all = append(all, p)
	}
	return all
}
