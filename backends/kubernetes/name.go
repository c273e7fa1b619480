package kubernetes

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"

	"github.com/lockproof/lockproof/lock"
)

const (
	// maxKey is the length of the longest key, in bytes. Every byte may take
	// four in the annotation that keeps it.
	maxKey = 1024
	// maxObjectName is that of an object's name (RFC 1123 subdomain).
	maxObjectName = 253
	// maxAnnotationName is that of the part of an annotation's key behind the
	// slash.
	maxAnnotationName = 63
	// marker stands before the hash in a mapped name.
	marker = "-x-"
	// hashLength is that of 130 bits in base 32.
	hashLength = 26
)

// hashDigits are in order, as lower case letters only: names of objects have no
// others.
const hashDigits = "0123456789abcdefghijklmnopqrstuv"

func checkKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: the key is empty", lock.ErrRefused)
	case len(key) > maxKey:
		return fmt.Errorf("%w: the key has %d bytes, more than %d", lock.ErrRefused, len(key), maxKey)
	}
	return nil
}

// quoteKey writes a key, of any bytes, in printable ASCII, for the annotation
// beside the record.
func quoteKey(key string) string { return strconv.QuoteToASCII(key) }

// objectName maps a key to the name of an object. One that is such a name, and
// does not look like a mapped one, stays as it is; any other becomes a readable
// beginning, "-x-" and a hash of the key. The key is kept beside the record, so
// that two keys of one hash would be noticed.
func objectName(key string) string {
	if len(key) <= maxObjectName && subdomain(key) && !looksMapped(key) {
		return key
	}
	return mapped(key, maxObjectName, lower)
}

// annotationName maps a key to the part of an annotation's key behind the
// slash, as objectName does: upper case letters and "_" are allowed here.
func annotationName(key string) string {
	if len(key) <= maxAnnotationName && qualified(key) && !looksMapped(key) {
		return key
	}
	return mapped(key, maxAnnotationName, alphanumeric)
}

// mapped keeps the characters that stand anywhere, and turns runs of others
// into "-".
func mapped(key string, most int, stands func(byte) bool) string {
	sum := sha256.Sum256([]byte(key))
	hash := base32.NewEncoding(hashDigits).WithPadding(base32.NoPadding).EncodeToString(sum[:])[:hashLength]
	most -= len(marker) + hashLength
	var b strings.Builder
	for i := 0; i < len(key) && b.Len() < most; i++ {
		c := key[i]
		if 'A' <= c && c <= 'Z' && !stands(c) {
			c += 'a' - 'A'
		}
		if stands(c) {
			b.WriteByte(c)
		} else if b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	readable := strings.Trim(b.String(), "-")
	if readable == "" {
		readable = "lock"
	}
	return readable + marker + hash
}

// looksMapped reports whether a name ends as mapped ones do.
func looksMapped(name string) bool {
	at := len(name) - len(marker) - hashLength
	if at < 0 || name[at:at+len(marker)] != marker {
		return false
	}
	return strings.Trim(name[at+len(marker):], hashDigits) == ""
}

// subdomain reports whether s is an RFC 1123 subdomain, but for its length:
// labels of lower case letters, digits and "-" between them, joined by dots.
func subdomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || !lower(label[0]) || !lower(label[len(label)-1]) {
			return false
		}
		for i := range len(label) {
			if !lower(label[i]) && label[i] != '-' {
				return false
			}
		}
	}
	return true
}

// qualified reports whether s is what Kubernetes calls the name of a qualified
// name, but for its length.
func qualified(s string) bool {
	if s == "" || !alphanumeric(s[0]) || !alphanumeric(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.' {
			return false
		}
	}
	return true
}

func lower(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func alphanumeric(c byte) bool { return lower(c) || 'A' <= c && c <= 'Z' }
