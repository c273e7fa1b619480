package fault

import (
	"errors"
	"fmt"
	"strings"
)

// The words that ParseKinds takes besides kinds and groups.
const (
	wordAll  = "all"
	wordNone = "none"
)

// ParseKinds reads a choice of kinds as people write it on a command line: "none",
// or a list, separated by commas, of kinds, of groups ("clock", "network",
// "process", "store") and of "all". Each kind is returned once, in the order of
// [Kinds].
//
// "all" and the groups stand for the kinds that a lock's promises cover. What
// lies beyond must be named itself, as in "all,lost-write", so that nobody is
// told of a violation that no lock could have avoided.
func ParseKinds(s string) ([]Kind, error) {
	if strings.TrimSpace(s) == wordNone {
		return nil, nil
	}
	var words []string
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		if word == wordNone {
			return nil, errors.New(`fault "none" stands alone, without others beside it`)
		}
		if !accepted(word) {
			return nil, unknownWord(word)
		}
		words = append(words, word)
	}
	var kinds []Kind
	for _, info := range table {
		for _, word := range words {
			if info.matches(word) {
				kinds = append(kinds, info.Kind)
				break
			}
		}
	}
	return kinds, nil
}

// matches says whether a word of a choice stands for the kind.
func (i Info) matches(word string) bool {
	if word == string(i.Kind) {
		return true
	}
	return i.Covered && (word == wordAll || word == string(i.Group))
}

// vocabulary returns every word that ParseKinds takes.
func vocabulary() []string {
	words := []string{wordAll, wordNone}
	for _, g := range Groups() {
		words = append(words, string(g))
	}
	for _, k := range Kinds() {
		words = append(words, string(k))
	}
	return words
}

func accepted(word string) bool {
	for _, w := range vocabulary() {
		if w == word {
			return true
		}
	}
	return false
}

// unknownWord says in one line what was given and what is accepted.
func unknownWord(word string) error {
	hint := ""
	if near := nearest(word, vocabulary()); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("unknown fault %q%s (accepted: %s)", word, hint, strings.Join(vocabulary(), ", "))
}

// unknownKind is unknownWord where only a kind will do.
func unknownKind(k Kind) error {
	var names []string
	for _, known := range Kinds() {
		names = append(names, string(known))
	}
	hint := ""
	if near := nearest(string(k), names); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("unknown kind %q%s (accepted: %s)", k, hint, strings.Join(names, ", "))
}

// nearest returns the word that takes the fewest edits to reach from what was
// given, the first of several, or nothing if none is even half alike.
func nearest(given string, words []string) string {
	const longest = 64 // Nobody misspells a word into more than this.
	if given == "" || len(given) > longest {
		return ""
	}
	best, fewest := "", len(given)/2+1
	for _, word := range words {
		if d := edits(given, word); d < fewest {
			best, fewest = word, d
		}
	}
	return best
}

// edits returns the number of bytes to insert, delete or replace that turns a
// into b (Levenshtein's distance), keeping one row of the table.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
