package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
)

// log is a timeline of what happened at all clients and servers.
type log struct {
	mu      sync.Mutex
	began   time.Time
	entries []entry
}

type entry struct {
	at           time.Duration
	client, text string
}

func newLog() *log { return &log{began: time.Now()} }

// start begins the timeline anew and returns the time that it begins at.
func (l *log) start() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.began, l.entries = time.Now(), nil
	return l.began
}

func (l *log) add(client, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entry{time.Since(l.began), client, fmt.Sprintf(format, args...)})
}

func (l *log) print(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		fmt.Fprintf(w, "%6d ms  %s  %s\n", e.at.Milliseconds(), cli.Pad(e.client, clientColumn), e.text)
	}
}

const clientColumn = 20

func printResults(w io.Writer, results []result) {
	fmt.Fprintf(w, "%s  %5s  %10s  %9s  %15s\n", cli.Pad("client", clientColumn), "calls", "executions", "succeeded", "time to success")
	for _, r := range results {
		took := "never"
		if r.succeeded > 0 {
			took = fmt.Sprintf("%d ms", r.slowest.Milliseconds())
		}
		fmt.Fprintf(w, "%s  %5d  %10d  %9d  %15s\n", cli.Pad(r.client, clientColumn), calls, r.executions, r.succeeded, took)
	}
}
