package nats

import (
	"fmt"
	"strings"

	"github.com/lockproof/lockproof/lock"
)

// maxEncodedKey is the length of the longest encoded key, in bytes. A server
// takes 4096 bytes for a whole protocol line by default, which holds two
// subjects.
const maxEncodedKey = 1024

const hexDigits = "0123456789ABCDEF"

// encodeKey maps a key to what NATS allows in key-value keys, without
// collisions: letters, digits, "-", "_" and "/" stand for themselves; so does a
// dot between two other characters; every other byte is "=" and two hexadecimal
// digits. So "team/report" stays as it is, and "a b" is "a=20b".
//
// A dot separates tokens for wildcards and permissions, and must not be first,
// last or next to another: there it is encoded like any other byte.
func encodeKey(key string) (string, error) {
	if key == "" {
		return "", fmt.Errorf("%w: the key is empty", lock.ErrRefused)
	}
	var b strings.Builder
	b.Grow(len(key))
	for i := range len(key) {
		c := key[i]
		if stands(c) || c == '.' && i > 0 && i < len(key)-1 && key[i-1] != '.' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('=')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&0xF])
	}
	if b.Len() > maxEncodedKey {
		return "", fmt.Errorf("%w: the key takes %d bytes once encoded, more than %d", lock.ErrRefused, b.Len(), maxEncodedKey)
	}
	return b.String(), nil
}

// stands reports whether c stands for itself anywhere in a key.
func stands(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '/'
}
