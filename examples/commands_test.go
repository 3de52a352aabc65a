//go:build readme

package examples_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// aLog is the log that the README pipes into a command.
const aLog = "10:00:01 ERROR invoke failed: code: 1003, message: no instance a1\n"

// resultRule is a comment behind a command that names the code which it ends with.
var resultRule = regexp.MustCompile(`# ([A-Z]+(?:_[A-Z]+)+)`)

// A workplace is a folder of a user, beside a checkout.
type workplace struct {
	checkout string
	folder   string // empty at first
	log      string
}

func newWorkplace(t *testing.T) workplace {
	t.Helper()
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	w := workplace{checkout, filepath.Join(work, "hello"), filepath.Join(work, "service.log")}
	if err := os.Mkdir(w.folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(checkout, filepath.Join(work, "statusmap")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.log, []byte(aLog), 0o666); err != nil {
		t.Fatal(err)
	}
	return w
}

// save saves a program of a document, if b is one.
func (w workplace) save(t *testing.T, b block) bool {
	t.Helper()
	if b.language != "go" || !strings.HasPrefix(b.text, "package main\n") {
		return false
	}
	if err := os.WriteFile(filepath.Join(w.folder, "main.go"), []byte(b.text), 0o666); err != nil {
		t.Fatal(err)
	}
	return true
}

// shell runs commands and returns what they print.
func shell(dir, commands string) (string, error) {
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", commands)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The commands of the documents, from an empty folder on, do what is said of them.
func TestCommands(t *testing.T) {
	w := newWorkplace(t)
	server := startServer(t, w.checkout, t.TempDir())

	inFolder, ran := false, 0
	for _, document := range []string{"README.md", "examples/README.md"} {
		for _, b := range blocks(readFile(t, filepath.Join(root, document))) {
			switch {
			case w.save(t, b), b.language != "sh":
				continue
			case strings.HasPrefix(b.text, "go mod init "):
				inFolder = true
			case strings.Contains(b.text, "./examples/"):
				inFolder = false
			}
			dir := w.checkout
			if inFolder {
				dir = w.folder
			}
			for line := range strings.Lines(b.text) {
				line = strings.TrimSpace(line)
				command := strings.NewReplacer("service.log", w.log, "./examples/client", "./examples/client -addr "+server).Replace(line)
				out, err := shell(dir, command)
				ran++
				if code := resultRule.FindStringSubmatch(line); code != nil {
					if err == nil || !strings.Contains(out, code[1]) {
						t.Errorf("%s:%d: %s ends with %v, not with %s:\n%s", document, b.line, line, err, code[1], out)
					}
				} else if err != nil {
					t.Errorf("%s:%d: %s: %v\n%s", document, b.line, line, err, out)
				}
				if line == "go run ." {
					if want := output(t, "hello/main_test.go"); out != want {
						t.Errorf("%s:%d: %s prints\n%swant\n%s", document, b.line, line, out, want)
					}
				}
			}
		}
	}
	if ran < 15 {
		t.Errorf("only %d commands", ran)
	}
}

// The way to the first typed error, which is to work with the oldest version of Go too: make
// readme runs it with that one.
func TestFromNothing(t *testing.T) {
	w := newWorkplace(t)
	var commands strings.Builder
	for _, b := range blocks(readFile(t, filepath.Join(root, "README.md"))) {
		if w.save(t, b) || b.language != "sh" {
			continue
		}
		commands.WriteString(b.text)
		if strings.Contains(b.text, "go run .\n") {
			break
		}
	}
	out, err := shell(w.folder, commands.String())
	if want := output(t, "hello/main_test.go"); err != nil || !strings.HasSuffix(out, want) {
		t.Errorf("%s%v; prints\n%swant, at the end,\n%s", &commands, err, out, want)
	}
}

// startServer starts the first of two terminals and returns its address.
func startServer(t *testing.T, repository, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "server")
	if out, err := shell(repository, "go build -o "+program+" ./examples/server"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "-addr", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
	if err != nil || addr == "" {
		t.Fatalf("the server says %q, %v", line, err)
	}
	return addr
}
