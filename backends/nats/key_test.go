package nats

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockproof/lockproof/lock"
)

// validKey is what the client library takes for a key (jetstream/kv.go).
var validKey = regexp.MustCompile(`^[-/_=\.a-zA-Z0-9]+$`)

func valid(encoded string) bool {
	return validKey.MatchString(encoded) && encoded[0] != '.' && encoded[len(encoded)-1] != '.' && !strings.Contains(encoded, "..")
}

// decode undoes encodeKey. That it can is why no two keys collide.
func decode(t interface{ Fatalf(string, ...any) }, encoded string) string {
	var b strings.Builder
	for i := 0; i < len(encoded); i++ {
		if encoded[i] != '=' {
			b.WriteByte(encoded[i])
			continue
		}
		if i+2 >= len(encoded) {
			t.Fatalf("%q ends within an escape", encoded)
		}
		c, err := strconv.ParseUint(encoded[i+1:i+3], 16, 8)
		if err != nil {
			t.Fatalf("%q has a bad escape: %v", encoded, err)
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String()
}

func TestEncodedKeysAreAsDocumented(t *testing.T) {
	for key, want := range map[string]string{
		"team/report": "team/report",
		"a.b":         "a.b",
		"a b":         "a=20b",
		".a":          "=2Ea",
		"a.":          "a=2E",
		"a..b":        "a.=2Eb",
		"..":          "=2E=2E",
		"=2E":         "=3D2E",
		"*":           "=2A",
		">":           "=3E",
		"$":           "=24",
		"é":           "=C3=A9",
		"a\x00b":      "a=00b",
	} {
		if got, err := encodeKey(key); err != nil || got != want {
			t.Errorf("key %q: %q, %v; want %q", key, got, err, want)
		}
	}
}

func TestEncodedKeysHaveABoundedLength(t *testing.T) {
	for _, key := range []string{"", strings.Repeat("a", maxEncodedKey+1), strings.Repeat(" ", maxEncodedKey/3+1)} {
		if _, err := encodeKey(key); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("key of %d bytes: %v", len(key), err)
		}
	}
	if _, err := encodeKey(strings.Repeat("a", maxEncodedKey)); err != nil {
		t.Error(err)
	}
}

// encodable checks one key: what comes out is valid and says what went in.
func encodable(t interface{ Fatalf(string, ...any) }, key string) {
	encoded, err := encodeKey(key)
	if err != nil {
		if key != "" && 3*len(key) <= maxEncodedKey || !errors.Is(err, lock.ErrRefused) {
			t.Fatalf("key %q: %v", key, err)
		}
		return
	}
	if !valid(encoded) {
		t.Fatalf("key %q becomes %q, which is not a valid key", key, encoded)
	}
	if back := decode(t, encoded); back != key {
		t.Fatalf("key %q becomes %q, which means %q", key, encoded, back)
	}
}

func TestKeysNeverCollide(t *testing.T) {
	alphabet := []rune("aA0.=-_/ *>$é2E")
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.StringOfN(rapid.SampledFrom(alphabet), 1, 12, -1).Draw(t, "first")
		second := rapid.StringOfN(rapid.SampledFrom(alphabet), 1, 12, -1).Draw(t, "second")
		encodable(t, first)
		encodable(t, second)
		a, _ := encodeKey(first)
		b, _ := encodeKey(second)
		if (a == b) != (first == second) {
			t.Fatalf("%q and %q become %q and %q", first, second, a, b)
		}
	})
}

func FuzzEncodeKey(f *testing.F) {
	for _, key := range []string{"", "a", "a.b", "..", "=", "é", "\x00", "$KV.>"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) { encodable(t, key) })
}
