//go:build bug

package ownlock

import (
	"context"
	"errors"

	"github.com/lockproof/lockproof/lock"
)

// remove takes whatever record is there for its own: a holder whose lease has run
// out frees the lock of the next one.
func (h *lease) remove(ctx context.Context) error {
	rec, err := h.l.env.Store.Get(ctx, h.name)
	if err == nil {
		err = h.l.env.Store.Delete(ctx, h.name, rec.Revision)
	}
	if errors.Is(err, lock.ErrNotFound) {
		return nil
	}
	return err
}
