package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lockproof/lockproof/lock"
)

func keyCases() []Case {
	return []Case{
		{
			Name:      "empty-key-refused",
			Guarantee: "The empty key is ErrRefused by every method.",
			run:       emptyKey,
		},
		{
			Name:      "keys-independent",
			Guarantee: "Keys never stand for one another, however alike or odd; one that the store cannot take is ErrRefused by every method.",
			run:       keysIndependent,
		},
	}
}

func valueCases() []Case {
	return []Case{
		{
			Name:      "values-unchanged",
			Guarantee: "Values come back byte for byte: empty, with zero bytes, not valid UTF-8, 64 KiB.",
			run:       valuesUnchanged,
		},
		{
			Name:      "buffers-not-shared",
			Guarantee: "The store keeps no reference to a caller's buffer and hands out none to its own.",
			run:       buffersNotShared,
		},
	}
}

func emptyKey(ctx context.Context, e *env) error {
	_, err := e.store.Get(ctx, "")
	if err := mustRefuse("get", err); err != nil {
		return err
	}
	_, err = e.store.CompareAndSwap(ctx, "", "", []byte("x"))
	if err := mustRefuse("create", err); err != nil {
		return err
	}
	revision, err := e.create(ctx, e.key("elsewhere"), "one")
	if err != nil {
		return err
	}
	_, err = e.store.CompareAndSwap(ctx, "", revision, []byte("x"))
	if err := mustRefuse("update", err); err != nil {
		return err
	}
	if watcher, ok := e.store.(lock.Watcher); ok {
		_, err := watcher.Wait(ctx, "", revision)
		if err := mustRefuse("wait", err); err != nil {
			return err
		}
	}
	return mustRefuse("delete", e.store.Delete(ctx, "", revision))
}

// oddNames are easily confused, are special somewhere, or are prefixes of one
// another.
func oddNames() []string {
	return []string{
		"a", "A", "ab", "a/b", "a//b", "/a", "a/", "a.b", "a..b", ".a", "a.", ".", "..", "...", "a b", " a", "a ", "a\tb",
		"*", ">", "a.*", "a.>", "$", "$KV", "_", "__", "-", "=", "==", "=2F", "=2f", "%2F", "%2f", "%", "\\", "a\\b", "#", "?", "&", ":", ";", ",",
		"'", "\"", "`", "{}", "[0]", "<a>", "é", "e\u0301", "É", "ß", "ss", "日本", "🔒", "a\x00b", "a\nb", "~", "null", "__proto__",
		strings.Repeat("n", 200), strings.Repeat("n", 199) + "m", strings.Repeat("é", 100),
	}
}

// keysIndependent puts each odd name first and last in a key, creates them all
// and only then reads, so that any two that are one key are found out.
func keysIndependent(ctx context.Context, e *env) error {
	type version struct {
		key      string
		revision lock.Revision
	}
	var made []version
	for _, name := range oddNames() {
		for _, key := range []string{e.key(name), e.track(name + "/" + e.space)} {
			revision, err := e.store.CompareAndSwap(ctx, key, "", []byte(key))
			if errors.Is(err, lock.ErrRefused) {
				_, err := e.store.Get(ctx, key)
				if err := mustRefuse(fmt.Sprintf("get of key %q, which create refused", key), err); err != nil {
					return err
				}
				continue
			}
			if err != nil {
				return fmt.Errorf("create of key %q: %w", key, err)
			}
			made = append(made, version{key, revision})
		}
	}
	for _, m := range made {
		if err := e.holds(ctx, m.key, m.revision, m.key); err != nil {
			return fmt.Errorf("key %q: %w", m.key, err)
		}
	}
	for i, m := range made {
		if err := e.store.Delete(ctx, m.key, m.revision); err != nil {
			return fmt.Errorf("delete of key %q: %w", m.key, err)
		}
		if i+1 < len(made) {
			next := made[i+1]
			if err := e.holds(ctx, next.key, next.revision, next.key); err != nil {
				return fmt.Errorf("key %q after the delete of %q: %w", next.key, m.key, err)
			}
		}
	}
	return nil
}

func valuesUnchanged(ctx context.Context, e *env) error {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	key := e.key("k")
	revision, err := e.create(ctx, key, "first")
	if err != nil {
		return err
	}
	for _, value := range []string{"", "\x00", "\x00\x00a\x00", string(every), "\xff\xfe", "{\"a\":1}\r\n", strings.Repeat(string(every), 256)} {
		if revision, err = e.update(ctx, key, revision, value); err != nil {
			return fmt.Errorf("value %s: %w", show([]byte(value)), err)
		}
		if err := e.holds(ctx, key, revision, value); err != nil {
			return err
		}
		fresh := e.key(fmt.Sprintf("created with %d bytes", len(value)))
		made, err := e.create(ctx, fresh, value)
		if err != nil {
			return fmt.Errorf("value %s: %w", show([]byte(value)), err)
		}
		if err := e.holds(ctx, fresh, made, value); err != nil {
			return err
		}
	}
	return nil
}

func buffersNotShared(ctx context.Context, e *env) error {
	key := e.key("k")
	buffer := []byte("one")
	revision, err := e.store.CompareAndSwap(ctx, key, "", buffer)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	spoil(buffer)
	if err := e.holds(ctx, key, revision, "one"); err != nil {
		return fmt.Errorf("after the writer changed its buffer: %w", err)
	}
	record, err := e.store.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	spoil(record.Value)
	if err := e.holds(ctx, key, revision, "one"); err != nil {
		return fmt.Errorf("after a reader changed what it got: %w", err)
	}
	_, err = e.store.CompareAndSwap(ctx, key, "", []byte("two"))
	var conflict *lock.ConflictError
	if errors.As(err, &conflict) {
		spoil(conflict.Current.Value)
	}
	if watcher, ok := e.store.(lock.Watcher); ok {
		record, err := watcher.Wait(ctx, key, "")
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		spoil(record.Value)
	}
	if err := e.holds(ctx, key, revision, "one"); err != nil {
		return fmt.Errorf("after a caller changed what came with a conflict or from Wait: %w", err)
	}
	return nil
}

func spoil(buffer []byte) { copy(buffer, bytes.Repeat([]byte{'!'}, len(buffer))) }
