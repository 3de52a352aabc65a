// Command retry lets three clients call a server that is overloaded and then recovers:
// a stock gRPC client with a generated service config, one with the retries of this
// module, and one with neither. It prints what happened when, and what came of it.
//
//	go run ./examples/retry
//	go run ./examples/retry -outage 2s
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
)

const usage = `retry lets three clients call a server that is overloaded and then recovers.

Usage: retry [-outage duration]

  -outage   how long the server is overloaded, 10ms to 10s (default 300ms)
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the program. It returns its exit status: 0 if it ran to its end, 1 if it did
// not, 2 if it was called in the wrong way.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := cli.NewFlags()
	outage := flags.Duration("outage", 300*time.Millisecond, "")
	args, err := cli.Parse(flags, args)
	if err == nil {
		err = cli.NoArguments(args)
	}
	if err == nil && (*outage < 10*time.Millisecond || *outage > 10*time.Second) {
		err = cli.Misusef("-outage is %v, not 10ms to 10s", *outage)
	}
	if err == nil {
		err = play(ctx, *outage, stdout)
	}
	return cli.Exit(err, "retry", usage, stdout, stderr)
}

// play goes through one outage for each of two methods.
func play(ctx context.Context, outage time.Duration, stdout io.Writer) error {
	for i, m := range methods() {
		if i > 0 {
			fmt.Fprintln(stdout)
		}
		fmt.Fprintf(stdout, "%s, which is %s. The server is overloaded for %v.\n\n", m.name, m.about, outage)
		log := newLog()
		results, err := side(ctx, m, outage, log)
		if err != nil {
			return err
		}
		log.print(stdout)
		fmt.Fprintln(stdout)
		printResults(stdout, results)
	}
	return nil
}
