package cli_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args   []string
		n      int
		others []string
		misuse string
	}{
		{args: nil},
		{args: []string{"a", "-n", "3", "b"}, n: 3, others: []string{"a", "b"}},
		{args: []string{"-n=3", "a"}, n: 3, others: []string{"a"}},
		{args: []string{"a", "--", "-n", "b"}, others: []string{"a", "-n", "b"}},
		{args: []string{"a", "-x"}, misuse: "-x"},
		{args: []string{"-n", "many"}, misuse: `"many"`},
	} {
		flags := cli.NewFlags()
		n := flags.Int("n", 0, "")
		others, err := cli.Parse(flags, tt.args)
		if tt.misuse != "" {
			var misuse cli.Misuse
			if !errors.As(err, &misuse) || !strings.Contains(err.Error(), tt.misuse) {
				t.Errorf("Parse(%q) = %v, want a Misuse that names %s", tt.args, err, tt.misuse)
			}
			continue
		}
		if err != nil || *n != tt.n || !slices.Equal(others, tt.others) {
			t.Errorf("Parse(%q) = %q, %v with n = %d, want %q with n = %d", tt.args, others, err, *n, tt.others, tt.n)
		}
	}
}

func TestExit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err                    error
		status                 int
		wantStdout, wantStderr string
	}{
		{nil, cli.OK, "", ""},
		{flag.ErrHelp, cli.OK, "how to\n", ""},
		{cli.Misusef("no %q", "x"), cli.Misused, "", "prog: no \"x\"\n\nhow to\n"},
		{errors.New("boom"), cli.Failed, "", "prog: boom\n"},
		{cli.ErrReported, cli.Failed, "", ""},
	} {
		var stdout, stderr bytes.Buffer
		status := cli.Exit(tt.err, "prog", "how to\n", &stdout, &stderr)
		if status != tt.status || stdout.String() != tt.wantStdout || stderr.String() != tt.wantStderr {
			t.Errorf("Exit(%v) = %d, stdout %q, stderr %q, want %d, %q, %q",
				tt.err, status, &stdout, &stderr, tt.status, tt.wantStdout, tt.wantStderr)
		}
	}
}

func TestWidth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"":         0,
		"retry":    5,
		"重试":       4,
		"gRPC 码":   7,
		"a,b。":     5, // the comma is ASCII, the full stop is not
		"e\u0301":  1,
		"\u200bab": 2,
		"ハン한":      6,
		"Ａ１":       4,
		"ﾊ":        1, // half-width
		"…×é":      3,
		"𠀀":        2,
	} {
		if got := cli.Width(text); got != want {
			t.Errorf("Width(%q) = %d, want %d", text, got, want)
		}
		if got := cli.Width(cli.Pad(text, 9)); got != 9 {
			t.Errorf("Pad(%q, 9) takes %d columns, want 9", text, got)
		}
	}
	if got := cli.Pad("重试", 2); got != "重试" {
		t.Errorf("Pad does not leave a longer text alone: %q", got)
	}
}

// What is redirected has no colour. A terminal cannot be had in a test; the null device
// is a character device as well.
func TestPaint(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	if got := cli.PaintFor(device).In(cli.Red, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("on a device: %q, want it red", got)
	}
	if cli.PaintFor(file) || cli.PaintFor(new(bytes.Buffer)) {
		t.Error("a file or a buffer has colours")
	}
	if got := cli.Paint(false).In(cli.Red, "x"); got != "x" {
		t.Errorf("no paint: %q, want x", got)
	}
	t.Setenv("NO_COLOR", "1")
	if cli.PaintFor(device) {
		t.Error("colours in spite of NO_COLOR")
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	if cli.PaintFor(device) {
		t.Error("colours on a dumb terminal")
	}
}
