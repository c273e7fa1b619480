package harness

import (
	"reflect"
	"testing"

	"github.com/lockproof/lockproof/subjects"
)

func TestEveryFieldOfTheWorkloadCanBeSet(t *testing.T) {
	zero := Scenario{Subject: subjects.ReferenceName}.WithDefaults().Workload
	seen := map[string]string{}
	for _, s := range WorkloadSettings() {
		value := "17.3%"
		if s.Kind() == "duration" {
			value = "17.3s"
		}
		w := zero
		if err := s.Set(&w, value); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if got := s.Text(&w); got != value {
			t.Errorf("%s: set to %s, and it reads %s", s.Name, value, got)
		}
		before, after := reflect.ValueOf(zero), reflect.ValueOf(w)
		for i := range before.NumField() {
			if !before.Field(i).Equal(after.Field(i)) {
				field := before.Type().Field(i).Name
				if other := seen[field]; other != "" {
					t.Errorf("%s and %s both set %s", other, s.Name, field)
				}
				seen[field] = s.Name
			}
		}
	}
	for i := range reflect.TypeFor[Workload]().NumField() {
		if field := reflect.TypeFor[Workload]().Field(i).Name; seen[field] == "" {
			t.Errorf("no setting sets %s: give it a line in WorkloadSettings", field)
		}
	}
}

func TestAWorkloadSettingRefusesWhatIsNone(t *testing.T) {
	for _, s := range WorkloadSettings() {
		for _, text := range []string{"", "x", "5", "-1s", "0s", "721h", "-1%", "101%", "0.05%", "NaN%", "1e400%", "10s%"} {
			w := Workload{}
			if err := s.Set(&w, text); err == nil {
				t.Errorf("%s: %q was taken for %s", s.Name, text, s.Text(&w))
			} else if w != (Workload{}) {
				t.Errorf("%s: %q was refused and set", s.Name, text)
			}
		}
	}
	for text, want := range map[string]uint64{"0%": 0, "100%": 1000, "0.3%": 3, "99.9%": 999} {
		var w Workload
		for _, s := range WorkloadSettings() {
			if s.Kind() != "percent" {
				continue
			}
			if err := s.Set(&w, text); err != nil || *s.chance(&w) != want {
				t.Errorf("%s: %v, %d", text, err, *s.chance(&w))
			}
		}
	}
}
