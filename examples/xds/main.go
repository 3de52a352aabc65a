// Command xds shows who repeats a call in a mesh without proxies, where the policy of an
// xDS route tells gRPC to: gRPC, this library's client, both, or nobody.
//
//	cd examples/xds && go run .
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

const usage = `xds shows who repeats a call where the policy of an xDS route tells gRPC to.

Usage: xds
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
	return cli.Exit(err, "xds", usage, stdout, stderr)
}

// A scenario is how a service fails, and what the mesh does: which codes of gRPC the route
// repeats, in Envoy's spelling.
type scenario struct {
	retryOn string
	drops   bool  // the mesh drops all calls
	err     error // of the service
}

var scenarios = []scenario{
	{retryOn: "resource-exhausted,unavailable", err: rateLimited},
	{retryOn: "resource-exhausted,unavailable", err: sdk.InnerCommunication},
	// Such a code forbids nothing to gRPC, because no sensible policy lists it.
	{retryOn: "internal", err: sdk.InnerSystemError},
	{retryOn: "unavailable", err: rateLimited},
	{retryOn: "unavailable", drops: true},
}

// rateLimited may be repeated at once.
var rateLimited = sdk.InvokeRateLimited.AsError().RetryAfter(0)

// A user is a way to dial.
type user struct {
	name    string
	options []grpc.DialOption
}

// policy has more attempts than the route.
var policy = interceptor.RetryPolicy{MaxAttempts: attempts + 2, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond, MaxTokens: -1}

var users = []user{
	{"without WithRetry", interceptor.DialOptions()},
	{"with WithRetry", interceptor.DialOptions(interceptor.WithRetry(policy))},
}

// show prints how often a client and the mesh repeat one call of a method that is not
// declared idempotent.
func show(ctx context.Context, w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "THE CLIENT GETS\tTHE MESH REPEATS\tTHE CLIENT IS\tITS ATTEMPTS\tEXECUTIONS")
	for _, s := range scenarios {
		for _, u := range users {
			o, err := call(ctx, s, u)
			if err != nil {
				return err
			}
			mesh := s.retryOn
			if s.drops {
				mesh += ", and drops all"
			}
			fmt.Fprintf(table, "%s, %s, %s\t%s\t%s\t%d\t%d\n",
				o.err.Code().Reason(), o.err.GRPCCode(), o.err.Retry().Class, mesh, u.name, max(1, o.err.Attempts()), o.executions)
		}
	}
	return table.Flush()
}

// An outcome is what one call came to.
type outcome struct {
	executions int64
	err        *mapping.Error
}

// call makes one call, in a mesh of its own.
func call(ctx context.Context, s scenario, u user) (outcome, error) {
	svc := &service{err: s.err}
	srv := grpc.NewServer(interceptor.ServerOptions()...)
	functionv1.RegisterFunctionServiceServer(srv, svc)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return outcome{}, err
	}
	go func() { _ = srv.Serve(lis) }() // ends with Stop
	defer srv.Stop()

	mesh, stop, err := controlPlane(ctx, lis.Addr().(*net.TCPAddr), s.retryOn, s.drops)
	if err != nil {
		return outcome{}, err
	}
	defer stop()
	conn, err := grpc.NewClient("xds:///"+serviceName, append(slices.Clone(u.options), grpc.WithResolvers(mesh), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		return outcome{}, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err = functionv1.NewFunctionServiceClient(conn).Invoke(ctx, new(functionv1.InvokeRequest))
	e, ok := mapping.FromError(err)
	if !ok {
		return outcome{}, errors.Join(errors.New("no error of the service arrived"), err)
	}
	return outcome{svc.executions.Load(), e}, nil
}

// A service ends every call with the same error, and counts them.
type service struct {
	functionv1.UnimplementedFunctionServiceServer
	err        error
	executions atomic.Int64
}

func (s *service) Invoke(context.Context, *functionv1.InvokeRequest) (*functionv1.InvokeResponse, error) {
	s.executions.Add(1)
	return nil, s.err
}
