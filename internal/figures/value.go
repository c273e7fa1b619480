package figures

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lockproof/lockproof/internal/plain"
)

// pick follows a path.
func pick(v any, path string) (any, error) {
	for rest := path; rest != ""; {
		var step string
		if strings.HasPrefix(rest, "[") {
			end := strings.Index(rest, "]")
			if end < 0 {
				return nil, fmt.Errorf("%q has no closing bracket", path)
			}
			step, rest = rest[1:end], rest[end+1:]
			element, err := element(v, step)
			if err != nil {
				return nil, err
			}
			v = element
		} else {
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			step, rest = rest[:end], rest[end:]
			fields, _ := v.(map[string]any)
			field, ok := fields[step]
			if !ok {
				return nil, fmt.Errorf("there is no field %q", step)
			}
			v = field
		}
		rest = strings.TrimPrefix(rest, ".")
	}
	return v, nil
}

// element is the one of that number, or the only one of that name, key or share.
func element(v any, step string) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("[%s] of what is no list", step)
	}
	var found []any
	for _, one := range list {
		fields, _ := one.(map[string]any)
		for _, key := range []string{"name", "key", "share"} {
			if id, ok := fields[key]; ok && fmt.Sprint(id) == step {
				found = append(found, one)
				break
			}
		}
	}
	if i, err := strconv.Atoi(step); err == nil && len(found) == 0 && i >= 0 && i < len(list) {
		found = append(found, list[i])
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d elements are [%s]", len(found), step)
	}
	return found[0], nil
}

// written writes a value in a format.
func written(v any, format string) (string, error) {
	if format == "text" {
		if s, ok := v.(string); ok {
			return strings.NewReplacer("<", "&lt;", ">", "&gt;", "\n", " ").Replace(s), nil
		}
		return "", errors.New("not a text")
	}
	write, err := writer(format)
	if err != nil {
		return "", err
	}
	if n, ok := v.(float64); ok {
		return write(n), nil
	}
	fields, ok := v.(map[string]any)
	value, isNumber := fields["value"].(float64)
	if !ok || !isNumber {
		return "", errors.New("neither a number nor an object with a value")
	}
	low, _ := fields["low"].(float64)
	high, _ := fields["high"].(float64)
	if low == 0 && high == 0 {
		return write(value), nil
	}
	return fmt.Sprintf("%s [%s, %s]", write(value), write(low), write(high)), nil
}

// writer is how a format writes a number.
func writer(format string) (func(float64) string, error) {
	switch format {
	case "number":
		return plain.Number, nil
	case "count":
		return func(n float64) string { return plain.Count(int64(math.Round(n))) }, nil
	case "yearly":
		return func(n float64) string { return plain.Number(365 * 24 * n) }, nil
	case "percent":
		return func(n float64) string { return plain.Number(math.Round(1000*n)/10) + " %" }, nil
	case "time":
		return func(n float64) string {
			text := plain.Duration(time.Duration(math.Round(n)))
			unit := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != '-' })
			return text[:unit] + " " + text[unit:]
		}, nil
	}
	return nil, fmt.Errorf("there is no format %q; there are number, count, percent, yearly, time and text", format)
}
