package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set by the linker; see Makefile. A plain go build leaves them empty, and the
// module's own build information is used.
var (
	version string
	commit  string
)

// buildVersion returns the version, or "devel".
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// versionText is the answer of the version command.
func versionText() string {
	text := "stackhouse " + buildVersion()
	if commit != "" {
		text += " (" + commit + ")"
	}
	return fmt.Sprintf("%s %s %s/%s", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
