package sim

import "time"

// BootOf returns the zero of n's clock.
func BootOf(n *Node) time.Duration { return n.clock.boot }

// Workers returns how many coroutines the world has made and keeps.
func Workers(w *World) int { return len(w.freeWorkers) }

// Pending returns how many events are queued.
func Pending(w *World) int { return len(w.queue.slots) }
