package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
)

// rows returns client, calls, executions and succeeded of each row of the tables, with
// "never" behind where nothing succeeded.
func rows(output string) []string {
	var rows []string
	inTable := false
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "client "):
			inTable = true
		case line == "":
			inTable = false
		case inTable:
			fields := strings.Fields(line)
			if fields[len(fields)-1] == "ms" {
				fields = fields[:len(fields)-2] // how long it took is not for a test
			}
			rows = append(rows, strings.Join(fields, " "))
		}
	}
	return rows
}

func TestRun(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if got := run(t.Context(), []string{"-outage", "500ms"}, &stdout, &stderr); got != cli.OK || stderr.Len() > 0 {
		t.Fatalf("run = %d, stderr %q", got, &stderr)
	}
	want := []string{
		"stock gRPC + config 4 8 4",
		"WithRetry 4 8 4",
		"neither 4 4 0 never",
		// A stock client may not repeat what is not idempotent, because it does not know
		// that nothing was executed.
		"stock gRPC + config 4 4 0 never",
		"WithRetry 4 8 4",
		"neither 4 4 0 never",
	}
	if got := rows(stdout.String()); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the tables have the rows\n%s\nwant\n%s\nin\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), &stdout)
	}
	for text, want := range map[string]int{
		" refused: INVOKE_RATE_LIMITED, SAFE after ": 24,
		" served\n":                       12,
		" gave up: INVOKE_RATE_LIMITED\n": 12,
	} {
		if got := strings.Count(stdout.String(), text); got != want {
			t.Errorf("the timelines have %d times %q, want %d", got, text, want)
		}
	}
}

func TestTimelineIsInOrder(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	if err := play(t.Context(), 0, &stdout); err != nil {
		t.Fatal(err)
	}
	last := -1
	for line := range strings.Lines(stdout.String()) {
		var at int
		if _, err := fmt.Sscanf(line, "%d ms", &at); err != nil {
			last = -1 // another timeline
			continue
		}
		if at < last {
			t.Errorf("an entry of %d ms stands behind one of %d ms", at, last)
		}
		last = at
	}
	for _, row := range rows(stdout.String()) {
		if !strings.HasSuffix(row, " 4 4 4") {
			t.Errorf("without an outage: %q, want 4 calls, 4 executions, 4 successes", row)
		}
	}
}

func TestRunMisuse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-outage", "soon"}, "-outage"},
		{[]string{"-outage", "1ms"}, "10ms to 10s"},
		{[]string{"-outage", "1h"}, "10ms to 10s"},
		{[]string{"now"}, "now"},
	} {
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), tt.args, &stdout, &stderr); got != cli.Misused {
			t.Errorf("run(%q) = %d, want %d", tt.args, got, cli.Misused)
		}
		if !strings.Contains(stderr.String(), tt.want) || stdout.Len() > 0 {
			t.Errorf("run(%q): stdout %q, stderr %q, want %q on stderr", tt.args, &stdout, &stderr, tt.want)
		}
	}
}

func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if got := run(ctx, nil, &stdout, &stderr); got != cli.Failed || !strings.Contains(stderr.String(), "canceled") {
		t.Errorf("run = %d, stderr %q, want %d and the reason", got, &stderr, cli.Failed)
	}
}
