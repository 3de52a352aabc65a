// Compare sends one error through statusmap and through other libraries that carry
// errors over gRPC, checks that what each claims to carry arrives, and prints what it
// costs:
//
//	go run . [-rounds 15] [-sample 60ms]
//
// Times are CPU time, of client, server and garbage collector together (on Linux; time
// of day elsewhere), and medians. Ratios are medians, each taken to the yardstick just
// before and after. Compare ratios: times of other machines or other runs say little.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 15, "how often each operation is sampled, at least 1")
	sample := flag.Duration("sample", 60*time.Millisecond, "how long a sample takes; several runs of the garbage collector should fit")
	flag.Parse()
	if err := run(os.Stdout, max(1, *rounds), *sample); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// row is what is known about a contender.
type row struct {
	*contender
	bytes                                   int
	raise, encode, marshal, decode, foreign timing
	failing, successful                     timing
}

// run checks, measures and prints.
func run(w io.Writer, rounds int, sample time.Duration) error {
	// What a small service has in memory. With an empty heap the garbage collector would
	// run every few thousand operations, and be most of what the cheapest of them cost.
	heap := make([]byte, 16<<20)
	defer runtime.KeepAlive(heap)

	all := contenders()
	rows := make([]*row, len(all))
	var raises, encodes, marshals, decodes, foreigns, fails, succeeds []op
	for i, c := range all {
		size, received := c.deliver(c.raise(7))
		if err := c.check(received, 7); err != nil {
			return err
		}
		rows[i] = &row{contender: c, bytes: size}
		o := opsOf(c)
		raises, encodes, marshals = append(raises, o.raise), append(encodes, o.encode), append(marshals, o.marshal)
		decodes, foreigns = append(decodes, o.decode), append(foreigns, o.foreign)

		failing, err := connect(c, true)
		if err != nil {
			return err
		}
		defer failing.close()
		if err := c.check(failing.call(), failing.calls); err != nil {
			return err
		}
		successful, err := connect(c, false)
		if err != nil {
			return err
		}
		defer successful.close()
		fails = append(fails, func(n int) {
			for range n {
				sink.found = c.is(failing.call())
			}
		})
		succeeds = append(succeeds, func(n int) {
			for range n {
				sink.err = successful.call()
			}
		})
	}
	const plain, naive = 0, 1
	for i, t := range measure(raises, naive, rounds, sample) {
		rows[i].raise = t
	}
	for i, t := range measure(encodes, naive, rounds, sample) {
		rows[i].encode = t
	}
	for i, t := range measure(marshals, naive, rounds, sample) {
		rows[i].marshal = t
	}
	for i, t := range measure(decodes, naive, rounds, sample) {
		rows[i].decode = t
	}
	for i, t := range measure(foreigns, naive, rounds, sample) {
		rows[i].foreign = t
	}
	// A call varies more than a function, so it is sampled more often.
	for i, t := range measure(fails, plain, 2*rounds, sample) {
		rows[i].failing = t
	}
	for i, t := range measure(succeeds, plain, 2*rounds, sample) {
		rows[i].successful = t
	}
	return print(w, rows)
}

// head is what the table begins with.
const head = "| | carries | raise ns | encode ns (× naive) | allocs | to bytes ns (× naive) | bytes | decode ns (× naive) | allocs | foreign ns | failing RPC × plain | successful RPC × plain |\n" +
	"|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"

// label returns what the contender's row begins with.
func (c *contender) label(versions map[string]string) string {
	return fmt.Sprintf("| %s | %s |", strings.TrimSpace(c.name+" "+versions[c.module]), c.carries)
}

// print writes the table in Markdown.
func print(w io.Writer, rows []*row) error {
	versions := versions()
	var b strings.Builder
	b.WriteString(head)
	for _, r := range rows {
		fmt.Fprintf(&b, "%s %.0f | %.0f (%.2f) | %.0f | %.0f (%.2f) | %d | %.0f (%.2f) | %.0f | %.0f | %.2f | %.2f |\n",
			r.label(versions), r.raise.ns,
			r.encode.ns, r.encode.ratio, r.encode.allocs, r.marshal.ns, r.marshal.ratio, r.bytes,
			r.decode.ns, r.decode.ratio, r.decode.allocs, r.foreign.ns,
			r.failing.ratio, r.successful.ratio)
	}
	b.WriteString("\nCarries: C the platform's code, M the message, X the metadata, R the retry hint.\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "- %s: %s\n", r.name, r.note)
	}
	fmt.Fprintf(&b, "\n%s %s/%s, %d CPUs (%s), grpc %s, protobuf %s\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), cpu(),
		versions["google.golang.org/grpc"], versions["google.golang.org/protobuf"])
	_, err := io.WriteString(w, b.String())
	return err
}

// versions returns the versions of the modules in this binary.
func versions() map[string]string {
	v := make(map[string]string)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Replace == nil {
				v[m.Path] = strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	return v
}

// cpu returns the model of the processor, as Linux tells it.
func cpu() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
