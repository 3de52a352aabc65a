package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

// exampleService fails every call with err.
type exampleService struct {
	testgrpc.UnimplementedTestServiceServer
	err error
}

func (s exampleService) UnaryCall(context.Context, *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	return &testgrpc.SimpleResponse{}, s.err
}

func (s exampleService) StreamingOutputCall(*testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
	return s.err
}

// exampleClient returns a client of a service that fails with err, between a server and
// a client with these options, and a function that ends both.
func exampleClient(err error, server []grpc.ServerOption, client []grpc.DialOption) (testgrpc.TestServiceClient, func()) {
	lis := bufconn.Listen(1 << 16)
	srv := grpc.NewServer(server...)
	testgrpc.RegisterTestServiceServer(srv, exampleService{err: err})
	go func() { _ = srv.Serve(lis) }()
	conn, dialErr := grpc.NewClient("passthrough:///example", append(client,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if dialErr != nil {
		log.Fatal(dialErr)
	}
	return testgrpc.NewTestServiceClient(conn), func() { _ = conn.Close(); srv.Stop() }
}

// exampleCall makes one unary call of such a service and returns what the client gets.
func exampleCall(err error, server []grpc.ServerOption, client []grpc.DialOption) error {
	c, end := exampleClient(err, server, client)
	defer end()
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-request-id", "r7")
	_, callErr := c.UnaryCall(ctx, &testgrpc.SimpleRequest{})
	return callErr
}

// exampleInfo is what gRPC tells an interceptor about a unary call.
var exampleInfo = &grpc.UnaryServerInfo{FullMethod: "/grpc.testing.TestService/UnaryCall"}

// exampleFail returns a handler that fails with err.
func exampleFail(err error) grpc.UnaryHandler {
	return func(context.Context, any) (any, error) { return nil, err }
}

// Two lines, one on each side.
func Example() {
	err := exampleCall(
		fmt.Errorf("lookup: %w", sdk.InstanceNotFound.Errorf("no instance %q", "a1").With("instance", "a1")),
		interceptor.ServerOptions(),
		interceptor.DialOptions(),
	)
	fmt.Println(err)
	fmt.Println(errors.Is(err, sdk.InstanceNotFound), status.Code(err) == codes.NotFound)
	if e, ok := mapping.FromError(err); ok {
		fmt.Println(e.Metadata(), e.Retry())
	}
	// Output:
	// INSTANCE_NOT_FOUND (1003): no instance "a1" (request r7)
	// true true
	// map[instance:a1] HIGHER_LEVEL after 100ms
}
