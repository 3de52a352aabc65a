package main

import (
	"os"
	"strings"
	"testing"
)

// Nothing is worth timing that does not arrive.
func TestWhatIsClaimedArrives(t *testing.T) {
	for _, c := range contenders() {
		t.Run(c.name, func(t *testing.T) {
			_, received := c.deliver(c.raise(7))
			if err := c.check(received, 7); err != nil {
				t.Errorf("directly: %v", err)
			}

			l, err := connect(c, true)
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			for range 3 {
				err := l.call()
				if err := c.check(err, l.calls); err != nil {
					t.Errorf("end to end: %v", err)
				}
			}

			ok, err := connect(c, false)
			if err != nil {
				t.Fatal(err)
			}
			defer ok.close()
			if err := ok.call(); err != nil {
				t.Errorf("a call that succeeds: %v", err)
			}
		})
	}
}

// TestReadme holds the table in README.md to what is compared here: the contenders and
// their versions, and what each carries. The figures are those of one run.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(readme), head)
	if !found {
		t.Fatal("README.md has no such table")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")
	all := contenders()
	if len(rows) != len(all) {
		t.Errorf("README.md has %d rows, want %d", len(rows), len(all))
	}
	versions := versions()
	for i, c := range all[:min(len(rows), len(all))] {
		if !strings.HasPrefix(rows[i], c.label(versions)) {
			t.Errorf("README.md has\n%s\nwant a row that begins with\n%s", rows[i], c.label(versions))
		}
	}
}
