package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
)

// A column is what one pairing of server and client saw, call by call.
type column struct {
	name string
	seen []string
}

// printMatrix prints one row for each call.
func printMatrix(w io.Writer, calls []call, columns []column) {
	first := 0
	for _, c := range calls {
		first = max(first, cli.Width(c.name))
	}
	line := func(head string, cell func(column) string) {
		text := cli.Pad(head, first)
		for _, c := range columns {
			text += "  " + cli.Pad(cell(c), c.width())
		}
		fmt.Fprintln(w, strings.TrimRight(text, " "))
	}
	line("", func(c column) string { return c.name })
	for i, call := range calls {
		line(call.name, func(c column) string { return c.seen[i] })
	}
}

func (c column) width() int {
	width := cli.Width(c.name)
	for _, s := range c.seen {
		width = max(width, cli.Width(s))
	}
	return width
}

// check returns an error that names the first cell that is not as it should be.
func check(columns []column) error {
	for _, column := range columns {
		for i, call := range oldCalls() {
			saw := column.seen[i]
			if call.want == "" && saw != "fine" || !strings.Contains(saw, call.want) || strings.HasPrefix(saw, "lost") {
				return fmt.Errorf("%s, %s: saw %q, not %q", column.name, call.name, saw, call.want)
			}
		}
	}
	return nil
}
