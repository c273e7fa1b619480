// Package figures keeps the figures of documents to what was measured. A figure
// stands between two comments that say where it comes from:
//
//	<!-- figure FILE PATH FORMAT -->1.23 [1.21, 1.25]<!-- /figure -->
//
// FILE is a JSON file, from the root of the repository. PATH picks a value in it:
// names of fields between dots, and in brackets an element of a list, by its
// number or by its "name", "key" or "share":
//
//	cells[nats/reacquire].metrics[acquire/CAS].value
//	cells[nats/crash].distributions[failover].quantiles[0.5]
//
// FORMAT is one of:
//
//	number    three digits that count: 1.23, 12,346
//	count     a whole number: 12,346
//	percent   a share of 1: 97 %
//	yearly    a rate of an hour, in a year: 11.3
//	time      nanoseconds: 858 µs
//	text      a text as it is
//
// Of an object with value, low and high, number and time write the value and the
// interval, if there is one; with "value" after PATH, the value alone.
//
//	<!-- table FILE peers -->...<!-- /table -->
//
// is a table of the ratios of a comparison with other locks. Between
//
//	<!-- measured -->...<!-- /measured -->
//
// every figure must have its comment: a number with a decimal point or a unit that
// stands there without is an error. What was not measured but chosen, such as a
// setting, stands in `code`, and what a command printed that leaves no file stands
// in <!-- by-command -->...<!-- /by-command -->.
//
// What stands in a block of code is an example.
//
// Update puts the present values between the comments, and reports what cannot be
// found. It reads files below one folder and nothing else.
package figures

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

var (
	fence  = regexp.MustCompile("(?ms)^```.*?\n```")
	figure = regexp.MustCompile(`(?s)<!-- figure (.*?) -->(.*?)<!-- /figure -->`)
	table  = regexp.MustCompile(`(?s)<!-- table (.*?) -->(.*?)<!-- /table -->`)
	marks  = regexp.MustCompile(`<!-- /?(figure|table|measured|by-command)\b`)
)

// Update returns text with all figures as the files of root have them now. The
// error has everything that is wrong, and text is as far as it goes.
func Update(root fs.FS, text string) (string, error) {
	d := &document{root: root, files: make(map[string]any)}
	var blocks []string // of code: examples, and no figures
	text = fence.ReplaceAllStringFunc(text, func(block string) string {
		blocks = append(blocks, block)
		return fmt.Sprintf("\x00%d\x00", len(blocks)-1)
	})
	d.balanced(text)
	text = figure.ReplaceAllStringFunc(text, func(whole string) string {
		parts := figure.FindStringSubmatch(whole)
		written, err := d.figure(parts[1])
		if err != nil {
			d.wrong(parts[1], err)
			return whole
		}
		return "<!-- figure " + parts[1] + " -->" + written + "<!-- /figure -->"
	})
	text = table.ReplaceAllStringFunc(text, func(whole string) string {
		parts := table.FindStringSubmatch(whole)
		written, err := d.table(parts[1])
		if err != nil {
			d.wrong(parts[1], err)
			return whole
		}
		return "<!-- table " + parts[1] + " -->\n" + written + "<!-- /table -->"
	})
	d.unmarked(text)
	for i, block := range blocks {
		text = strings.Replace(text, fmt.Sprintf("\x00%d\x00", i), block, 1)
	}
	return text, errors.Join(d.errs...)
}

type document struct {
	root  fs.FS
	files map[string]any // as they were decoded
	errs  []error
}

func (d *document) wrong(what string, err error) {
	d.errs = append(d.errs, fmt.Errorf("%s: %w", what, err))
}

// balanced refuses comments that are not closed, which would pass for text.
func (d *document) balanced(text string) {
	open := make(map[string]int)
	for _, m := range marks.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[0], "/") {
			open[m[1]]--
		} else {
			open[m[1]]++
		}
		if n := open[m[1]]; n < 0 || n > 1 {
			d.wrong(m[0], errors.New("opened twice, or closed without being opened"))
			return
		}
	}
	for name, n := range open {
		if n != 0 {
			d.wrong(name, errors.New("opened and not closed"))
		}
	}
}

// figure writes what a comment asks for.
func (d *document) figure(directive string) (string, error) {
	words := strings.Fields(directive)
	if len(words) < 3 {
		return "", errors.New("not of the form FILE PATH FORMAT")
	}
	file, format := words[0], words[len(words)-1]
	path := strings.Join(words[1:len(words)-1], " ") // names may have spaces
	v, err := d.decoded(file)
	if err != nil {
		return "", err
	}
	if v, err = pick(v, path); err != nil {
		return "", err
	}
	return written(v, format)
}

func (d *document) decoded(file string) (any, error) {
	if v, ok := d.files[file]; ok {
		return v, nil
	}
	b, err := fs.ReadFile(d.root, file)
	if err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	d.files[file] = v
	return v, nil
}

// bare finds numbers with a decimal point, a comma between thousands or a unit.
var bare = regexp.MustCompile(`(?:^|[^\w.\-])(\d[\d,]*\.\d+|\d{1,3}(?:,\d{3})+|\d+ ?(?:ns|µs|ms|s|x|%|ops/s)(?:[^\w]|$))`)

// excused is what may have figures without a comment.
var excused = []*regexp.Regexp{
	figure, table, regexp.MustCompile(`(?s)<!-- by-command -->.*?<!-- /by-command -->`), regexp.MustCompile("`[^`\n]*`"),
	regexp.MustCompile(`\]\([^)\n]*\)`), regexp.MustCompile(`(?s)<!--.*?-->`),
}

// unmarked finds figures that nobody vouches for.
func (d *document) unmarked(text string) {
	for _, m := range regexp.MustCompile(`(?s)<!-- measured -->(.*?)<!-- /measured -->`).FindAllStringSubmatch(text, -1) {
		rest := m[1]
		for _, e := range excused {
			rest = e.ReplaceAllString(rest, "‹›")
		}
		for line := range strings.SplitSeq(rest, "\n") {
			for _, found := range bare.FindAllStringSubmatch(line, -1) {
				d.wrong(strings.TrimSpace(line), fmt.Errorf("%q has no comment that says where it comes from", found[1]))
			}
		}
	}
}
