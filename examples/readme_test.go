// Package examples_test holds the documents to the code.
package examples_test

import (
	"bufio"
	"fmt"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
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
	line     int // of the fence that opens it
	language string
	marker   string // the line before the fence
	text     string
}

// blocks returns the code in a document.
func blocks(document string) []block {
	var all []block
	var open *block
	before := ""
	for i, line := range strings.Split(document, "\n") {
		trimmed := strings.TrimSpace(line)
		language, isFence := strings.CutPrefix(trimmed, "```")
		switch {
		case isFence && open == nil:
			open = &block{line: i + 1, language: language, marker: before}
		case isFence:
			all = append(all, *open)
			open, before = nil, ""
		case open != nil:
			open.text += line + "\n"
		case trimmed != "":
			before = trimmed
		}
	}
	return all
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

// program returns a Go file without its package comment and the marks of regions.
func program(source string) string {
	var b strings.Builder
	code := source[strings.Index(source, "\npackage ")+1:]
	empty := false
	for line := range strings.Lines(code) {
		marker := strings.TrimSpace(line)
		if strings.HasPrefix(marker, "// region: ") || marker == "// endregion" {
			continue
		}
		if marker != "" || !empty { // where a mark stood alone two empty lines meet
			b.WriteString(line)
		}
		empty = marker == ""
	}
	return b.String()
}

// output returns what the example named Example in a Go file has to print.
func output(t *testing.T, path string) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, example := range doc.Examples(file) {
		if example.Name == "" {
			return example.Output
		}
	}
	return ""
}

var (
	codeRule   = regexp.MustCompile(`^<!-- (examples/\S+\.go)(?:#([a-z-]+))? -->$`)
	outputRule = regexp.MustCompile(`^<!-- output of (examples/\S+_test\.go) -->$`)
)

// Every block in the README is held to something that is compiled or run. The line before
// its fence says what it is:
//
//   - Go: a file, <!-- examples/file.go -->, or a region of one, with #region behind the
//     name; the parts of a region may stand there in any order, with an empty line between
//     them;
//   - text: what an example prints, <!-- output of examples/file_test.go -->;
//   - proto: a part of the documentation of the plugin, which make plugin-test follows;
//   - sh: commands, which make readme runs.
func TestReadmeBlocks(t *testing.T) {
	t.Parallel()
	plugin := readFile(t, filepath.Join(root, "mapping/protoc-gen-statusmap/main.go"))
	count := map[string]int{}
	for _, b := range blocks(readFile(t, filepath.Join(root, "README.md"))) {
		count[b.language]++
		fail := func(format string, args ...any) {
			t.Errorf("README.md:%d: %s", b.line, fmt.Sprintf(format, args...))
		}
		switch b.language {
		case "go":
			marker := codeRule.FindStringSubmatch(b.marker)
			if marker == nil {
				fail("no line <!-- examples/file.go#region --> before the code")
				continue
			}
			source := readFile(t, filepath.Join(root, marker[1]))
			parts := []string{program(source)}
			if marker[2] != "" {
				parts = region(source, marker[2])
			}
			if !isMadeOf(b.text, parts) {
				fail("the code differs from %s, which has:\n%s", marker[0], strings.Join(parts, "\n"))
			}
		case "text":
			marker := outputRule.FindStringSubmatch(b.marker)
			if marker == nil {
				fail("no line <!-- output of examples/file_test.go --> before the text")
				continue
			}
			if want := output(t, filepath.Join(root, marker[1])); b.text != want {
				fail("the text differs from the output of the example, which is:\n%s", want)
			}
		case "proto":
			commented := "//\t" + strings.ReplaceAll(strings.TrimSuffix(b.text, "\n"), "\n", "\n//\t")
			if !strings.Contains(plugin, strings.ReplaceAll(commented, "//\t\n", "//\n")) {
				fail("the documentation of the plugin does not have it")
			}
		case "sh": // see TestCommands
		default:
			fail("nothing checks blocks of %q", b.language)
		}
	}
	for _, language := range []string{"go", "text", "proto", "sh"} {
		if count[language] == 0 {
			t.Errorf("the README has no block of %s", language)
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
	want := []block{{2, "sh", "a", "go\n"}, {6, "go", "<!-- m -->", "f()\n"}}
	if got := blocks("a\n```sh\ngo\n```\n<!-- m -->\n```go\nf()\n```\n"); !slices.Equal(got, want) {
		t.Errorf("blocks = %+v, want %+v", got, want)
	}
	if got, want := program("// Doc.\npackage p\n\n// region: a\nx\n\n// endregion\n\ny\n"), "package p\n\nx\n\ny\n"; got != want {
		t.Errorf("program = %q, want %q", got, want)
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

// The README says of each option of the interceptors what it is for.
func TestReadmeOptions(t *testing.T) {
	t.Parallel()
	readme := readFile(t, filepath.Join(root, "README.md"))
	table, _, _ := strings.Cut(readme[strings.Index(readme, "\n## Which option\n")+1:], "\n## ")
	sources, err := filepath.Glob(filepath.Join(root, "interceptor", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		for _, option := range optionRule.FindAllStringSubmatch(readFile(t, source), -1) {
			found++
			if !strings.Contains(table, "`"+option[1]+"`") {
				t.Errorf("the table of options in README.md lacks %s", option[1])
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d options are found in the sources", found)
	}
}

var optionRule = regexp.MustCompile(`(?m)^func ([A-Z]\w*)\(.*\) (?:Server|Client|grpc\.Call)?Option \{`)

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
