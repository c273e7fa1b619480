package docstore

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/lockproof/lockproof/lock"
)

// Fields of a document, besides its key and revision.
const (
	fieldValue   = "Value"
	fieldVersion = "Version"
	fieldDeleted = "Deleted"
)

// maxName is the limit of Firestore, in bytes, which is the lowest; DynamoDB
// takes 2048. Source: "Usage and limits" in Firestore's documentation.
const maxName = 1500

const hexDigits = "0123456789ABCDEF"

// documentName maps a key to the name of its document, so that different keys
// have different names, and Firestore takes all of them: a document's name there
// is UTF-8, has no slash, is neither "." nor "..", and does not begin and end
// with two underscores. A key that is none of that, and has no percent sign or
// control character, stays as it is. All else is written as in a URL.
func documentName(key string) (string, error) {
	if key == "" {
		return "", fmt.Errorf("%w: the key is empty", lock.ErrRefused)
	}
	var name strings.Builder
	for i := 0; i < len(key); {
		r, size := utf8.DecodeRuneInString(key[i:])
		invalid := r == utf8.RuneError && size == 1
		first := i == 0 && (key == "." || key == ".." || strings.HasPrefix(key, "__"))
		if invalid || first || r < ' ' || r == 0x7f || r == '/' || r == '%' {
			name.Write([]byte{'%', hexDigits[key[i]>>4], hexDigits[key[i]&15]})
		} else {
			name.WriteString(key[i : i+size])
		}
		i += size
	}
	if name.Len() > maxName {
		return "", fmt.Errorf("%w: the key takes %d bytes as a document's name, more than %d", lock.ErrRefused, name.Len(), maxName)
	}
	return name.String(), nil
}

// request is a document with what a driver needs to find it. The revision field
// is there, and nil, for drivers set it only if it is.
func (s *Store) request(name string) map[string]any {
	doc := make(map[string]any, 5+len(s.config.Fields))
	maps.Copy(doc, s.config.Fields)
	doc[s.config.KeyField] = name
	doc[s.config.RevisionField] = nil
	return doc
}

// document is a new version of a document. A value that is UTF-8 is kept as a
// string, so that consoles show it.
func (s *Store) document(name string, value []byte) map[string]any {
	doc := s.request(name)
	doc[fieldVersion] = newVersion()
	if len(value) > 0 && utf8.Valid(value) {
		doc[fieldValue] = string(value)
	} else {
		doc[fieldValue] = append([]byte{}, value...) // the in-memory driver keeps it
	}
	return doc
}

// mark is what stands for a document that was deleted.
func (s *Store) mark(name string) map[string]any {
	doc := s.request(name)
	doc[fieldVersion] = newVersion()
	doc[fieldDeleted] = true
	return doc
}

// found is a document as it was read. The zero value stands for none.
type found struct {
	record   lock.Record
	revision any    // the driver's
	version  string // never empty
	deleted  bool   // a mark, without a value
}

// decode reads a document. One that was not written by a Store is refused:
// nothing is known of what it protects.
func (s *Store) decode(doc map[string]any) (found, error) {
	f := found{revision: doc[s.config.RevisionField]}
	version, ok := doc[fieldVersion].(string)
	if !ok || version == "" || f.revision == nil {
		return found{}, s.errForeign()
	}
	f.version = version
	revision, err := s.format(f.revision)
	if err != nil {
		return found{}, s.errForeign()
	}
	f.record.Revision = revision
	deleted, _ := doc[fieldDeleted].(bool)
	switch value := doc[fieldValue].(type) {
	case string:
		f.record.Value = []byte(value)
	case []byte:
		f.record.Value = bytes.Clone(value) // it may be the in-memory driver's own
	case nil:
		if !deleted {
			return found{}, s.errForeign()
		}
		f.deleted = true
	default:
		return found{}, s.errForeign()
	}
	return f, nil
}

func (s *Store) errForeign() error {
	return fmt.Errorf("%w: the document was written by something else: it needs a revision in %q, a string %q, not empty, and a string or bytes %q; delete it, or use another key or collection",
		lock.ErrRefused, s.config.RevisionField, fieldVersion, fieldValue)
}

// format returns what lock knows a driver's revision by. It fails if there is
// none, for the next write would then be unconditional.
func (s *Store) format(revision any) (lock.Revision, error) {
	if revision == nil {
		return "", fmt.Errorf("%w in the field %q: set Config.RevisionField to the one that it was opened with", errUnset, s.config.RevisionField)
	}
	text, err := s.coll.RevisionToString(revision)
	if err == nil && text == "" {
		err = fmt.Errorf("the revision %v is empty", revision)
	}
	return lock.Revision(text), err
}

// parse undoes format. A string that no revision of the collection has is
// refused as errNoRevision, above all one that a driver would take for "no
// condition": gcpfirestore does with a time that is zero.
func (s *Store) parse(revision lock.Revision) (any, error) {
	parsed, err := s.coll.StringToRevision(string(revision))
	if err != nil || parsed == nil {
		return nil, errNoRevision
	}
	if again, err := s.format(parsed); err != nil || again != revision {
		return nil, errNoRevision
	}
	return parsed, nil
}
