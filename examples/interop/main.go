// Command interop is a server for clients in other languages: it fails each call with
// the code that the request names, and such clients, without a library of ours, are
// held to what they read. `make interop` runs them.
//
//	go run ./examples/interop -addr 127.0.0.1:50052
//	grpcurl -plaintext -d '{"fault":{"domain":"sdk.yuanrong","number":1003}}' \
//	  127.0.0.1:50052 statusmap.examples.fault.v1.FaultService/Unary
//
// With reflection on, grpcurl learns the types of the details from the server, and
// needs no proto.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	faultv1 "github.com/openyuanrong/statusmap/examples/internal/pb/fault/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

const usage = `interop fails each call with the code that its request names, for clients in other
languages.

Usage: interop [-addr host:port]

  -addr   where to listen (default 127.0.0.1:50052)

Headers of a request:
  interop-failures   fail only this many attempts, then succeed
  interop-delay-ms   ask for this delay before the next attempt

The trailer interop-attempt says which attempt of the call it was, from 1.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the program. It serves until the context ends, and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	addr := "127.0.0.1:50052"
	flags := cli.NewFlags()
	flags.StringVar(&addr, "addr", addr, "")
	args, err := cli.Parse(flags, args)
	if err == nil {
		err = cli.NoArguments(args)
	}
	if err == nil {
		err = serve(ctx, addr, stdout)
	}
	return cli.Exit(err, "interop", usage, stdout, stderr)
}

func serve(ctx context.Context, addr string, stdout io.Writer) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on %s\n", listener.Addr())
	server := newServer()
	go func() {
		<-ctx.Done()
		server.Stop()
	}()
	return server.Serve(listener)
}

func newServer() *grpc.Server {
	server := grpc.NewServer(interceptor.ServerOptions(interceptor.WithCodeInMetadata())...)
	faultv1.RegisterFaultServiceServer(server, service{})
	reflection.Register(server)
	return server
}

type service struct {
	faultv1.UnimplementedFaultServiceServer
}

// Unary fails with the code that the request names.
func (service) Unary(ctx context.Context, req *faultv1.UnaryRequest) (*faultv1.UnaryResponse, error) {
	attempt := 1 + number(ctx, "grpc-previous-rpc-attempts", 0)
	if err := grpc.SetTrailer(ctx, metadata.Pairs("interop-attempt", strconv.Itoa(attempt))); err != nil {
		return nil, err
	}
	fault := req.GetFault()
	code, ok := mapping.Lookup(fault.GetDomain(), fault.GetNumber())
	if !ok {
		return nil, sdk.ParamInvalid.Errorf("no code %d in domain %q", fault.GetNumber(), fault.GetDomain())
	}
	if failures := number(ctx, "interop-failures", -1); failures >= 0 && attempt > failures {
		return &faultv1.UnaryResponse{}, nil
	}
	e := code.With("method", "Unary")
	if delay := number(ctx, "interop-delay-ms", -1); delay >= 0 {
		e = e.RetryAfter(time.Duration(delay) * time.Millisecond)
	}
	return nil, e
}

// number returns the number in a header of the request, or the default.
func number(ctx context.Context, header string, byDefault int) int {
	for _, text := range metadata.ValueFromIncomingContext(ctx, header) {
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
	}
	return byDefault
}
