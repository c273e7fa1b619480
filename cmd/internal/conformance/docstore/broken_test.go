package docstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"

	gocloud "gocloud.dev/docstore"
	docdriver "gocloud.dev/docstore/driver"
	"gocloud.dev/gcerrors"

	"github.com/lockproof/lockproof/backends/docstore"
	"github.com/lockproof/lockproof/lock"
)

// broken is a driver that breaks what its faults name, to see that Open finds
// out. Without any it is sound.
type broken struct {
	blind     bool // takes no notice of revisions
	perDoc    bool // counts for each document by itself, from 1
	stale     bool // reads what was there before the last write
	contents  bool // does not change the revision of what stays as it is
	forgetful bool // does not know its revisions again
	late      bool // does not answer a read of what was deleted in time

	mu    sync.Mutex
	docs  map[any]map[string]any
	olds  map[any]map[string]any
	count int
}

// coded is an error with a code, as drivers make them.
type coded struct{ code gcerrors.ErrorCode }

func (c coded) Error() string { return fmt.Sprint(c.code) }

func (b *broken) Key(doc docdriver.Document) (any, error) { return doc.GetField("ID") }
func (b *broken) RevisionField() string                   { return gocloud.DefaultRevisionField }
func (b *broken) As(any) bool                             { return false }
func (b *broken) ErrorAs(error, any) bool                 { return false }
func (b *broken) Close() error                            { return nil }

func (b *broken) ErrorCode(err error) gcerrors.ErrorCode {
	var c coded
	if errors.As(err, &c) {
		return c.code
	}
	return gcerrors.Unknown
}

func (b *broken) RevisionToBytes(revision any) ([]byte, error) {
	if n, ok := revision.(int64); ok {
		return strconv.AppendInt(nil, n, 10), nil
	}
	return nil, coded{gcerrors.InvalidArgument}
}

func (b *broken) BytesToRevision(text []byte) (any, error) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if b.forgetful {
		n++
	}
	return n, err
}

func (b *broken) QueryPlan(*docdriver.Query) (string, error) { return "", nil }
func (b *broken) RunGetQuery(context.Context, *docdriver.Query) (docdriver.DocumentIterator, error) {
	return nothing{}, nil
}

// nothing is the result of each query.
type nothing struct{}

func (nothing) Next(context.Context, docdriver.Document) error { return io.EOF }
func (nothing) Stop()                                          {}
func (nothing) As(any) bool                                    { return false }

func (b *broken) RunActions(_ context.Context, actions []*docdriver.Action, _ *docdriver.RunActionsOptions) docdriver.ActionListError {
	b.mu.Lock()
	defer b.mu.Unlock()
	errs := make([]error, len(actions))
	for i, a := range actions {
		if errs[i] = b.run(a); errs[i] != nil {
			errs[i] = gcerror(errs[i])
		}
	}
	return docdriver.NewActionListError(errs)
}

// gcerror makes the error that a driver itself makes, with nothing in it: one
// of the library's own functions fails for a document that is not there.
func gcerror(err error) error {
	var c coded
	if errors.As(err, &c) && c.code == gcerrors.NotFound {
		empty, _ := docdriver.NewDocument(map[string]any{})
		_, err := empty.GetField("none")
		return err
	}
	return err
}

func (b *broken) run(a *docdriver.Action) error {
	now := b.docs[a.Key]
	if a.Kind == docdriver.Get {
		if old, written := b.olds[a.Key]; b.stale && written {
			now = old
		}
		if _, written := b.olds[a.Key]; b.late && written && now == nil {
			return coded{gcerrors.DeadlineExceeded}
		}
		if now == nil {
			return coded{gcerrors.NotFound}
		}
		for name, value := range now {
			if err := a.Doc.SetField(name, value); err != nil {
				return err
			}
		}
		return nil
	}
	wanted, _ := a.Doc.GetField(gocloud.DefaultRevisionField)
	switch {
	case a.Kind == docdriver.Create && now != nil:
		return coded{gcerrors.AlreadyExists}
	case a.Kind == docdriver.Replace && now == nil:
		return coded{gcerrors.NotFound}
	case !b.blind && wanted != nil && now != nil && now[gocloud.DefaultRevisionField] != wanted:
		return coded{gcerrors.FailedPrecondition}
	}
	b.olds[a.Key] = now
	if a.Kind == docdriver.Delete {
		delete(b.docs, a.Key)
		return nil
	}
	doc := maps.Clone(a.Doc.Origin.(map[string]any))
	doc[gocloud.DefaultRevisionField] = b.revision(now, doc)
	b.docs[a.Key] = doc
	return a.Doc.SetField(gocloud.DefaultRevisionField, doc[gocloud.DefaultRevisionField])
}

func (b *broken) revision(now, doc map[string]any) int64 {
	switch last, _ := now[gocloud.DefaultRevisionField].(int64); {
	case b.contents && now != nil && now["Value"] == doc["Value"]:
		return last
	case b.perDoc:
		return last + 1
	}
	b.count++
	return int64(b.count)
}

func TestOpenFindsABrokenDriver(t *testing.T) {
	start := func(b *broken) *gocloud.Collection {
		b.docs, b.olds = make(map[any]map[string]any), make(map[any]map[string]any)
		return closing(t, gocloud.NewCollection(b), nil)
	}
	sound := start(&broken{})
	keepsTheContract(t, open(t, sound, docstore.Config{}), nil)
	for says, b := range map[string]*broken{
		"on a condition that it did not meet": {blind: true},
		"twice to one key":                    {perDoc: true},
		"twice":                               {contents: true},
		"strongly consistent":                 {stale: true},
		"does not know its revision":          {forgetful: true},
	} {
		cannotOpen(t, start(b), docstore.Config{}, says)
	}
}

// A read that was not answered says nothing about the collection.
func TestOpenAccusesNobodyOfWhatItCouldNotRead(t *testing.T) {
	b := &broken{late: true, docs: make(map[any]map[string]any), olds: make(map[any]map[string]any)}
	s, err := docstore.Open(t.Context(), closing(t, gocloud.NewCollection(b), nil), docstore.Config{})
	if err == nil {
		t.Fatal("it was opened", s)
	}
	if errors.Is(err, lock.ErrRefused) || lock.Definite(err) || !strings.Contains(err.Error(), "could not be decided") {
		t.Errorf("definite %v: %v", lock.Definite(err), err)
	}
}
