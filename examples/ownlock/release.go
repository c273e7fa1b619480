//go:build !bug

package ownlock

import (
	"context"
	"errors"

	"github.com/lockproof/lockproof/lock"
)

func (h *lease) remove(ctx context.Context) error {
	err := h.l.env.Store.Delete(ctx, h.name, h.rev)
	if errors.Is(err, lock.ErrNotFound) || errors.Is(err, lock.ErrConflict) {
		return lock.ErrLost
	}
	return err
}
