// Command gateway is the function service of ./examples/server with a REST API in front,
// made by grpc-gateway. Its errors have the body that the platform documents.
//
//	cd examples/gateway && go run .
//	curl -i localhost:8080/v1/functions/nobody
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/examples/server/registry"
	"github.com/openyuanrong/statusmap/interceptor"
)

const usage = `gateway is a function platform in memory with a REST API.

Usage: gateway [-addr host:port]

  -addr   where to listen (default 127.0.0.1:8080); port 0 takes a free one
`

const hints = `Try, in another terminal:

  curl -i %[1]s/v1/functions/nobody
  curl -i %[1]s/v1/functions -d '{"name":"hello","handler":"echo","memoryMib":128}'
  curl -i %[1]s/v1/functions/hello/invocations -d '{"payload":"world"}'
  curl -i %[1]s/v1/functions/hello/instances -X PUT -d '{"instances":9999}'
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
	addr := flags.String("addr", "127.0.0.1:8080", "")
	args, err := cli.Parse(flags, args)
	if err == nil {
		err = cli.NoArguments(args)
	}
	if err == nil {
		err = serve(ctx, *addr, stdout)
	}
	return cli.Exit(err, "gateway", usage, stdout, stderr)
}

// serve serves until ctx ends.
func serve(ctx context.Context, addr string, stdout io.Writer) error {
	listener, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: take another -addr", addr)
	}
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	defer listener.Close()
	conn, stop, err := service(slog.New(slog.NewTextHandler(stdout, nil)))
	if err != nil {
		return err
	}
	defer stop()
	handler, err := newGateway(conn)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on http://%s, Ctrl-C stops\n\n", listener.Addr())
	fmt.Fprintf(stdout, hints, listener.Addr())

	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("cannot serve: %w", err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	_ = srv.Shutdown(ending)
	fmt.Fprintln(stdout, "stopped")
	return nil
}

// service starts the gRPC service on a loopback port and returns a connection to it.
func service(log *slog.Logger) (conn *grpc.ClientConn, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	srv := registry.NewServer(log)
	go func() { _ = srv.Serve(listener) }()
	creds := grpc.WithTransportCredentials(insecure.NewCredentials())
	conn, err = grpc.NewClient(listener.Addr().String(), append(interceptor.DialOptions(), creds)...)
	if err != nil {
		srv.Stop()
		return nil, nil, err
	}
	return conn, func() {
		_ = conn.Close()
		srv.Stop()
	}, nil
}
