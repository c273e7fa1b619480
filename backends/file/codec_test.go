package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/lock"
)

func TestFileNames(t *testing.T) {
	for key, want := range map[string]string{
		"team.report":            "team.report.record",
		"team/A":                 "team=2f=41.record",
		".":                      "=2e.record",
		"..":                     "=2e..record",
		"=2f":                    "=3d2f.record",
		"~":                      "=7e.record",
		"é":                      "=c3=a9.record",
		"\x00":                   "=00.record",
		strings.Repeat("n", 136): strings.Repeat("n", 136) + ".record",
	} {
		if got := fileName(key); got != want {
			t.Errorf("%q: %s, want %s", key, got, want)
		}
	}
	if long := fileName(strings.Repeat("n", 137)); len(long) != 60+1+64+7 || !strings.HasPrefix(long, "nnn") {
		t.Error(long)
	}
}

// keyOf is the inverse of fileName. That it exists makes fileName injective.
// For a cut name the key itself is needed, and what is proven is that only a key
// of that hash gives that name.
func keyOf(t *testing.T, name, key string) string {
	name, ok := strings.CutSuffix(name, recordSuffix)
	if !ok {
		t.Fatalf("%q has not the suffix", name)
	}
	if start, sum, cut := strings.Cut(name, "~"); cut {
		want := sha256.Sum256([]byte(key))
		if sum != hex.EncodeToString(want[:]) || len(start) != keptOfLong {
			t.Fatalf("%q does not end in the hash of its key", name)
		}
		return key
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '=' {
			b.WriteByte(name[i])
			continue
		}
		c, err := strconv.ParseUint(name[i+1:i+3], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String()
}

func FuzzFileName(f *testing.F) {
	for _, key := range []string{"a", "A", "a/b", ".", "..", "=", "=2f", "~", "a.record", "\xff", strings.Repeat("é", 100), strings.Repeat("n", 136), strings.Repeat("n", 137)} {
		f.Add(key, key+"x")
	}
	f.Fuzz(func(t *testing.T, key, other string) {
		if key == "" {
			return // no operation takes it
		}
		name := fileName(key)
		if got := keyOf(t, name, key); got != key {
			t.Fatalf("%q became %q, which is %q", key, name, got)
		}
		if len(name) > 143 || strings.ContainsAny(name, "/\\\x00:") || strings.HasPrefix(name, ".") {
			t.Fatalf("%q became %q", key, name)
		}
		if key != other && strings.EqualFold(name, fileName(other)) {
			t.Fatalf("%q and %q are both %q", key, other, name)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	whole := encodeRecord("team/report", lock.Record{Value: []byte(`{"token":1}`), Revision: "12"})
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append(whole[:len(whole):len(whole)], 'x'))
	f.Add([]byte("lockproof-record 1 revision 01 bytes 0 crc32c 00000000 key \"\"\n"))
	f.Add([]byte("lockproof-record 2 anything"))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, record, err := decodeRecord(data)
		if err == nil && !bytes.Equal(encodeRecord(key, record), data) {
			t.Fatalf("%q was taken for %q, %+v", data, key, record)
		}
	})
}

func FuzzRecordRoundTrip(f *testing.F) {
	f.Add("k", []byte("v"), uint64(1), 3, byte(1))
	f.Add("\x00\n\" \xff", []byte("\n\n"), uint64(1)<<63, 0, byte(0x80))
	f.Fuzz(func(t *testing.T, key string, value []byte, revision uint64, at int, flip byte) {
		if revision == 0 {
			return
		}
		data := encodeRecord(key, lock.Record{Value: value, Revision: formatRevision(revision)})
		gotKey, record, err := decodeRecord(data)
		if err != nil || gotKey != key || !bytes.Equal(record.Value, value) || record.Revision != formatRevision(revision) {
			t.Fatalf("%q: got %q, %+v, %v", data, gotKey, record, err)
		}
		if flip == 0 || at < 0 {
			return
		}
		at %= len(data)
		data[at] ^= flip // CRC-32 finds any change within one byte
		if _, _, err := decodeRecord(data); err == nil {
			t.Fatalf("taken although byte %d was changed: %q", at, data)
		}
		if _, _, err := decodeRecord(data[:at]); err == nil {
			t.Fatalf("taken although cut off at %d", at)
		}
	})
}

func FuzzDecodeFloor(f *testing.F) {
	f.Add(encodeFloor(1))
	f.Add([]byte("lockproof-floor 1 revision 0\n"))
	f.Add([]byte("lockproof-floor 9 x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if floor, err := decodeFloor(data); err == nil && (floor == 0 || !bytes.Equal(encodeFloor(floor), data)) {
			t.Fatalf("%q was taken for %d", data, floor)
		}
	})
}
