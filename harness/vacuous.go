package harness

import (
	"fmt"

	"github.com/lockproof/lockproof/fault"
)

// enoughSeeds is from how many simulated runs on a sweep must have gone through
// everything; a single replayed seed need not.
const enoughSeeds = 50

// vacuous says why a summary without a violation proves nothing, or "".
func vacuous(s *Summary) string {
	c := s.Coverage
	if c.Grants == 0 {
		return "the lock was never granted"
	}
	if s.Base.Backend == BackendSim && s.Seeds < enoughSeeds {
		return ""
	}
	if s.Base.Clients > 1 && c.Contended == 0 {
		return "no two clients ever wanted the lock at once"
	}
	if s.Sample == nil || !s.Sample.Params.Promises.RenewalOff {
		return ""
	}
	for _, need := range []struct {
		what  string
		count int
	}{{"lease ran out", c.Expired}, {"lock was taken over", c.Takeovers}, {"holder was told of a loss", c.Lost}} {
		if need.count == 0 && s.Base.Workload.Abandon > 0 {
			return fmt.Sprintf("no %s in %d runs", need.what, s.Seeds)
		}
	}
	if s.Base.Backend == BackendSim && losesReplies(s.Base.Kinds) && s.Counters.Indefinite == 0 {
		return fmt.Sprintf("no request stayed without an answer in %d runs", s.Seeds)
	}
	return ""
}

// losesReplies reports whether one of kinds leaves requests without an answer.
func losesReplies(kinds []fault.Kind) bool {
	for _, k := range kinds {
		switch k {
		case fault.Partition, fault.PartitionRequests, fault.PartitionReplies, fault.Hold,
			fault.LoseRequest, fault.LoseReply, fault.StoreDown, fault.StoreRestart, fault.StoreFailover,
			fault.AimedPartition, fault.AimedLoseRequest, fault.AimedLoseReply:
			return true
		}
	}
	return false
}
