// Command hello is the shortest whole program: a server whose handler returns an error,
// and a client that holds the same one. It is what README.md begins with.
//
//	go run ./examples/hello
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

// server is gRPC's health service, for which no code has to be generated.
type server struct {
	healthv1.UnimplementedHealthServer
}

// region: handler
func (server) Check(_ context.Context, req *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	return nil, sdk.InstanceNotFound.Errorf("no instance of %q", req.GetService()).With("function", req.GetService())
}

// endregion

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	srv := grpc.NewServer(interceptor.ServerOptions()...) // one line in the server
	healthv1.RegisterHealthServer(srv, server{})
	go func() { log.Fatal(srv.Serve(listener)) }()

	opts := append(interceptor.DialOptions(), // and one in the client
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient(listener.Addr().String(), opts...)
	if err != nil {
		log.Fatal(err)
	}
	_, err = healthv1.NewHealthClient(conn).Check(context.Background(), &healthv1.HealthCheckRequest{Service: "hello"})

	// region: reading
	if e, ok := mapping.FromError(err); ok && errors.Is(e, sdk.InstanceNotFound) {
		fmt.Println(e)
		fmt.Println(e.GRPCCode(), e.Metadata(), e.Retry())
		fmt.Println(e.Code().Describe("zh"))
	}
	// endregion
}
