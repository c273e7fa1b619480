package jepsen

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The values of EDN that a history is made of: nil, bool, int64, float64, string,
// keyword, symbol, list (also for vectors and sets) and table. What a tag stands
// before is read as if the tag were not there.
type (
	keyword string
	symbol  string
	list    []any
	table   map[any]any
)

// deepest bounds how far values may lie within each other.
const deepest = 100

// errEnd: the input ended where a value could have begun.
var errEnd = errors.New("the file ends")

// closing is a bracket that closes, where a value could have begun.
type closing byte

// reader reads one value after the other. See https://github.com/edn-format/edn.
type reader struct {
	in   *bufio.Reader
	line int // of the next character, from 1
}

func newReader(in io.Reader) *reader { return &reader{in: bufio.NewReaderSize(in, 64<<10), line: 1} }

// errorf says where.
func (r *reader) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{r.line}, args...)...)
}

func (r *reader) next() (byte, error) {
	c, err := r.in.ReadByte()
	if c == '\n' && err == nil {
		r.line++
	}
	return c, err
}

func (r *reader) back(c byte) {
	if c == '\n' {
		r.line--
	}
	_ = r.in.UnreadByte() // a byte was read just now
}

// value returns the next value, errEnd, or what is wrong with it.
func (r *reader) value(depth int) (any, error) {
	v, err := r.any(depth)
	if b, ok := v.(closing); ok && err == nil {
		return nil, r.errorf("%q closes nothing", string(b))
	}
	return v, err
}

func (r *reader) any(depth int) (any, error) {
	if depth > deepest {
		return nil, r.errorf("more than %d brackets within each other", deepest)
	}
	c, err := r.skip()
	if err != nil {
		return nil, err
	}
	switch c {
	case '{':
		return r.table(depth + 1)
	case '[':
		return r.list(']', depth+1)
	case '(':
		return r.list(')', depth+1)
	case ']', ')', '}':
		return closing(c), nil
	case '"':
		return r.text()
	case '#':
		return r.dispatch(depth)
	case '\\':
		word, err := r.word()
		return word, err
	}
	r.back(c)
	word, err := r.word()
	if err != nil {
		return nil, err
	}
	return r.atom(word)
}

// skip returns the first character that is neither space nor comment.
func (r *reader) skip() (byte, error) {
	for {
		c, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			return 0, errEnd
		case err != nil:
			return 0, err
		case c == ';':
			for c != '\n' && err == nil {
				c, err = r.next()
			}
		case c != ',' && c > ' ':
			return c, nil
		}
	}
}

// dispatch reads what follows a #: a set, a value to be left out, or a tag.
func (r *reader) dispatch(depth int) (any, error) {
	c, err := r.next()
	switch {
	case err != nil:
		return nil, r.errorf("the file ends after #")
	case c == '{':
		return r.list('}', depth+1)
	case c == '_':
		if _, err := r.inner(depth + 1); err != nil {
			return nil, err
		}
		return r.any(depth + 1)
	case c == '#': // ##Inf, ##NaN
		return r.inner(depth + 1)
	}
	r.back(c)
	if _, err := r.word(); err != nil {
		return nil, err
	}
	return r.inner(depth + 1)
}

// inner is a value that has to be there.
func (r *reader) inner(depth int) (any, error) {
	v, err := r.value(depth)
	if errors.Is(err, errEnd) {
		return nil, r.errorf("the file ends inside a value: it was cut")
	}
	return v, err
}

func (r *reader) list(end byte, depth int) (list, error) {
	l := list{}
	for {
		v, err := r.any(depth)
		switch b, closes := v.(closing); {
		case errors.Is(err, errEnd):
			return nil, r.errorf("the file ends before %q: it was cut", string(end))
		case err != nil:
			return nil, err
		case closes && byte(b) == end:
			return l, nil
		case closes:
			return nil, r.errorf("%q where %q was to come", string(b), string(end))
		}
		l = append(l, v)
	}
}

func (r *reader) table(depth int) (table, error) {
	l, err := r.list('}', depth)
	if err != nil {
		return nil, err
	}
	if len(l)%2 != 0 {
		return nil, r.errorf("a map with a key and no value")
	}
	t := table{}
	for i := 0; i < len(l); i += 2 {
		switch l[i].(type) {
		case list, table:
			continue // no key of an operation
		}
		t[l[i]] = l[i+1]
	}
	return t, nil
}

func (r *reader) text() (string, error) {
	var b strings.Builder
	for {
		c, err := r.next()
		if err != nil {
			return "", r.errorf("the file ends inside a string: it was cut")
		}
		switch c {
		case '"':
			return b.String(), nil
		case '\\':
			if c, err = r.next(); err != nil {
				return "", r.errorf("the file ends inside a string: it was cut")
			}
			switch c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			case 'r':
				c = '\r'
			}
		}
		b.WriteByte(c)
	}
}

// word reads up to what cannot be part of a number, a keyword or a symbol.
func (r *reader) word() (string, error) {
	var b strings.Builder
	for {
		c, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if c <= ' ' || strings.IndexByte(`,;"()[]{}`, c) >= 0 {
			r.back(c)
			break
		}
		b.WriteByte(c)
	}
	if b.Len() == 0 {
		return "", r.errorf("a character that begins no value")
	}
	return b.String(), nil
}

func (r *reader) atom(word string) (any, error) {
	switch word {
	case "nil":
		return nil, nil
	case "true", "false":
		return word == "true", nil
	}
	if word[0] == ':' {
		return keyword(word[1:]), nil
	}
	if n, err := strconv.ParseInt(strings.TrimSuffix(word, "N"), 10, 64); err == nil {
		return n, nil
	}
	if f, err := strconv.ParseFloat(strings.TrimSuffix(word, "M"), 64); err == nil {
		return f, nil
	}
	if c := word[0]; c >= '0' && c <= '9' {
		return nil, r.errorf("%q is no number", word)
	}
	return symbol(word), nil
}
