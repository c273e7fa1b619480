package cli

import (
	"runtime"
	"runtime/debug"
)

// Version is the version of the module as the Go toolchain stamped it, with the
// commit that it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown version " + runtime.Version()
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	version := info.Main.Version
	if version == "" {
		version = "(devel)"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if commit := settings["vcs.revision"]; commit != "" {
		version += " commit " + commit
		if settings["vcs.modified"] == "true" {
			version += " (modified)"
		}
	}
	return version + " " + info.GoVersion
}
