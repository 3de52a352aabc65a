// Command migration lets an old and a new client call an old and a new server, and
// prints what each of them sees. The old ones know nothing of statuses: errors are codes
// in replies of calls that end OK. The new ones use this module, with the bridges on.
//
//	go run ./examples/migration
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
	inbandv1 "github.com/openyuanrong/statusmap/examples/internal/pb/inband/v1"
)

const usage = `migration lets old and new clients call old and new servers, and prints what each sees.

Usage: migration
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the program. It returns its exit status: 0 if every client saw what it should,
// 1 if not, 2 if it was called in the wrong way.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	args, err := cli.Parse(cli.NewFlags(), args)
	if err == nil {
		err = cli.NoArguments(args)
	}
	if err == nil {
		err = play(ctx, stdout)
	}
	return cli.Exit(err, "migration", usage, stdout, stderr)
}

// play makes all calls in all pairings and prints the matrix.
func play(ctx context.Context, stdout io.Writer) error {
	var atServer, atClient count
	servers := []struct {
		name    string
		service inbandv1.InstanceServiceServer
		options []grpc.ServerOption
	}{
		{"old server", oldServer{}, nil},
		{"new server", newServer{}, newServerOptions(&atServer)},
	}
	clients := []struct {
		name    string
		options []grpc.DialOption
		calls   []call
	}{
		{"old client", nil, oldCalls()},
		{"new client", newDialOptions(&atClient), newCalls()},
	}
	var columns []column
	for _, s := range servers {
		addr, stop, err := serve(s.service, s.options)
		if err != nil {
			return err
		}
		defer stop()
		for _, c := range clients {
			seen, err := see(ctx, addr, c.options, c.calls)
			if err != nil {
				return err
			}
			columns = append(columns, column{s.name + ", " + c.name, seen})
		}
	}
	printMatrix(stdout, oldCalls(), columns)
	fmt.Fprintf(stdout, "\nThe new server's observer counted %d errors in replies and %d as statuses.\n", atServer.inReplies, atServer.asStatuses)
	fmt.Fprintf(stdout, "The new client's observer counted %d errors in replies and %d as statuses.\n", atClient.inReplies, atClient.asStatuses)
	fmt.Fprint(stdout, "Only calls that fail are counted: when no reply was counted for long enough, the options can go.\n")
	return check(columns)
}

// serve starts a server on a loopback port.
func serve(service inbandv1.InstanceServiceServer, options []grpc.ServerOption) (addr string, stop func(), err error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := grpc.NewServer(options...)
	inbandv1.RegisterInstanceServiceServer(srv, service)
	go func() { _ = srv.Serve(lis) }()
	return lis.Addr().String(), srv.Stop, nil
}

// see makes the calls of a client and returns what it saw.
func see(ctx context.Context, addr string, options []grpc.DialOption, calls []call) ([]string, error) {
	conn, err := grpc.NewClient(addr, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var seen []string
	for _, c := range calls {
		seen = append(seen, c.see(ctx, inbandv1.NewInstanceServiceClient(conn)))
	}
	return seen, ctx.Err()
}
