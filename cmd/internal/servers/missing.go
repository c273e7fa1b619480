package servers

// MissingError says that a server is not there to be started: nothing is wrong
// with it, it was never fetched, or what it runs on is not installed.
type MissingError struct {
	// Server is the name, as in LOCKPROOF_REQUIRE: "dynamodb".
	Server string
	// Detail says what is missing, Remedy the command that fixes it.
	Detail string
	Remedy string
}

func (e *MissingError) Error() string {
	return "servers: " + e.Server + ": " + e.Detail + "; " + e.Remedy
}

// Missing is true. It lets tests tell "not there" from "broken" without
// importing this package.
func (e *MissingError) Missing() bool { return true }
