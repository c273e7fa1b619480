package mongodb

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lockproof/lockproof/lock"
)

// Fields of a document.
const (
	fieldID       = "_id"
	fieldRevision = "revision"
	fieldValue    = "value"
)

const (
	// maxKey is in bytes. MongoDB itself sets no limit since release 4.2; 1024 is
	// what an indexed value could have before.
	maxKey = 1024
	// maxDocument is in bytes of BSON. A server takes 16 MiB (maxBsonObjectSize);
	// the rest is for the command around it, which some servers count.
	maxDocument = 16<<20 - 16<<10
	// lifeLength and writeLength are those of the random parts of a revision: 65
	// bits, compared only for waits, and over 128.
	lifeLength  = 13
	writeLength = 26
)

// checkKey refuses what cannot be an _id. One that is not UTF-8 is no string in
// BSON.
func checkKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: the key is empty", lock.ErrRefused)
	case len(key) > maxKey:
		return fmt.Errorf("%w: the key has %d bytes, more than %d", lock.ErrRefused, len(key), maxKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: the key is not valid UTF-8", lock.ErrRefused)
	}
	return nil
}

// revision names one version of one document; as text "life-count-write".
type revision struct {
	life  string // drawn when the document is made
	count uint64 // writes of this life, this one included
	write string // drawn for each write
}

func firstRevision() revision {
	return revision{life: rand.Text()[:lifeLength], count: 1, write: rand.Text()}
}

// next is for a write that succeeds only if r is current.
func (r revision) next() revision {
	return revision{life: r.life, count: r.count + 1, write: rand.Text()}
}

func (r revision) String() string {
	return r.life + "-" + strconv.FormatUint(r.count, 10) + "-" + r.write
}

// supersedes reports whether r surely came after other, and whether that can be
// told at all: only within one life of the document.
func (r revision) supersedes(other revision) (newer, known bool) {
	return r.count > other.count, r.life != "" && r.life == other.life
}

// parseRevision takes only what String gives.
func parseRevision(s string) (revision, error) {
	life, rest, _ := strings.Cut(s, "-")
	count, write, _ := strings.Cut(rest, "-")
	n, err := strconv.ParseUint(count, 10, 64)
	r := revision{life, n, write}
	if err != nil || n == 0 || n+1 == 0 || len(life) != lifeLength || len(write) != writeLength || !alphanumeric(life+write) || r.String() != s {
		return revision{}, fmt.Errorf("%w: %q is not a revision of this store", lock.ErrRefused, shorten(s))
	}
	return r, nil
}

// alphanumeric: rand.Text uses upper case letters and digits.
func alphanumeric(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// version is a document as read.
type version struct {
	revision revision // zero: there is no document
	value    []byte
}

func (v version) exists() bool { return v.revision.count > 0 }

// name is the revision as the contract has it; "" if there is no document.
func (v version) name() lock.Revision {
	if !v.exists() {
		return ""
	}
	return lock.Revision(v.revision.String())
}

func (v version) record() lock.Record {
	return lock.Record{Value: bytes.Clone(v.value), Revision: v.name()}
}

func encode(key string, r revision, value []byte) bson.D {
	d := bson.D{{Key: fieldID, Value: key}, {Key: fieldRevision, Value: r.String()}}
	if utf8.Valid(value) {
		return append(d, bson.E{Key: fieldValue, Value: string(value)})
	}
	return append(d, bson.E{Key: fieldValue, Value: bson.Binary{Data: value}})
}

// checkSize refuses a document that no server would take.
func checkSize(document bson.D) error {
	encoded, err := bson.Marshal(document)
	if err != nil {
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
	}
	if len(encoded) > maxDocument {
		return fmt.Errorf("%w: the document would have %d bytes, more than %d", lock.ErrRefused, len(encoded), maxDocument)
	}
	return nil
}

// isRevision is the filter for one version of one document.
func isRevision(key string, old lock.Revision) bson.D {
	return bson.D{{Key: fieldID, Value: key}, {Key: fieldRevision, Value: string(old)}}
}

var errForeign = fmt.Errorf("%w: the document was written by something else: it needs a string %q as this store writes it, and a string or binary %q; delete it, or use another key or collection",
	lock.ErrRefused, fieldRevision, fieldValue)

// decode reads a document. One that was not written by a Store is refused:
// nothing is known of what it protects.
func decode(document bson.Raw) (version, error) {
	if document.Validate() != nil {
		return version{}, errForeign
	}
	text, ok := document.Lookup(fieldRevision).StringValueOK()
	if !ok {
		return version{}, errForeign
	}
	r, err := parseRevision(text)
	if err != nil {
		return version{}, errForeign
	}
	value := document.Lookup(fieldValue)
	if s, ok := value.StringValueOK(); ok {
		return version{r, []byte(s)}, nil
	}
	if _, data, ok := value.BinaryOK(); ok {
		return version{r, bytes.Clone(data)}, nil
	}
	return version{}, errForeign
}
