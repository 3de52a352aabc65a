//go:build buf

package main

import (
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// teamTest is what a team that declared the catalogue of the package documentation
// can rely on.
const teamTest = `package acme

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/acme/gen/acme/billing/v1/billing"
)

func TestBilling(t *testing.T) {
	raised := billing.NoCredit.Errorf("account %q has no credit", "a1")
	err := fmt.Errorf("charging: %w", raised)

	if !errors.Is(err, billing.NoCredit) {
		t.Error("the error is not its own sentinel")
	}
	if raised.Code() != billing.NoCredit {
		t.Error("the code is not equal to its sentinel")
	}
	if got := status.Code(raised); got != codes.FailedPrecondition {
		t.Errorf("gRPC code %v", got)
	}
	if code, ok := billing.Catalog().Lookup(50001); !ok || code != billing.NoCredit {
		t.Errorf("Lookup(50001) = %v, %v", code, ok)
	}
}
`

// TestTeam follows the package documentation to the letter, from an empty module on,
// with the real buf.
func TestTeam(t *testing.T) {
	m := newTeam(t)
	buf := bufBinary(t, m.repository)

	m.run(buf, "generate")
	m.checkGenerated()
	if deps := m.run("go", "list", "-deps", "./gen/..."); strings.Contains(deps, "yuanrong/catalog") {
		t.Errorf("programs that use the codes link the descriptors of the options:\n%s", deps)
	}

	// A mistake reaches the author through buf, with its place.
	m.write(codesFile, strings.Replace(readFile(t, filepath.Join(m.dir, codesFile)), "RETRY_CLASS_NEVER", "RETRY_CLASS_UNSPECIFIED", 1))
	out, err := m.command(buf, "generate").CombinedOutput()
	if err == nil {
		t.Error("buf accepted a catalogue with a mistake")
	}
	want := "acme/billing/v1/code.proto:13: enum acme.billing.v1.Code: value CODE_NO_CREDIT: retry_class is missing"
	if !strings.Contains(string(out), want) {
		t.Errorf("buf printed\n%s\nwant\n%s", out, want)
	}
}

// bufBinary returns the path of the buf that the repository pins.
func bufBinary(t *testing.T, repository string) string {
	t.Helper()
	cmd := exec.Command("go", "tool", "-modfile=.tools/buf.mod", "-n", "buf")
	cmd.Dir = repository
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// A team is a module of somebody else.
type team struct {
	t          *testing.T
	dir        string
	repository string // this module
	steps      blocks // of the documentation
}

// codesFile is where a team declares its codes.
const codesFile = "proto/acme/billing/v1/code.proto"

// newTeam returns a team that has followed the documentation up to the plugin.
func newTeam(t *testing.T) team {
	t.Helper()
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	if err := os.Symlink(repository, filepath.Join(work, "statusmap")); err != nil {
		t.Fatal(err)
	}
	m := team{t, filepath.Join(work, "acme"), repository, documentation(t)}
	m.write(codesFile, m.steps.block(t, `syntax = "proto3"`))
	m.write("buf.yaml", m.steps.block(t, "modules:"))
	m.write("buf.gen.yaml", m.steps.block(t, "plugins:"))
	m.run("go", "mod", "init", "example.com/acme")
	m.run("bash", "-euc", m.steps.block(t, "go mod tidy\n"))
	m.run("bash", "-euc", m.steps.block(t, "third_party/statusmap/yuanrong\n"))
	return m
}

// checkGenerated looks whether one package was generated, and whether the team's test of
// it passes.
func (m team) checkGenerated() {
	m.t.Helper()
	if files, err := filepath.Glob(filepath.Join(m.dir, "gen/*/*/*/*/*")); err != nil || len(files) != 1 {
		m.t.Errorf("generated %v (%v), want one file", files, err)
	}
	m.write("acme_test.go", teamTest)
	m.run("go", "vet", "./...")
	m.run("go", "test", "./...")
}

func (m team) write(name, content string) {
	m.t.Helper()
	file := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o666); err != nil {
		m.t.Fatal(err)
	}
}

func (m team) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	return cmd
}

func (m team) run(name string, args ...string) string {
	m.t.Helper()
	out, err := m.command(name, args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// blocks are the indented parts of the package documentation.
type blocks []string

func documentation(t *testing.T) blocks {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	var all blocks
	block := ""
	for _, line := range strings.Split(file.Doc.Text(), "\n") {
		code, indented := strings.CutPrefix(line, "\t")
		switch {
		case indented:
			block += code + "\n"
		case line == "" && block != "":
			block += "\n"
		case block != "":
			all = append(all, block)
			block = ""
		}
	}
	return all
}

// block returns the first part that contains marker.
func (b blocks) block(t *testing.T, marker string) string {
	t.Helper()
	for _, block := range b {
		if strings.Contains(block, marker) {
			return block
		}
	}
	t.Fatalf("the package documentation has no example with %q", marker)
	return ""
}
