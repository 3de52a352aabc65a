// Command quickstart sends every error that openYuanrong documents from a server to a
// client, over TCP and in each of the four kinds of RPC, and checks that the client
// gets what the server raised.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -lang zh
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	faultv1 "github.com/openyuanrong/statusmap/examples/internal/pb/fault/v1"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

const usage = `quickstart sends every error of the platform in each of the four kinds of RPC, from a
server to a client, and checks what arrives.

Usage: quickstart [-lang en|zh]

  -lang   the language of the table (default en)
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the program. It returns its exit status: 0 if every error was recognised, 1
// if one was not, 2 if it was called in the wrong way.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	lang := cli.Lang("en")
	flags := cli.NewFlags()
	flags.Var(&lang, "lang", "")
	args, err := cli.Parse(flags, args)
	if err == nil {
		err = cli.NoArguments(args)
	}
	if err == nil {
		p := printer{lang: lang, paint: cli.PaintFor(stdout), stdout: stdout, stderr: stderr}
		err = play(ctx, &faults{raise: raise}, p)
	}
	return cli.Exit(err, "quickstart", usage, stdout, stderr)
}

// play has the service raise every code, and prints what comes of it.
func play(ctx context.Context, service *faults, p printer) error {
	client, stop, err := start(service)
	if err != nil {
		return err
	}
	defer stop()

	var total tally
	for catalog := range mapping.Catalogs() {
		received := make([]*mapping.Error, 0, catalog.Len())
		for code := range catalog.All() {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			e, wrong := try(ctx, client, code)
			received = append(received, e)
			total.count(wrong)
			p.wrong(wrong)
		}
		p.table(catalog, received)
	}
	p.summary(total)
	if total.recognised != total.sent {
		return fmt.Errorf("%d of %d errors were not recognised", total.sent-total.recognised, total.sent)
	}
	return nil
}

// start returns a client that is connected to a server of its own.
func start(service *faults) (_ faultv1.FaultServiceClient, stop func(), _ error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	server := grpc.NewServer(interceptor.ServerOptions()...)
	faultv1.RegisterFaultServiceServer(server, service)
	go func() { _ = server.Serve(listener) }() // returns when the server is stopped

	plaintext := grpc.WithTransportCredentials(insecure.NewCredentials())
	conn, err := grpc.NewClient(listener.Addr().String(), append(interceptor.DialOptions(), plaintext)...)
	if err != nil {
		server.Stop()
		return nil, nil, err
	}
	return faultv1.NewFaultServiceClient(conn), func() { _ = conn.Close(); server.Stop() }, nil
}
