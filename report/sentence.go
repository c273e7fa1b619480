package report

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

// resultSentence says in one sentence what a run showed.
func resultSentence(r *harness.Result) string {
	if r.Verdict.Malformed != "" {
		return "the history could not be judged: " + r.Verdict.Malformed
	}
	found := propertiesSentence(r.Verdict.Verdict, r.Verdict.Properties)
	if !r.Interrupted {
		return found
	}
	text := "interrupted after " + plain.Duration(r.Params.End) + " of " + plain.Duration(r.Scenario.Length())
	if _, counts := (Part{}).failure(r); !counts {
		return text + "; no property was violated until then"
	}
	return text + "; " + found
}

// propertiesSentence names the first property that gave the verdict.
func propertiesSentence(verdict lin.Status, properties []lin.Property) string {
	held := 0
	for _, p := range properties {
		if p.Informational {
			continue
		}
		if p.Verdict == verdict && verdict != lin.OK {
			return p.Name + ": " + p.Detail
		}
		if p.Verdict == lin.OK {
			held++
		}
	}
	switch verdict {
	case lin.OK:
		return fmt.Sprintf("%s held in this history", counted2(held, "property", "properties"))
	case lin.Violation:
		return "a property did not hold"
	}
	return "nothing was proved"
}

func counted2(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

const storeBrokenText = "Store contract broken: the store was made to forget or serve what its contract forbids. " +
	"A violation accuses the store and not the lock."

// resultWarnings are what a reader must know beside the verdict.
func resultWarnings(r *harness.Result) []string {
	var all []string
	if r.Verdict.StoreContractBroken {
		all = append(all, storeBrokenText)
	}
	if beyond := r.Scenario.Plan.Uncovered(r.Scenario.MaxClockDriftPPM); len(beyond) > 0 {
		all = append(all, "Beyond the promise: no lock promises anything under "+kindsText(beyond.Kinds())+
			" as used here.")
	}
	return all
}

func kindsText(kinds []fault.Kind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, ", ")
}

// backendName names the world; that of a history alone is not known, and "".
func backendName(r *harness.Result) string {
	if r.Scenario.Backend == "" {
		return ""
	}
	return worldName(r.Scenario.Backend)
}

func worldName(backend string) string {
	if backend == harness.BackendSim {
		return "the simulator"
	}
	return backend
}

// ReplayLine is the command that runs a scenario again from its flags. It is
// exact for a plan that was drawn from the seed with the kinds that the scenario
// names; a plan that was written or shrunk needs the run folder.
func ReplayLine(s harness.Scenario) string {
	d := harness.Scenario{}.WithDefaults()
	words := []string{"locksim run --subject " + shellWord(s.Subject)}
	add := func(differs bool, flag, value string) {
		if differs {
			words = append(words, flag+" "+shellWord(value))
		}
	}
	words = append(words, "--backend "+shellWord(s.Backend))
	add(s.Clients != d.Clients, "--clients", strconv.Itoa(s.Clients))
	add(s.Locks != d.Locks, "--locks", strconv.Itoa(s.Locks))
	add(s.TTL != d.TTL, "--ttl", s.TTL.String())
	add(s.Duration != d.Duration, "--duration", s.Duration.String())
	add(s.RenewEvery.D() != s.TTL.D()/3, "--renew", s.RenewEvery.String())
	add(s.MaxClockDriftPPM != d.MaxClockDriftPPM, "--max-clock-drift", fmt.Sprintf("%dppm", s.MaxClockDriftPPM))
	words = append(words, "--faults "+shellWord(faultsWord(s.Kinds)))
	for _, w := range s.ChangedWorkload() {
		add(true, "--"+w.Name, w.Text(&s.Workload))
	}
	add(s.ClockRatePPM != 0, "--clock-rate", fmt.Sprintf("%+dppm", s.ClockRatePPM))
	words = append(words, "--seed "+strconv.FormatUint(s.Seed, 10))
	return strings.Join(words, " ")
}

// faultsWord is the shortest value of --faults that stands for the kinds.
func faultsWord(kinds []fault.Kind) string {
	if len(kinds) == 0 {
		return "none"
	}
	words := []string{}
	rest := map[fault.Kind]bool{}
	for _, k := range kinds {
		rest[k] = true
	}
	replace := func(word string, group []fault.Kind) {
		for _, k := range group {
			if !rest[k] {
				return
			}
		}
		if len(group) == 0 {
			return
		}
		words = append(words, word)
		for _, k := range group {
			delete(rest, k)
		}
	}
	all, _ := fault.ParseKinds("all")
	replace("all", all)
	for _, g := range fault.Groups() {
		members, _ := fault.ParseKinds(string(g))
		replace(string(g), members)
	}
	var single []string
	for k := range rest {
		single = append(single, string(k))
	}
	sort.Strings(single)
	return strings.Join(append(words, single...), ",")
}

// shellWord quotes what a shell would not take as one word.
func shellWord(s string) string {
	simple := s != ""
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		simple = simple && (letter || strings.ContainsRune("-_./,:=+@%~", r))
	}
	if simple && s[0] != '~' {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
