//go:build !linux

package lock

import "time"

func bootTime() time.Duration { return sinceStart() }
