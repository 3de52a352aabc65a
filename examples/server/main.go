// Command server is the first of two terminals: a function platform in memory, whose
// clients run into two dozen of the platform's errors. Command client is the other.
//
//	go run ./examples/server
//	go run ./examples/server -addr 127.0.0.1:50052
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/examples/server/registry"
)

const usage = `server is a function platform in memory. Use it with ./examples/client.

Usage: server [-addr host:port]

  -addr   where to listen (default 127.0.0.1:50051); port 0 takes a free one
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the program. It ends when ctx does, and returns its exit status: 0 if it was
// stopped, 1 if it could not serve, 2 if it was called in the wrong way.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := cli.NewFlags()
	addr := flags.String("addr", "127.0.0.1:50051", "")
	args, err := cli.Parse(flags, args)
	if err == nil {
		err = cli.NoArguments(args)
	}
	if err == nil {
		err = serve(ctx, *addr, stdout)
	}
	return cli.Exit(err, "server", usage, stdout, stderr)
}

// serve serves until ctx ends.
func serve(ctx context.Context, addr string, stdout io.Writer) error {
	listener, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: stop the other server, or take another -addr", addr)
	}
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	fmt.Fprintf(stdout, "listening on %s, Ctrl-C stops\n", listener.Addr())

	srv := registry.NewServer(slog.New(slog.NewTextHandler(stdout, nil)))
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("cannot serve: %w", err)
	case <-ctx.Done():
	}
	stop(srv)
	fmt.Fprintln(stdout, "stopped")
	return nil
}

// grace is how long running calls may take when the server stops.
const grace = 3 * time.Second

// stop waits for running calls, then ends those that are left.
func stop(srv *grpc.Server) {
	timer := time.AfterFunc(grace, srv.Stop)
	defer timer.Stop()
	srv.GracefulStop()
}
