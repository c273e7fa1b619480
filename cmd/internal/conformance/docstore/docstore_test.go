package docstore_test

import (
	"errors"
	"strings"
	"testing"

	gocloud "gocloud.dev/docstore"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/backends/docstore"
	"github.com/lockproof/lockproof/lock"
)

func TestStoreKeepsTheContractWithASortKey(t *testing.T) {
	table := makeTable(t, "kind")
	config := onDynamoDB().config
	config.Fields = map[string]any{"kind": "lock"}
	keepsTheContract(t, open(t, dynamoCollection(t, "", table, "kind"), config), nil)
}

func keepsTheContract(t *testing.T, store, other lock.Store) {
	options := backendtest.Options{Other: other}
	for _, c := range backendtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if why := c.Skip(store, options); why != "" {
				t.Skip(why)
			}
			if err := c.Run(t.Context(), store, options); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRecordsAreReadable(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		coll := d.fresh(t)(t, "")
		store := open(t, coll, d.config)
		revision, err := store.CompareAndSwap(t.Context(), "my report/é%", "", []byte(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		doc := map[string]any{"ID": "my report%2Fé%25", gocloud.DefaultRevisionField: nil}
		if err := coll.Get(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
		if doc["Value"] != `{"a":1}` {
			t.Errorf("JSON is stored as %#v", doc["Value"])
		}
		if text, err := coll.RevisionToString(doc[gocloud.DefaultRevisionField]); err != nil || text != string(revision) {
			t.Errorf("revision %q is %q, %v", revision, text, err)
		}
	})
}

func TestNothingIsLeftBehind(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		coll := d.fresh(t)(t, "")
		store := open(t, coll, d.config)
		revision, err := store.CompareAndSwap(t.Context(), "k", "", []byte("v"))
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), "k", revision); err != nil {
			t.Fatal(err)
		}
		all := coll.Query().Get(t.Context())
		defer all.Stop()
		doc := map[string]any{}
		if err := all.Next(t.Context(), doc); err == nil {
			t.Errorf("Open, or a delete, left %v", doc)
		}
	})
}

func TestConflictsSayWhatIsThere(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		store := open(t, d.fresh(t)(t, ""), d.config)
		first, err := store.CompareAndSwap(t.Context(), "k", "", []byte("one"))
		if err != nil {
			t.Fatal(err)
		}
		second, err := store.CompareAndSwap(t.Context(), "k", first, []byte("two"))
		if err != nil {
			t.Fatal(err)
		}
		var conflict *lock.ConflictError
		for _, old := range []lock.Revision{"", first, "no revision at all", "CAA"} {
			_, err = store.CompareAndSwap(t.Context(), "k", old, []byte("three"))
			if !errors.As(err, &conflict) || conflict.Current.Revision != second || string(conflict.Current.Value) != "two" {
				t.Errorf("with the old revision %q: %v, %+v", old, err, conflict)
			}
		}
		if err := store.Delete(t.Context(), "k", second); err != nil {
			t.Fatal(err)
		}
		_, err = store.CompareAndSwap(t.Context(), "k", second, []byte("three"))
		if !errors.As(err, &conflict) || !conflict.Known || conflict.Current.Revision != "" {
			t.Errorf("update of a deleted document: %v", err)
		}
		if err := store.Delete(t.Context(), "k", second); !errors.Is(err, lock.ErrNotFound) || errors.Is(err, lock.ErrConflict) {
			t.Errorf("delete of a deleted document: %v", err)
		}
	})
}

// A delete that got no further than its first step leaves a mark.
func TestAMarkOfDeletionCountsAsNothing(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		coll := d.fresh(t)(t, "")
		store := open(t, coll, d.config)
		mark := map[string]any{"ID": "k", "Version": "v", "Deleted": true, gocloud.DefaultRevisionField: nil}
		if err := coll.Create(t.Context(), mark); err != nil {
			t.Fatal(err)
		}
		marked, err := coll.RevisionToString(mark[gocloud.DefaultRevisionField])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
			t.Errorf("get: %v", err)
		}
		if err := store.Delete(t.Context(), "k", "older"); !errors.Is(err, lock.ErrNotFound) {
			t.Errorf("delete: %v", err)
		}
		var conflict *lock.ConflictError
		if _, err := store.CompareAndSwap(t.Context(), "k", "older", nil); !errors.As(err, &conflict) || !conflict.Known || conflict.Current.Revision != "" {
			t.Errorf("update: %v", err)
		}
		revision, err := store.CompareAndSwap(t.Context(), "k", "", []byte("new"))
		if err != nil || string(revision) == marked {
			t.Fatalf("create: %q, %v", revision, err)
		}
		if record, err := store.Get(t.Context(), "k"); err != nil || string(record.Value) != "new" || record.Revision != revision {
			t.Errorf("got %+v, %v", record, err)
		}
	})
}

func TestDocumentsOfSomethingElseAreRefused(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		coll := d.fresh(t)(t, "")
		store := open(t, coll, d.config)
		const revision = gocloud.DefaultRevisionField
		for name, doc := range map[string]map[string]any{
			"no version":        {"Value": "v", revision: nil},
			"empty version":     {"Version": []byte{}, "Value": "v", revision: nil},
			"no value":          {"Version": "1", revision: nil},
			"value is a number": {"Version": "1", "Value": 1, revision: nil},
		} {
			doc["ID"] = name
			if err := coll.Create(t.Context(), doc); err != nil {
				t.Fatal(err)
			}
			old, err := coll.RevisionToString(doc[revision])
			if err != nil {
				t.Fatal(err)
			}
			_, getErr := store.Get(t.Context(), name)
			_, createErr := store.CompareAndSwap(t.Context(), name, "", []byte("v"))
			_, updateErr := store.CompareAndSwap(t.Context(), name, lock.Revision(old+"AAAA"), []byte("v"))
			for _, err := range []error{getErr, createErr, updateErr} {
				if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "something else") {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
}

func TestKeysThatNoDriverTakesAreRefused(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		store := open(t, d.fresh(t)(t, ""), d.config)
		for name, key := range map[string]string{"empty": "", "too long": strings.Repeat("k", 1501), "too long when escaped": strings.Repeat("/", 501)} {
			if _, err := store.CompareAndSwap(t.Context(), key, "", nil); !errors.Is(err, lock.ErrRefused) || len(err.Error()) > 1000 {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, key := range []string{strings.Repeat("é", 750), ".", "..", "__", "____", "__a__", "__id7__", "a\xffb"} {
			revision, err := store.CompareAndSwap(t.Context(), key, "", []byte(key))
			if err != nil {
				t.Errorf("key %q: %v", key, err)
			}
			if record, err := store.Get(t.Context(), key); err != nil || string(record.Value) != key || record.Revision != revision {
				t.Errorf("key %q: got %q, %v", key, record.Value, err)
			}
		}
	})
}

func TestAValueThatIsTooLargeIsRefused(t *testing.T) {
	for _, c := range []struct {
		driver driver
		limit  int
		says   string
	}{{onDynamoDB(), 400 << 10, "Item size"}, {onFirestore(), 1 << 20, "1048487"}} {
		t.Run(c.driver.name, func(t *testing.T) {
			store := open(t, c.driver.fresh(t)(t, ""), c.driver.config)
			for _, fill := range []string{"v", "\xff"} {
				key := "k" + fill
				if _, err := store.CompareAndSwap(t.Context(), key, "", []byte(strings.Repeat(fill, c.limit-1000))); err != nil {
					t.Errorf("just below: %v", err)
				}
				_, err := store.CompareAndSwap(t.Context(), key+"2", "", []byte(strings.Repeat(fill, c.limit)))
				if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("above: %.500v", err)
				}
			}
		})
	}
}

func TestAClosedCollectionIsRefused(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		coll := d.fresh(t)(t, "")
		store := open(t, coll, d.config)
		revision, err := store.CompareAndSwap(t.Context(), "k", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := coll.Close(); err != nil {
			t.Fatal(err)
		}
		_, getErr := store.Get(t.Context(), "k")
		_, createErr := store.CompareAndSwap(t.Context(), "k", "", nil)
		_, updateErr := store.CompareAndSwap(t.Context(), "k", revision, nil)
		for _, err := range []error{getErr, createErr, updateErr, store.Delete(t.Context(), "k", revision)} {
			if !errors.Is(err, lock.ErrRefused) || errors.Is(err, lock.ErrConflict) || !strings.Contains(err.Error(), "closed") {
				t.Error(err)
			}
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	for name, config := range map[string]docstore.Config{
		"key field":      {KeyField: "Value"},
		"revision field": {RevisionField: "ID"},
		"other fields":   {Fields: map[string]any{"Deleted": true}},
	} {
		if _, err := docstore.Open(t.Context(), inMemory(t, "ID", nil), config); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "is taken by") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := docstore.Open(t.Context(), nil, docstore.Config{}); !errors.Is(err, lock.ErrRefused) {
		t.Errorf("no collection: %v", err)
	}
}
