package arena

import (
	"context"
	"fmt"
	"time"

	"github.com/lockproof/lockproof/subjects"
)

// uncontended has one client of each contender take and give back a free lock,
// half of a round's operations on the way there and half on the way back. The
// first operation of all is not counted: it opens connections and makes records.
func uncontended(ctx context.Context, s *Server, o Options) []outcome {
	outcomes := make([]outcome, len(s.Contenders))
	clients, closeAll := openAll(ctx, s, outcomes, 1)
	defer closeAll()
	for i, c := range s.Contenders {
		if outcomes[i].err == nil {
			_, _, outcomes[i].err = takeAndRelease(ctx, clients[i][0], lockName(c, "free"))
		}
	}
	half := max(1, o.Operations/2)
	rounds := make([]struct{ acquire, both []float64 }, len(outcomes))
	for round := range o.Rounds {
		o.Progress(fmt.Sprintf("%s uncontended: round %d of %d", s.Name, round+1, o.Rounds))
		acquires, boths := make([][]time.Duration, len(outcomes)), make([][]time.Duration, len(outcomes))
		turns(outcomes, func(i int) error {
			for range half {
				acquire, both, err := takeAndRelease(ctx, clients[i][0], lockName(s.Contenders[i], "free"))
				if err != nil {
					return err
				}
				acquires[i], boths[i] = append(acquires[i], acquire), append(boths[i], both)
			}
			return nil
		})
		for i := range outcomes {
			if outcomes[i].err == nil {
				rounds[i].acquire = append(rounds[i].acquire, medianTime(acquires[i]))
				rounds[i].both = append(rounds[i].both, medianTime(boths[i]))
				outcomes[i].times = append(outcomes[i].times, acquires[i]...)
			}
		}
	}
	for i := range outcomes {
		outcomes[i].series = []series{
			{name: "acquire", unit: "ns", samples: rounds[i].acquire, compared: true},
			{name: "acquire+release", unit: "ns", samples: rounds[i].both, compared: true},
		}
	}
	return outcomes
}

// lockName keeps the contenders of one server apart.
func lockName(c Contender, what string) string { return what + "-" + string(c.Settings) }

// operationLimit bounds one acquire and release of a free lock.
const operationLimit = 30 * time.Second

func takeAndRelease(ctx context.Context, client Client, name string) (acquire, both time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, operationLimit)
	defer cancel()
	begun := time.Now()
	l, err := client.Acquire(ctx, name, subjects.Options{})
	acquire = time.Since(begun)
	if err != nil {
		return 0, 0, fmt.Errorf("acquire: %w", err)
	}
	if err := l.Release(ctx); err != nil {
		return 0, 0, fmt.Errorf("release: %w", err)
	}
	return acquire, time.Since(begun), nil
}
