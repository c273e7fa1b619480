package linearizability

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Set sets one field by the name that it has in the header of a history file, as in
// ttl=10s, notice_slack=500ms, promises.tokens=true or promises.requests.acquire=3.
//
// Setting ttl or max_clock_drift_ppm makes the promises that depend on them those of
// LeasePromises; set what differs from these afterwards.
func (p *Params) Set(name, value string) error {
	fields, err := toMap(p.toJSON())
	if err != nil {
		return err
	}
	into, path := fields, strings.Split(name, ".")
	for _, part := range path[:len(path)-1] {
		inner, ok := into[part].(map[string]any)
		if !ok {
			inner = map[string]any{}
			into[part] = inner
		}
		into = inner
	}
	into[path[len(path)-1]] = literal(value)
	text, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	var j paramsJSON
	if err := strictJSON(text, &j); err != nil {
		return fmt.Errorf("%s=%s: %w", name, value, err)
	}
	changed := j.params()
	if name == "ttl" || name == "max_clock_drift_ppm" {
		was := changed.Promises
		changed.Promises = LeasePromises(changed.TTL, changed.MaxClockDriftPPM)
		changed.Promises.LossNotice, changed.Promises.Tokens = was.LossNotice, was.Tokens
	}
	if err := changed.check(); err != nil {
		return fmt.Errorf("%s=%s: %w", name, value, err)
	}
	*p = changed
	return nil
}

func toMap(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(text, &m)
}

// literal is a number or a truth value if the text is one, and else the text.
func literal(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) == nil {
		switch v.(type) {
		case float64:
			return json.Number(text)
		case bool:
			return v
		}
	}
	return text
}
