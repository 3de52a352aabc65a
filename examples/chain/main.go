// Command chain shows who sees which error in which order of interceptors: ours, the
// logging, metrics and recovery of go-grpc-middleware, and OpenTelemetry.
//
//	cd examples/chain && go run .
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

const usage = `chain shows who sees which error in which order of interceptors.

Usage: chain
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the program. It returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	args, err := cli.Parse(cli.NewFlags(), args)
	if err == nil {
		err = cli.NoArguments(args)
	}
	if err == nil {
		err = show(ctx, stdout)
	}
	return cli.Exit(err, "chain", usage, stdout, stderr)
}

// secret is what a client and a trace have no business to know.
const secret = "password=hunter2"

// A fault is a way in which a handler fails.
type fault struct {
	name  string
	raise func() error
}

var faults = []fault{
	{"a code", func() error { return sdk.InstanceNotFound }},
	{"a code, wrapped", func() error { return fmt.Errorf("%s: %w", secret, sdk.InstanceNotFound) }},
	{"a code with a cause", func() error { return sdk.InnerCommunication.Wrap(errors.New(secret)) }},
	{"a code because of io.EOF", func() error { return sdk.InnerCommunication.Wrap(io.EOF) }},
	{"a plain error", func() error { return errors.New(secret) }},
	{"io.EOF, wrapped", func() error { return fmt.Errorf("%s: %w", secret, io.EOF) }},
	{"a status", func() error { return status.Error(codes.AlreadyExists, "there is one") }},
	{"a status, wrapped", func() error { return fmt.Errorf("%s: %w", secret, status.Error(codes.AlreadyExists, "there is one")) }},
	{"a context's error", func() error { return context.DeadlineExceeded }},
	{"a context's error, wrapped", func() error { return fmt.Errorf("%s: %w", secret, context.DeadlineExceeded) }},
	{"a panic", func() error { panic(secret) }},
}

// serverOrders are all orders of the three on a server, and what becomes of them with a
// recovery that knows our codes, or with ours.
var serverOrders = []order{
	{observed, mapped, recovers},
	{mapped, observed, recovers},
	{mapped, recovers, observed},
	{observed, recovers, mapped},
	{recovers, observed, mapped},
	{recovers, mapped, observed},
	{recoversToCode, observed, mapped},
	{recoversToCode, mapped, observed},
	{observed, mapsPanics},
	{mapsPanics, observed},
	{recovers, observed, mapsPanics},
	{recovers, mapsPanics, observed},
}

var clientOrders = []order{
	{observed, mapped},
	{mapped, observed},
}

const legend = `What log, metric and span show, and what the client gets. The first link of a chain is the
outermost; the recovery is go-grpc-middleware's, with (code) its handler returns one of ours.
"-" is nothing at all, "!" a secret of the handler.
`

// row formats a line of the tables.
const row = "  %-28s%-18s%-18s%-18s%s\n"

// show prints a table for each order.
func show(ctx context.Context, out io.Writer) error {
	fmt.Fprint(out, legend)
	for _, o := range serverOrders {
		fmt.Fprintf(out, "\nserver: %v\n", o)
		fmt.Fprintf(out, row, "the handler returns", "log", "metric", "span", "client")
		for _, f := range faults {
			got, err := call(ctx, shapes[0], o, order{mapped}, f.raise)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, row, f.name, list(got.server.Log), list(got.server.Metric),
				list(got.server.Span)+mark(got.server.SpanText), clientSees(got.err)+mark(got.wire))
		}
	}
	for _, o := range clientOrders {
		fmt.Fprintf(out, "\nclient: %v\n", o)
		fmt.Fprintf(out, row, "the handler returns", "log", "metric", "span", "caller")
		for _, f := range faults {
			got, err := call(ctx, shapes[0], order{mapsPanics}, o, f.raise)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, row, f.name, list(got.client.Log), list(got.client.Metric),
				list(got.client.Span)+mark(got.client.SpanText), clientSees(got.err)+mark(got.wire))
		}
	}
	return nil
}

// list writes codes out.
func list(seen []codes.Code) string {
	if len(seen) == 0 {
		return "-"
	}
	return strings.Trim(fmt.Sprint(seen), "[]")
}

// mark tells whether a text has a secret in it.
func mark(text string) string {
	if strings.Contains(text, secret) {
		return " !"
	}
	return ""
}

// clientSees names an error, shortly.
func clientSees(err error) string {
	e, ok := mapping.FromError(err)
	switch {
	case !ok:
		return fmt.Sprint(err)
	case e.Code().IsZero() || e.Inferred():
		return e.GRPCCode().String()
	}
	return e.Code().String()
}
