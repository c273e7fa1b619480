package fault

import (
	"strconv"
	"strings"
	"time"
)

// String returns the fault as one line that [ParseFault] reads back:
//
//	START [+DURATION] KIND TARGET [AMOUNT] [OPS] [MOMENT:NTH]
//	12.5s +3s clock-rate c2 +50000ppm
//	31s clock-jump c0 -1h0m0s
//	40s +2s store-down store
//	41s +9s latency c1 80ms writes
//	1m0s +12s aimed-pause c3 writes before:2
//	1m0s +5s aimed-partition c3 9.89s writes answered:1
//
// The duration is left out where it is 0, the amount where the kind has none or
// where it may be 0 and is, the requests where all are meant. An amount that has
// a direction always carries its sign.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.Start.String())
	if f.Duration != 0 {
		b.WriteString(" +")
		b.WriteString(f.Duration.String())
	}
	b.WriteByte(' ')
	b.WriteString(string(f.Kind))
	b.WriteByte(' ')
	b.WriteString(targetName(f.Target))
	if amount := f.amountText(); amount != "" {
		b.WriteByte(' ')
		b.WriteString(amount)
	}
	b.WriteString(f.Aim.words())
	return b.String()
}

// String returns the plan as text, one fault a line, each line ended by a
// newline. [Parse] reads it back.
func (p Plan) String() string {
	var b strings.Builder
	for _, f := range p {
		b.WriteString(f.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// MarshalText returns [Fault.String], so that a plan in JSON is a list of lines.
// A fault that could not be read back is refused.
func (f Fault) MarshalText() ([]byte, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	return []byte(f.String()), nil
}

// UnmarshalText reads what [Fault.MarshalText] wrote: see [ParseFault].
func (f *Fault) UnmarshalText(text []byte) error {
	parsed, err := ParseFault(string(text))
	if err != nil {
		return err
	}
	*f = parsed
	return nil
}

func targetName(target int) string {
	if target == Store {
		return "store"
	}
	return "c" + strconv.Itoa(target)
}

// amountText prints an amount in its kind's unit. A fault that is not valid is
// printed too, as plainly as possible: its text is needed in the error.
func (f Fault) amountText() string {
	info := Describe(f.Kind)
	if info.Unit == NoUnit {
		if f.Amount == 0 {
			return ""
		}
		return strconv.FormatInt(f.Amount, 10)
	}
	if info.MinAmount == 0 && f.Amount == 0 {
		return ""
	}
	return info.amount(f.Amount)
}

// amount prints a number in the kind's unit, with its sign if it can have one.
func (i Info) amount(n int64) string {
	sign := ""
	if i.MinAmount < 0 && n > 0 {
		sign = "+"
	}
	if i.Unit == Nanoseconds {
		return sign + time.Duration(n).String()
	}
	return sign + strconv.FormatInt(n, 10) + string(i.Unit)
}
