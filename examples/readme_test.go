// Package examples_test holds the documents to the code.
package examples_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/openyuanrong/statusmap/mapping"
)

const root = ".." // of the module

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A block is a piece of code in a document.
type block struct {
	line   int    // of the fence that opens it
	marker string // the line before the fence
	text   string
}

// goBlocks returns the Go code in a document.
func goBlocks(document string) []block {
	var blocks []block
	var open *block
	fence, before := "", ""
	for i, line := range strings.Split(document, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case fence == "" && strings.HasPrefix(trimmed, "```"):
			fence = "```"
			if info := strings.TrimPrefix(trimmed, "```"); strings.HasPrefix(info, "go") {
				open = &block{line: i + 1, marker: before}
			}
		case fence != "" && trimmed == fence:
			if open != nil {
				blocks = append(blocks, *open)
			}
			fence, open = "", nil
		case open != nil:
			open.text += line + "\n"
		case trimmed != "":
			before = trimmed
		}
	}
	return blocks
}

// region returns the parts of a Go file between "// region: name" and "// endregion",
// each without the indentation that all of its lines have, in the order of the file.
func region(source, name string) []string {
	var parts []string
	var part []string
	inside := false
	for line := range strings.Lines(source) {
		line = strings.TrimSuffix(line, "\n")
		switch marker := strings.TrimSpace(line); {
		case marker == "// region: "+name:
			inside, part = true, nil
		case marker == "// endregion" && inside:
			inside = false
			parts = append(parts, strings.TrimRight(dedent(part), "\n")+"\n")
		case inside:
			part = append(part, line)
		}
	}
	return parts
}

func dedent(lines []string) string {
	indent := -1
	for _, line := range lines {
		if line != "" {
			tabs := len(line) - len(strings.TrimLeft(line, "\t"))
			if indent < 0 || tabs < indent {
				indent = tabs
			}
		}
	}
	var b strings.Builder
	for _, line := range lines {
		if line != "" {
			line = line[indent:]
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

var markerRule = regexp.MustCompile(`^<!-- (examples/\S+\.go)#([a-z-]+) -->$`)

// Every Go block in the README is code that is compiled. The line before its fence
// says where: <!-- examples/file.go#region -->. The parts of a region may stand there
// in any order, with an empty line between them.
func TestReadmeCode(t *testing.T) {
	t.Parallel()
	blocks := goBlocks(readFile(t, filepath.Join(root, "README.md")))
	if len(blocks) == 0 {
		t.Fatal("the README has no Go code")
	}
	for _, b := range blocks {
		marker := markerRule.FindStringSubmatch(b.marker)
		if marker == nil {
			t.Errorf("README.md:%d: no line <!-- examples/file.go#region --> before the code", b.line)
			continue
		}
		parts := region(readFile(t, filepath.Join(root, marker[1])), marker[2])
		if !isMadeOf(b.text, parts) {
			t.Errorf("README.md:%d: the code differs from region %s of %s, which has:\n%s",
				b.line, marker[2], marker[1], strings.Join(parts, "\n"))
		}
	}
}

// isMadeOf reports whether text is all the parts, each once.
func isMadeOf(text string, parts []string) bool {
	if len(parts) == 0 {
		return false
	}
	size := len(parts) - 1
	for _, part := range parts {
		size += len(part)
		if !strings.Contains("\n"+text+"\n", "\n"+part+"\n") {
			return false
		}
	}
	return len(text) == size
}

func TestRegion(t *testing.T) {
	t.Parallel()
	source := "x\n\t// region: a\n\tone\n\n\t\ttwo\n\t// endregion\n// region: b\nno\n// endregion\n// region: a\nthree\n// endregion\n"
	parts := region(source, "a")
	if got, want := strings.Join(parts, "|"), "one\n\n\ttwo\n|three\n"; got != want {
		t.Errorf("region = %q, want %q", got, want)
	}
	for text, want := range map[string]bool{
		"one\n\n\ttwo\n\nthree\n":         true,
		"three\n\none\n\n\ttwo\n":         true,
		"one\n\n\ttwo\n":                  false,
		"one\n\n\ttwo\n\nthreE\n":         false,
		"one\n\n\ttwo\n\nthree\n\nmore\n": false,
	} {
		if got := isMadeOf(text, parts); got != want {
			t.Errorf("isMadeOf(%q) = %t, want %t", text, got, want)
		}
	}
	blocks := goBlocks("a\n```sh\ngo\n```\n<!-- m -->\n```go\nf()\n```\n")
	if len(blocks) != 1 || blocks[0] != (block{6, "<!-- m -->", "f()\n"}) {
		t.Errorf("goBlocks = %+v", blocks)
	}
}

var fenceRule = regexp.MustCompile("(?s)```.*?```")

var linkRule = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// Links within the repository lead somewhere.
func TestReadmeLinks(t *testing.T) {
	t.Parallel()
	for _, document := range []string{"README.md", "examples/README.md"} {
		text := readFile(t, filepath.Join(root, document))
		for _, link := range linkRule.FindAllStringSubmatch(fenceRule.ReplaceAllString(text, ""), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(document), link[1])); err != nil {
				t.Errorf("%s: broken link: %v", document, err)
			}
		}
	}
}

// The README says what each target of the Makefile does.
func TestReadmeTargets(t *testing.T) {
	t.Parallel()
	readme := readFile(t, filepath.Join(root, "README.md"))
	lines := bufio.NewScanner(strings.NewReader(readFile(t, filepath.Join(root, "Makefile"))))
	for lines.Scan() {
		target, ok := strings.CutPrefix(lines.Text(), ".PHONY: ")
		if ok && !strings.Contains(readme, "`make "+target+"`") {
			t.Errorf("README.md does not mention `make %s`", target)
		}
	}
}

// The README counts the codes.
func TestReadmeCounts(t *testing.T) {
	t.Parallel()
	readme := readFile(t, filepath.Join(root, "README.md"))
	for catalog := range mapping.Catalogs() {
		if want := fmt.Sprintf("| `%s` | %d |", catalog.Domain(), catalog.Len()); !strings.Contains(readme, want) {
			t.Errorf("README.md lacks %q", want)
		}
	}
}

// The index has a line for every program, with the command that runs it.
func TestExamplesIndex(t *testing.T) {
	t.Parallel()
	index := readFile(t, "README.md")
	programs, err := filepath.Glob("*/main.go")
	if err != nil || len(programs) == 0 {
		t.Fatalf("there are no examples: %v", err)
	}
	for _, program := range programs {
		dir := filepath.Dir(program)
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			continue // another module has another command
		}
		if want := "go run ./examples/" + dir; !strings.Contains(index, want) {
			t.Errorf("examples/README.md lacks %q", want)
		}
	}
}
