package linearizability

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// strictJSON decodes one object with known fields only, each once, and nothing after
// it.
func strictJSON(line []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("not a complete JSON object")
		}
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return checkKeys(json.NewDecoder(bytes.NewReader(line)))
}

// checkKeys refuses an object that has a key twice, of which encoding/json would take
// the last. To it the case of a key makes no difference, so it makes none here.
func checkKeys(dec *json.Decoder) error {
	type level struct {
		keys   map[string]bool // nil in a list
		inside bool            // a key was read, and its value is next
	}
	var levels []level
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		top := len(levels) - 1
		if key, isText := token.(string); isText && top >= 0 && levels[top].keys != nil && !levels[top].inside {
			folded := strings.ToLower(strings.ToUpper(key))
			if levels[top].keys[folded] {
				return fmt.Errorf("%q stands there twice", key)
			}
			levels[top].keys[folded], levels[top].inside = true, true
			continue
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{keys: map[string]bool{}})
			continue
		case json.Delim('['):
			levels = append(levels, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:top]
			top--
		}
		if top >= 0 {
			levels[top].inside = false
		}
	}
}

// lockName is a name in JSON. Bytes that are no text, which encoding/json replaces,
// would make two names one.
type lockName string

func (n *lockName) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	switch {
	case !utf8.Valid(b):
		return fmt.Errorf("the lock's name is not UTF-8: %q", b)
	case loneSurrogate(b):
		return fmt.Errorf("the lock's name has half a surrogate pair: %s", b)
	}
	*n = lockName(s)
	return nil
}

// loneSurrogate tells whether a JSON string has half a surrogate pair as an escape.
func loneSurrogate(b []byte) bool {
	unit := func(i int) rune {
		if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
			return 0
		}
		n, err := strconv.ParseUint(string(b[i+2:i+6]), 16, 32)
		if err != nil {
			return 0
		}
		return rune(n)
	}
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		if utf16.IsSurrogate(unit(i)) {
			if utf16.DecodeRune(unit(i), unit(i+6)) == utf8.RuneError {
				return true
			}
			i += 6
		}
		i++ // whatever is escaped is no start of an escape
	}
	return false
}
