package linearizability

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxLine bounds one line of a history file.
const maxLine = 1 << 20

// eventJSON is one line. The names are short and the order is that of reading.
type eventJSON struct {
	At       *int64   `json:"at"`
	Client   *int     `json:"client"`
	Process  *int     `json:"process"`
	Op       string   `json:"op"`
	Phase    string   `json:"phase"`
	Lock     lockName `json:"lock"`
	Mode     string   `json:"mode"`
	Token    uint64   `json:"token"`
	Grant    int64    `json:"grant"`
	Holder   int      `json:"holder"`
	Since    int64    `json:"since"`
	Until    int64    `json:"until"`
	Fenced   bool     `json:"fenced"`
	Value    int64    `json:"value"`
	Requests int32    `json:"requests"`
	Held     bool     `json:"held"`
	Refused  bool     `json:"refused"`
	Try      bool     `json:"try"`
	Renews   bool     `json:"renews"`
	Detail   string   `json:"detail"`
}

// Read reads what Write wrote. Each event is checked by itself; whether they make
// a history is for Validate. An error names the line, counted from 1.
func Read(r io.Reader) (Params, History, error) {
	lines := bufio.NewReaderSize(r, 64<<10)
	first, err := readLine(lines)
	if err != nil {
		return Params{}, nil, lineError(1, err)
	}
	p, header, err := decodeHeader(first)
	if err != nil {
		return Params{}, nil, lineError(1, err)
	}
	d := decoder{}
	var h History
	for n := 2; ; n++ {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Params{}, nil, lineError(n, err)
		}
		e, err := d.event(line)
		if err != nil {
			return Params{}, nil, lineError(n, err)
		}
		h = append(h, e)
	}
	if header.Promises == nil {
		// Before there were promises, a lock that gave its holders an end of validity
		// was taken to promise that they are told of it.
		p.Promises.LossNotice = p.Promises.LossNotice || slices.ContainsFunc(h, func(e Event) bool { return e.Op == OpExpire })
	}
	want := header.Events
	if n := len(h); n > 0 && p.End > 0 && int64(p.End) < h[n-1].At {
		return Params{}, nil, lineError(n+1,
			fmt.Errorf("the event is at %s, after the end that the header gives: %s", exactly(h[n-1].At), exactly(int64(p.End))))
	}
	if want != nil && *want < len(h) {
		return Params{}, nil, lineError(*want+2,
			fmt.Errorf("the header announces %d events and the file has %d", *want, len(h)))
	}
	if want != nil && *want > len(h) {
		return Params{}, nil, lineError(len(h)+1,
			fmt.Errorf("the header announces %d events and the file ends after %d: truncated", *want, len(h)))
	}
	return p, h, nil
}

func lineError(n int, err error) error {
	if errors.Is(err, io.EOF) {
		err = errors.New("empty: no header")
	}
	return fmt.Errorf("history line %d: %w", n, err)
}

// readLine returns the next line without its end. A last line that does not end
// is a file that was cut while it was written.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) && len(long) <= maxLine {
			line, err = r.ReadSlice('\n')
			long = append(long, line...)
		}
		line = long
	}
	if len(line) > maxLine {
		return nil, fmt.Errorf("longer than %d bytes", maxLine)
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		return nil, errors.New("truncated: the file ends inside a line")
	}
	if err != nil {
		return nil, err
	}
	return line[:len(line)-1], nil
}

func decodeHeader(line []byte) (Params, *headerJSON, error) {
	var version struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(line, &version); err != nil {
		return Params{}, nil, fmt.Errorf("not a header: %w", err)
	}
	if version.Schema != Schema {
		return Params{}, nil, fmt.Errorf("schema is %q; this reads %q", version.Schema, Schema)
	}
	var j headerJSON
	if err := strictJSON(line, &j); err != nil {
		return Params{}, nil, err
	}
	if err := j.check(); err != nil {
		return Params{}, nil, err
	}
	p := j.params()
	if err := p.check(); err != nil {
		return Params{}, nil, err
	}
	return p, &j, nil
}

// decoder keeps one copy of each lock name.
type decoder struct {
	names map[string]string
}

func (d *decoder) event(line []byte) (Event, error) {
	e, ok := d.fastEvent(line)
	if !ok {
		var j eventJSON
		if err := strictJSON(line, &j); err != nil {
			return Event{}, err
		}
		var err error
		if e, err = d.fromJSON(&j); err != nil {
			return Event{}, err
		}
	}
	if err := e.check(); err != nil {
		return Event{}, err
	}
	return e, nil
}

func (d *decoder) fromJSON(j *eventJSON) (Event, error) {
	op, ok := opNamed(j.Op)
	if !ok {
		return Event{}, fmt.Errorf("unknown op %q", j.Op)
	}
	phase, ok := phaseNamed(j.Phase)
	if !ok {
		return Event{}, fmt.Errorf("unknown phase %q", j.Phase)
	}
	mode, ok := modeNamed(j.Mode)
	if !ok {
		return Event{}, fmt.Errorf("unknown mode %q", j.Mode)
	}
	if err := j.complete(op); err != nil {
		return Event{}, err
	}
	return Event{
		At: *j.At, Since: j.Since, Until: j.Until, Client: *j.Client, Process: *j.Process, Lock: d.intern(string(j.Lock)),
		Token: j.Token, Grant: j.Grant, Holder: j.Holder, Value: j.Value, Detail: j.Detail,
		Requests: j.Requests, Op: op, Phase: phase, Mode: mode, Fenced: j.Fenced, Held: j.Held, Refused: j.Refused, Try: j.Try, Renews: j.Renews,
	}, nil
}

// complete refuses an event without what only looks as if it were 0. Somebody who
// tampers is no client.
func (j *eventJSON) complete(op Op) error {
	zero := 0
	if op == OpTamper && j.Client == nil && j.Process == nil {
		j.Client, j.Process = &zero, &zero
	}
	switch {
	case j.At == nil:
		return errors.New("at is missing")
	case j.Client == nil:
		return errors.New("client is missing")
	case j.Process == nil:
		return errors.New("process is missing")
	}
	return nil
}

func (d *decoder) intern(s string) string {
	if known, ok := d.names[s]; ok {
		return known
	}
	if d.names == nil {
		d.names = map[string]string{}
	}
	d.names[s] = s
	return s
}

func opNamed(s string) (Op, bool) {
	for i := OpAcquire; int(i) < len(opNames); i++ {
		if opNames[i] == s {
			return i, true
		}
	}
	return OpInvalid, false
}

func phaseNamed(s string) (Phase, bool) {
	for i := Invoke; int(i) < len(phaseNames); i++ {
		if phaseNames[i] == s {
			return i, true
		}
	}
	return PhaseInvalid, false
}

func modeNamed(s string) (Mode, bool) {
	switch s {
	case "", "exclusive":
		return Exclusive, true
	case "shared":
		return Shared, true
	}
	return Exclusive, false
}
