package file

// storage is what a directory stands on.
type storage int

const (
	local storage = iota
	network
	volatile
)
