package docstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/lockproof/lockproof/lock"
)

// probePrefix begins the keys of documents by which Open tries a collection.
const probePrefix = "lockproof-open-"

// tryOut goes through the life of a document, and through another after its
// deletion, and checks what the rest of the package stands on. That takes about
// 15 requests.
func (s *Store) tryOut(ctx context.Context) error {
	key := probePrefix + newVersion()
	// The read comes first: a driver that is not told the key in the field where
	// it looks would create a document under a key of its own.
	switch _, err := s.get(ctx, key); {
	case err == nil:
		return fmt.Errorf("%w: the collection has a document for a key that was drawn at random", lock.ErrRefused)
	case !errors.Is(err, lock.ErrNotFound):
		return fmt.Errorf("read of a document that does not exist (is the key's field %q, as Config.KeyField says?): %w", s.config.KeyField, err)
	}
	p := probe{store: s, key: key}
	err := p.live(ctx)
	if err == nil {
		err = p.liveAgain(ctx)
	}
	if err != nil && p.current != "" {
		_ = s.delete(ctx, key, p.current)
	}
	return err
}

// probe is the document by which a collection is tried.
type probe struct {
	store   *Store
	key     string
	current lock.Revision
	given   []lock.Revision // all so far
}

// live creates the document, changes it, fails to change it on a condition that
// is not met, and deletes it.
func (p *probe) live(ctx context.Context) error {
	if err := p.write(ctx, ""); err != nil {
		return err
	}
	if err := p.store.checkKind(ctx, p.current); err != nil {
		return err
	}
	first := p.current
	if err := p.write(ctx, first); err != nil {
		return err
	}
	_, err := p.store.CompareAndSwap(ctx, p.key, first, []byte("stale"))
	switch {
	case err == nil:
		return fmt.Errorf("%w: the collection overwrote a document on a condition that it did not meet", lock.ErrRefused)
	case !errors.Is(err, lock.ErrConflict):
		return err
	}
	return p.end(ctx)
}

// liveAgain makes the document anew, which must not have a revision that it had.
func (p *probe) liveAgain(ctx context.Context) error {
	if err := p.write(ctx, ""); err != nil {
		return err
	}
	return p.end(ctx)
}

// end deletes the document.
func (p *probe) end(ctx context.Context) error {
	if err := p.store.delete(ctx, p.key, p.current); err != nil {
		return err
	}
	p.current = ""
	switch _, err := p.store.get(ctx, p.key); {
	case err == nil:
		return fmt.Errorf("%w: a document that was deleted can still be read; are the reads strongly consistent?", lock.ErrRefused)
	case !errors.Is(err, lock.ErrNotFound):
		return fmt.Errorf("whether a document that was deleted can still be read could not be decided: %w", err)
	}
	return nil
}

// write writes the same value again and again, so that a collection whose
// revisions follow the value alone is found out.
func (p *probe) write(ctx context.Context, old lock.Revision) error {
	revision, err := p.store.CompareAndSwap(ctx, p.key, old, []byte("probe"))
	if errors.Is(err, errUnset) {
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
	}
	if err != nil {
		return err
	}
	p.current = revision
	if slices.Contains(p.given, revision) {
		return fmt.Errorf("%w: the collection gave the revision %q twice to one key", lock.ErrRefused, revision)
	}
	p.given = append(p.given, revision)
	if _, err := p.store.parse(revision); err != nil {
		return fmt.Errorf("%w: the collection does not know its revision %q again: %w", lock.ErrRefused, revision, err)
	}
	record, err := p.store.Get(ctx, p.key)
	if err != nil && !errors.Is(err, lock.ErrNotFound) {
		return err
	}
	if err != nil || record.Revision != revision || string(record.Value) != "probe" {
		return fmt.Errorf("%w: a document that was written was read as %q at %q; are the reads strongly consistent? (error: %v)",
			lock.ErrRefused, record.Value, record.Revision, err)
	}
	return nil
}

// checkKind tells drivers apart by what their revisions are.
func (s *Store) checkKind(ctx context.Context, revision lock.Revision) error {
	parsed, err := s.parse(revision)
	if err != nil {
		return err
	}
	switch parsed := parsed.(type) {
	case string:
		if s.config.BeforeRead == nil && !s.config.ConsistentReads {
			return fmt.Errorf("%w: its revisions are strings, as DynamoDB's, whose reads may be stale unless asked otherwise; set Config.BeforeRead to consistent.DynamoDB, or Config.ConsistentReads if no read can be stale", lock.ErrRefused)
		}
	case int64:
		return s.checkCount(ctx, parsed)
	}
	return nil
}

// checkCount looks whether a count that is shared by all documents, as that of
// memdocstore is, has already passed all that it gave: latest is newer than all
// other documents but those that were written meanwhile. If a document has more,
// the count began anew, and will come to that number again.
func (s *Store) checkCount(ctx context.Context, latest int64) error {
	highest, err := s.highest(ctx)
	if err != nil {
		return err
	}
	if highest <= latest {
		return nil
	}
	// Others may have written since. What they wrote is older than what comes now.
	doc := s.document(probePrefix+newVersion(), []byte("probe"))
	if _, err := s.write(ctx, doc, nil); err != nil {
		return classifyWrite(ctx, err)
	}
	now, _ := doc[s.config.RevisionField].(int64)
	if err := s.coll.Delete(ctx, doc); err != nil {
		return classifyWrite(ctx, err)
	}
	if highest > now {
		return fmt.Errorf("%w: a document has the revision %d and a new one %d: the count of revisions has started anew, as that of memdocstore does when it loads a file, and will give the same twice; start with an empty collection", lock.ErrRefused, highest, now)
	}
	return nil
}

// highest returns the highest revision of all documents.
func (s *Store) highest(ctx context.Context) (int64, error) {
	var highest int64
	all := s.coll.Query().Get(ctx)
	defer all.Stop()
	for {
		doc := map[string]any{s.config.RevisionField: nil}
		err := all.Next(ctx, doc)
		if errors.Is(err, io.EOF) {
			return highest, nil
		}
		if err != nil {
			return 0, classifyRead(ctx, err)
		}
		if revision, ok := doc[s.config.RevisionField].(int64); ok {
			highest = max(highest, revision)
		}
	}
}
