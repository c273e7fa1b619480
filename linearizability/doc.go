// Package linearizability records what happened to a set of locks and says what
// that proves. It holds the history, the models, the checkers and the verdict.
//
// A verdict has sixteen properties, of four classes, which are never mixed. Safety:
//
//   - mutual-exclusion: what holders believed. The intervals in which holders
//     surely believed in a grant of one lock do not overlap, shared ones apart.
//     It says nothing of what a holder did with its belief.
//   - lock-linearizability: what the lock answered. Some order of the answers,
//     each between its call and its return, is one that a single lock could have
//     given. A lease may end by itself once its shortest time has passed since the
//     last renewal that surely succeeded was sent; it need not. Whether that order
//     is the one that happened, nobody can tell from outside.
//   - protected-effect-fenced: what a resource saw that compares tokens on every
//     access. No stale access was let through and no update was lost.
//   - protected-effect-unfenced: the same without tokens, for information only.
//     No lease lock can prevent these losses when a holder is paused, so they
//     never turn the verdict of a history.
//   - token-order: a later grant carries a larger token.
//
// Notice, which is what a holder is told:
//
//   - loss-notice: a holder whose lease ran out or was taken is told in time.
//   - lease-kept: no lease that is in force is reported lost.
//   - end-is-final: a belief that has ended does not come back.
//   - valid-answers: what a lease says of itself fits what its holder believes.
//
// Liveness:
//
//   - liveness: once the faults are healed, a wanted lock is granted in a bounded
//     time. A run that ends too early to tell is unknown, not ok.
//   - call-returns: an acquire that was given up, a release, a renewal and a close
//     return in a bounded time.
//   - acquire-persists: an acquire that waits goes on until it is granted or given up.
//   - free-granted: a lock that nobody can hold is not refused as held.
//   - starvation: nobody waits through more than so many grants to others.
//   - renewal-interval: a running holder asks to renew its lease often enough.
//
// Cost:
//
//   - request-budget: a call that met no fault sends no more requests than so many.
//
// # What a lock is held to
//
// A lock is judged by what it promises (Promises), and a property of which it promises
// nothing is n/a. To promise less is never to be accused of more. What the host lost
// (Params.Stalls, Params.Lateness) and the time in which a client stood still are taken
// off every bound.
//
// # What a verdict is worth
//
// A violation is real for the history given: belief intervals are rounded to be
// shorter, operation intervals to be longer, and an operation with no known end
// may have happened or not, whichever excuses the lock. An ok is a statement on
// this history and no other. Unknown is never ok: it says that a checker gave up
// or that the history cannot answer the question. A malformed history is
// refused with its reason (Validate) and judged unknown in every property.
//
// # What excuses a lock
//
// Some answers prove less than they seem to, and are taken for no more. A client
// may have held the lock unknowingly while an acquire of its own was under way, so
// an answer that names it then is not held against the lock. An acquire with no
// known end may have taken the lock once, up to Event.Until, and given it back at
// any time. A failed release may have been the one that took the lock away. A
// failed renew or release is the lock's own word only as long as the holder's clock
// cannot have ended the lease (Promises.ShortestBelief). Where a client may be granted
// its own lease again, the two grants are one lease from then on, and what is said of
// either proves little. Somebody who is no client of the lock and changes its record
// (OpTamper) may have ended what others hold, and tokens begin anew.
// Answers with one timestamp may have come in either order.
//
// # How linearizability is decided
//
// An order of the answers that fits all intervals is a proof. A linear-time
// construction is tried first. Where it fails, the history is cut where the lock is
// surely free, and for each piece all sketches of an order are kept that may still
// turn out to be the right one; of two that placed the same grants, one that is
// behind in nothing makes the other superfluous. Where no sketch is left nothing is
// concluded: porcupine (github.com/anishathalye/porcupine) searches the smallest part
// of the history around the place, and it alone may answer that there is no such
// order.
//
// All of it is bounded in steps and in memory, never in seconds, so that a verdict
// is the same on every machine.
package linearizability
