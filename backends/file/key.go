package file

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	recordSuffix = ".record"
	lockName     = ".lockproof-lock"
	floorName    = ".lockproof-floor"
	tempPrefix   = ".lockproof-temp-"

	// maxPlain is the length of the longest encoded key that is a file name as
	// it is. With the suffix it makes 143 bytes, which is the shortest limit of
	// a file system in use (eCryptfs); most take 255.
	maxPlain = 143 - len(recordSuffix)
	// keptOfLong is how much of a longer one stays readable.
	keptOfLong = 60
)

const hexDigits = "0123456789abcdef"

// fileName maps a key to the name of its file, without collisions: lower-case
// letters, digits, "-" and "_" stand for themselves; so does a dot that is not
// the first character; every other byte is "=" and two hexadecimal digits. So
// "team.report" is team.report.record, and "team/A" is team=2f=41.record.
// Capital letters are encoded because some file systems take them for small
// ones.
//
// A name that would be too long is cut, and ends in "~" and the SHA-256 of the
// key. The record inside has the whole key, so that even two keys of one hash
// would end in a refusal.
func fileName(key string) string {
	var b strings.Builder
	b.Grow(len(key) + len(recordSuffix))
	for i := range len(key) {
		c := key[i]
		if stands(c) || c == '.' && i > 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('=')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&0xf])
	}
	name := b.String()
	if len(name) > maxPlain {
		sum := sha256.Sum256([]byte(key))
		name = name[:keptOfLong] + "~" + hex.EncodeToString(sum[:])
	}
	return name + recordSuffix
}

// stands reports whether c stands for itself anywhere in a key.
func stands(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
