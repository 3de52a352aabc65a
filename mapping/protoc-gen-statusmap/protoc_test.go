//go:build buf && interop

package main

import (
	"path/filepath"
	"testing"
)

// TestProtoc follows the package documentation with protoc in place of buf. make interop
// installs it.
func TestProtoc(t *testing.T) {
	m := newTeam(t)
	bin := filepath.Join(m.dir, "bin")
	m.run("bash", "-euc", "export GOBIN="+bin+" PATH="+bin+":$PATH\n"+m.steps.block(t, "--statusmap_out"))
	m.checkGenerated()
}
