package docstore

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lockproof/lockproof/lock"
)

func TestDocumentNames(t *testing.T) {
	for key, want := range map[string]string{
		"my report": "my report", "日本/🔒": "日本%2F🔒", "%2F": "%252F", ".": "%2E", "..": "%2E.", "...": "...", ".a": ".a",
		"__": "%5F_", "__a": "%5F_a", "_a_": "_a_", "a__": "a__", "a\x00\n\x7f": "a%00%0A%7F", "\xff": "%FF", "\ufffd": "\ufffd",
	} {
		if got, err := documentName(key); err != nil || got != want {
			t.Errorf("%q is mapped to %q, want %q (%v)", key, got, want, err)
		}
	}
}

// A name leads back to its key, so no two keys share one, and Firestore, the
// strictest, takes it.
func FuzzDocumentName(f *testing.F) {
	for _, key := range []string{"", "a/b", "%2F", ".", "..", "__id7__", "\xff\xfe", "é\u0301", "\x00", strings.Repeat("/", 600)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		name, err := documentName(key)
		if err != nil {
			if !errors.Is(err, lock.ErrRefused) || key != "" && 3*len(key) <= maxName {
				t.Fatalf("%q: %v", key, err)
			}
			return
		}
		if back, err := url.PathUnescape(name); err != nil || back != key {
			t.Fatalf("%q is mapped to %q, which leads back to %q (%v)", key, name, back, err)
		}
		reserved := strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__")
		if name == "" || name == "." || name == ".." || reserved || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, '/') {
			t.Fatalf("%q is mapped to %q", key, name)
		}
	})
}
