// Command client is the second of two terminals: it talks to command server and shows
// what a client knows about an error.
//
//	go run ./examples/client create hello
//	go run ./examples/client invoke hello world
//	go run ./examples/client -lang zh get nobody
//	go run ./examples/client help
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are the values of all flags.
type options struct {
	addr    string
	lang    cli.Lang
	timeout time.Duration

	handler  string
	memory   int
	revision string
	page     int
	size     int
	times    int
}

// common defines the flags that every subcommand has.
func (o *options) common(flags *flag.FlagSet) {
	flags.StringVar(&o.addr, "addr", o.addr, "")
	flags.Var(&o.lang, "lang", "")
	flags.DurationVar(&o.timeout, "timeout", o.timeout, "")
}

// run is the program. It returns its exit status: 0 if the call succeeded, 1 if it
// failed, 2 if the program was called in the wrong way.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts := options{addr: "127.0.0.1:50051", lang: "en", timeout: 10 * time.Second, times: 1}
	cmd, args, err := parse(&opts, args)
	if err != nil {
		return cli.Exit(err, "client", usage(), stdout, stderr)
	}
	err = execute(ctx, cmd, args, opts, stdout)
	if e, ok := mapping.FromError(err); ok {
		report{opts.lang, cli.PaintFor(stderr), stderr}.print(e, opts.addr)
		err = cli.ErrReported
	}
	return cli.Exit(err, "client", usage(), stdout, stderr)
}

// parse returns the subcommand and its arguments.
func parse(opts *options, args []string) (*command, []string, error) {
	flags := cli.NewFlags()
	opts.common(flags)
	args, err := cli.ParseFront(flags, args)
	if err != nil {
		return nil, nil, err
	}
	if len(args) == 0 {
		return nil, nil, cli.Misusef("a subcommand is missing")
	}
	if args[0] == "help" {
		return nil, nil, flag.ErrHelp
	}
	cmd := find(args[0])
	if cmd == nil {
		return nil, nil, cli.Misusef("unknown subcommand %q", args[0])
	}
	flags = cli.NewFlags()
	opts.common(flags)
	if cmd.flags != nil {
		cmd.flags(flags, opts)
	}
	args, err = cli.Parse(flags, args[1:])
	switch {
	case err != nil:
	case len(args) < cmd.least || len(args) > cmd.most:
		err = cli.Misusef("%s takes other arguments: %s %s", cmd.name, cmd.name, cmd.params)
	case opts.timeout <= 0:
		err = cli.Misusef("-timeout must be above zero")
	case opts.times < 1:
		err = cli.Misusef("-times must be above zero")
	}
	return cmd, args, err
}

// execute connects and runs the subcommand.
func execute(ctx context.Context, cmd *command, args []string, opts options, stdout io.Writer) (err error) {
	creds := grpc.WithTransportCredentials(insecure.NewCredentials())
	conn, err := grpc.NewClient(opts.addr, append(interceptor.DialOptions(), creds)...)
	if err != nil {
		return fmt.Errorf("-addr %q: %w", opts.addr, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()

	ctx, cancel := context.WithTimeout(ctx, opts.timeout)
	defer cancel()
	// The server names the request by this id, in its log and in its errors.
	ctx = metadata.AppendToOutgoingContext(ctx, "x-request-id", rand.Text())
	return cmd.run(ctx, &call{functionv1.NewFunctionServiceClient(conn), args, opts, stdout})
}
