package kubernetes

import (
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestNamesStayReadable(t *testing.T) {
	for key, want := range map[string]string{
		"report":         "report",
		"team.report-2":  "team.report-2",
		"Team/Report":    "team-report-x-",
		"/":              "lock-x-",
		"a..b":           "a-b-x-",
		"日本":             "lock-x-",
		"-a-":            "a-x-",
		mappedOf("x"):    "x-x-",
		"a-x-0123456789": "a-x-0123456789",
	} {
		if got := objectName(key); got != want && (!strings.HasSuffix(want, marker) || !strings.HasPrefix(got, want)) {
			t.Errorf("%q became the object %q, want %q", key, got, want)
		}
	}
	if got := annotationName("Team_Report"); got != "Team_Report" {
		t.Errorf("an annotation keeps upper case: %q", got)
	}
	if got := annotationName("Team/Report"); !strings.HasPrefix(got, "Team-Report-x-") {
		t.Errorf("an annotation keeps upper case in what it must map: %q", got)
	}
}

// mappedOf is a key that looks like the mapped name of another.
func mappedOf(key string) string { return objectName(key + "/") }

func FuzzNames(f *testing.F) {
	for _, key := range []string{"a", "A", "a/b", "a.b", ".", "..", "a..b", "-", "é", "\xff", "a\x00", strings.Repeat("n", 300), "lock" + marker + strings.Repeat("0", hashLength)} {
		f.Add(key, key+"/")
		f.Add(key, mappedOf(key))
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		for _, mapping := range []func(string) string{objectName, annotationName} {
			if one != two && mapping(one) == mapping(two) {
				t.Errorf("%q and %q are both %q", one, two, mapping(one))
			}
		}
		if one == "" {
			return
		}
		if problems := validation.IsDNS1123Subdomain(objectName(one)); len(problems) > 0 {
			t.Errorf("object %q for %q: %v", objectName(one), one, problems)
		}
		for _, prefix := range []string{prefixRecord, prefixRevision} {
			if problems := validation.IsQualifiedName(prefix + annotationName(one)); len(problems) > 0 {
				t.Errorf("annotation %q for %q: %v", annotationName(one), one, problems)
			}
		}
		if back, err := strconv.Unquote(quoteKey(one)); err == nil && back != one && strings.ToValidUTF8(one, "") == one {
			t.Errorf("%q is kept as %q", one, quoteKey(one))
		}
	})
}
