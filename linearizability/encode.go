package linearizability

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// Schema names the format of a history file.
const Schema = "lockproof.history/v1"

type headerJSON struct {
	Schema string `json:"schema"`
	// Events is how many lines follow, so that a cut file is noticed.
	Events *int `json:"events,omitempty"`
	paramsJSON
}

// Write writes a history as JSON lines: a header with p, then one event per
// line. A detail that is not UTF-8 is replaced, as JSON cannot carry it; a lock whose
// name is not is refused, as it might become another.
func Write(w io.Writer, p Params, h History) error {
	n := len(h)
	header, err := json.Marshal(headerJSON{Schema: Schema, Events: &n, paramsJSON: p.toJSON()})
	if err != nil {
		return fmt.Errorf("history header: %w", err)
	}
	bw := bufio.NewWriterSize(w, 64<<10)
	bw.Write(append(header, '\n'))
	line := make([]byte, 0, 512)
	for i := range h {
		if !utf8.ValidString(h[i].Lock) {
			return fmt.Errorf("history line %d: the lock's name is not UTF-8: %q", i+2, h[i].Lock)
		}
		line = append(appendEvent(line[:0], &h[i]), '\n')
		if _, err := bw.Write(line); err != nil {
			return fmt.Errorf("history line %d: %w", i+2, err)
		}
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// appendEvent appends e as one JSON object. Fields that are zero are left out,
// other than the four that every reader looks for.
func appendEvent(b []byte, e *Event) []byte {
	b = append(b, `{"at":`...)
	b = strconv.AppendInt(b, e.At, 10)
	b = append(b, `,"client":`...)
	b = strconv.AppendInt(b, int64(e.Client), 10)
	b = append(b, `,"process":`...)
	b = strconv.AppendInt(b, int64(e.Process), 10)
	b = append(b, `,"op":"`...)
	b = append(b, e.Op.String()...)
	b = append(b, `","phase":"`...)
	b = append(b, e.Phase.String()...)
	b = append(b, '"')
	if e.Lock != "" {
		b = append(b, `,"lock":`...)
		b = appendText(b, e.Lock)
	}
	if e.Mode == Shared {
		b = append(b, `,"mode":"shared"`...)
	}
	if e.Token != 0 {
		b = append(b, `,"token":`...)
		b = strconv.AppendUint(b, e.Token, 10)
	}
	b = appendNumber(b, `,"grant":`, e.Grant)
	b = appendNumber(b, `,"holder":`, int64(e.Holder))
	b = appendNumber(b, `,"since":`, e.Since)
	b = appendNumber(b, `,"until":`, e.Until)
	if e.Fenced {
		b = append(b, `,"fenced":true`...)
	}
	b = appendNumber(b, `,"value":`, e.Value)
	b = appendNumber(b, `,"requests":`, int64(e.Requests))
	if e.Refused {
		b = append(b, `,"refused":true`...)
	}
	if e.Held {
		b = append(b, `,"held":true`...)
	}
	if e.Try {
		b = append(b, `,"try":true`...)
	}
	if e.Renews {
		b = append(b, `,"renews":true`...)
	}
	if e.Detail != "" {
		b = append(b, `,"detail":`...)
		b = appendText(b, e.Detail)
	}
	return append(b, '}')
}

func appendNumber(b []byte, key string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, key...), n, 10)
}

// appendText appends s as a JSON string.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r < ' ' || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
