package lock

import (
	"errors"
	"fmt"
	"time"
)

// Errors of a Client and a Lease, for errors.Is.
var (
	// ErrLost: the lease is over, or may be, and was not given back. It is the
	// cause of a lease's context when the lease ends by itself.
	ErrLost = errors.New("lease lost")
	// ErrReleased: the lease was given back with Release.
	ErrReleased = errors.New("lease released")
	// ErrHeld: another holder has the lock. Every *HeldError is an ErrHeld.
	ErrHeld = errors.New("lock is held")
	// ErrWaitLimit: the lock was not granted within the wait limit.
	ErrWaitLimit = errors.New("wait limit reached")
	// ErrUnconfirmed: the lock is not ours any more, but whether it was the
	// release that freed it or the lease had run out before is not known.
	ErrUnconfirmed = errors.New("release not confirmed, somebody else holds the lock by now")
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("lock client closed")
)

// HeldError says who has the lock that was asked for.
type HeldError struct {
	Name  string
	Owner string
	Token uint64
	// TTL is the holder's lease length.
	TTL time.Duration
	// FreeIn is how long it takes, from when the error was made, until this
	// client could take the lock over if the holder renews no more.
	FreeIn time.Duration
	// Waited tells that the wait limit was reached.
	Waited bool
}

func (e *HeldError) Error() string {
	s := fmt.Sprintf("lock %q is held by %q with token %d; without a renewal it is free in %s",
		e.Name, e.Owner, e.Token, e.FreeIn)
	if e.Waited {
		return ErrWaitLimit.Error() + ": " + s
	}
	return s
}

// Is makes a HeldError an ErrHeld, and an ErrWaitLimit if the limit was reached.
func (e *HeldError) Is(target error) bool {
	return target == ErrHeld || (e.Waited && target == ErrWaitLimit)
}

// LostReason tells how a lease was lost.
type LostReason string

// The reasons.
const (
	// LostExpired: the lease reached its end on the holder's clock before a
	// renewal was confirmed. Nobody else need have it.
	LostExpired LostReason = "expired"
	// LostTaken: the store shows that somebody else was granted the lock.
	LostTaken LostReason = "taken over"
	// LostFreed: the store shows the lock without a holder, or no record.
	LostFreed LostReason = "freed by somebody else"
)

// LostError is an ErrLost with its reason.
type LostError struct {
	Name   string
	Token  uint64
	Reason LostReason
}

func (e *LostError) Error() string {
	return fmt.Sprintf("lease of lock %q with token %d lost: %s", e.Name, e.Token, e.Reason)
}

// Is makes a LostError an ErrLost.
func (e *LostError) Is(target error) bool { return target == ErrLost }

// FormatError says that the record of a lock is not one that this version can
// read. Nothing was written; the lock is left as it is.
type FormatError struct {
	Name   string
	Detail string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("the record of lock %q is not a lock record of format %d: %s; "+
		"use another name, upgrade, or remove the record while nobody uses it", e.Name, formatVersion, e.Detail)
}

// Is makes a FormatError an ErrRefused.
func (e *FormatError) Is(target error) bool { return target == ErrRefused }
