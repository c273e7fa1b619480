package fault

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Parse reads a plan as [Plan.String] writes it or a person does: one fault a
// line. Blank lines and whatever follows a # are ignored. An error names the line.
//
// Each fault is checked by itself ([Fault.Validate]); the order of the plan is
// kept as written and its faults are not held against each other. That takes
// [Sort] and [Validate].
func Parse(text string) (Plan, error) {
	var plan Plan
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		f, err := ParseFault(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		plan = append(plan, f)
	}
	return plan, nil
}

// ParseFault reads one fault as [Fault.String] writes it. Durations are those of
// [time.ParseDuration]. A probability may also be written in percent ("30%"), and
// a clock rate in every way that [ParseRate] knows.
func ParseFault(line string) (Fault, error) {
	f, err := parseFields(strings.Fields(line))
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", line, err)
	}
	return f, nil
}

func parseFields(words []string) (Fault, error) {
	const shape = "want START [+DURATION] KIND TARGET [AMOUNT] [OPS] [MOMENT:NTH]"
	var f Fault
	if len(words) < 3 {
		return f, errors.New(shape)
	}
	var err error
	if f.Start, err = parseTime(words[0]); err != nil {
		return f, fmt.Errorf("Start: %w", err)
	}
	words = words[1:]
	if after, ok := strings.CutPrefix(words[0], "+"); ok {
		if f.Duration, err = parseTime(after); err != nil {
			return f, fmt.Errorf("Duration: %w", err)
		}
		words = words[1:]
	}
	if f.Aim, words, err = parseAim(words); err != nil {
		return f, err
	}
	if len(words) < 2 || len(words) > 3 {
		return f, errors.New(shape)
	}
	f.Kind = Kind(words[0])
	info := Describe(f.Kind)
	if info.Kind == "" {
		return f, unknownKind(f.Kind)
	}
	if f.Target, err = parseTarget(words[1]); err != nil {
		return f, err
	}
	if len(words) == 3 {
		if f.Amount, err = info.parseAmount(words[2]); err != nil {
			return f, err
		}
	} else if info.Unit != NoUnit && info.MinAmount != 0 {
		return f, fmt.Errorf("Amount: missing; %s takes %s", f.Kind, info.amountRange())
	}
	if p := f.check(); p != nil {
		return f, p
	}
	return f, nil
}

// parseTime reads a Start or a Duration, neither of which has a sign.
func parseTime(word string) (time.Duration, error) {
	if strings.HasPrefix(word, "+") || strings.HasPrefix(word, "-") {
		return 0, fmt.Errorf("%q has a sign too many", word)
	}
	return parseDuration(word)
}

func parseDuration(word string) (time.Duration, error) {
	d, err := time.ParseDuration(word)
	if err != nil {
		return 0, fmt.Errorf(`%q is not a time such as "80ms" or "1m30s"`, word)
	}
	return d, nil
}

func parseTarget(word string) (int, error) {
	if word == "store" {
		return Store, nil
	}
	if digits, ok := strings.CutPrefix(word, "c"); ok {
		// One bit less than an int has: an index is never negative.
		if n, err := strconv.ParseUint(digits, 10, strconv.IntSize-1); err == nil {
			return int(n), nil
		}
	}
	return 0, fmt.Errorf(`Target: %q is neither "store" nor a client such as "c0"`, word)
}

func (i Info) parseAmount(word string) (int64, error) {
	var n int64
	var err error
	switch i.Unit {
	case Nanoseconds:
		var d time.Duration
		d, err = parseDuration(word)
		n = int64(d)
	case PartsPerMillion:
		n, err = ParseRate(word)
	case PerMille:
		n, err = parseScaled(word, []scale{{"permille", 0}, {"%", 1}})
	default:
		err = fmt.Errorf("%s takes none, and %q was given", i.Kind, word)
	}
	if err != nil {
		return 0, fmt.Errorf("Amount: %w", err)
	}
	return n, nil
}

// ParseRate reads how much faster than true time a clock runs, in percent or in
// parts per million, and returns parts per million: "+5%" is 50000, "-200ppm" is
// -200, "0.02%" is 200. A rate that is not a whole number of parts per million,
// or that no clock fault can have, is refused.
func ParseRate(s string) (int64, error) {
	n, err := parseScaled(s, []scale{{"ppm", 0}, {"%", 4}})
	if err != nil {
		return 0, err
	}
	if n < minRate || n > maxRate {
		return 0, fmt.Errorf("rate %q is out of range (%dppm to %+dppm)", s, minRate, maxRate)
	}
	return n, nil
}

// scale is a unit that may follow a number; its value is 10^digits.
type scale struct {
	suffix string
	digits int
}

// parseScaled reads a decimal number with one of several units, exactly: it never
// rounds and uses whole numbers only.
func parseScaled(s string, scales []scale) (int64, error) {
	var suffixes []string
	for _, sc := range scales {
		suffixes = append(suffixes, strconv.Quote(sc.suffix))
		number, ok := strings.CutSuffix(s, sc.suffix)
		if !ok {
			continue
		}
		whole, fraction, dotted := strings.Cut(number, ".")
		if dotted && (fraction == "" || strings.ContainsAny(fraction, "+-")) {
			break
		}
		fraction = strings.TrimRight(fraction, "0")
		if len(fraction) > sc.digits {
			return 0, fmt.Errorf("%q is finer than the unit, %s", s, scales[0].suffix)
		}
		fraction += strings.Repeat("0", sc.digits-len(fraction))
		if whole == "" || whole == "+" || whole == "-" {
			break
		}
		n, err := strconv.ParseInt(whole+fraction, 10, 64)
		if err != nil {
			break
		}
		return n, nil
	}
	return 0, fmt.Errorf("%q is not a whole or decimal number with the unit %s", s, strings.Join(suffixes, " or "))
}
