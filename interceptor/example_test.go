package interceptor_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

// exampleService fails every unary call with err.
type exampleService struct {
	testgrpc.UnimplementedTestServiceServer
	err error
}

func (s exampleService) UnaryCall(context.Context, *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	return nil, s.err
}

// exampleCall makes one call of a service that fails with err, between a server and a
// client with these options, and returns what the client gets.
func exampleCall(err error, server []grpc.ServerOption, client []grpc.DialOption) error {
	lis := bufconn.Listen(1 << 16)
	srv := grpc.NewServer(server...)
	testgrpc.RegisterTestServiceServer(srv, exampleService{err: err})
	go func() { _ = srv.Serve(lis) }()
	defer srv.Stop()
	conn, dialErr := grpc.NewClient("passthrough:///example", append(client,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if dialErr != nil {
		log.Fatal(dialErr)
	}
	defer conn.Close()
	_, callErr := testgrpc.NewTestServiceClient(conn).UnaryCall(context.Background(), &testgrpc.SimpleRequest{})
	return callErr
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
	// INSTANCE_NOT_FOUND (1003): no instance "a1"
	// true true
	// map[instance:a1] HIGHER_LEVEL after 100ms
}

// Errors of a database driver, of which clients must not see more than the code.
func ExampleWithRules() {
	rules := interceptor.WithRules(mapping.WhenIs(sql.ErrNoRows, rest.FunctionNotFound))
	err := exampleCall(fmt.Errorf("select from t_function: %w", sql.ErrNoRows),
		interceptor.ServerOptions(rules), interceptor.DialOptions())
	fmt.Println(err)
	// Output:
	// FUNCTION_NOT_FOUND (4115): The function was never created or has been deleted.
}

// What the client must not see goes to the observer.
func ExampleWithObserver() {
	observe := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
		fmt.Println(ev.Side, ev.Method, "sends", ev.Error.Reason(), "because of:", ev.Cause)
	})
	err := exampleCall(errors.New("dial tcp 10.0.0.7: password rejected"),
		interceptor.ServerOptions(observe), interceptor.DialOptions())
	e, _ := mapping.FromError(err)
	fmt.Println(e.Code(), e.RequestID() != "")
	// Output:
	// server /grpc.testing.TestService/UnaryCall sends INNER_SYSTEM_ERROR because of: dial tcp 10.0.0.7: password rejected
	// INNER_SYSTEM_ERROR (3003): An internal error occurred. true
}
