//go:build !unix

package mutant

import "time"

// ProcessorTime is not known here: what hangs is ended by the clock.
func ProcessorTime() time.Duration { return 0 }
