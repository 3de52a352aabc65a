package fault_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/fault"
)

const method = "/grpc.testing.TestService/UnaryCall"

// A client is tested against a server that refuses for a while, without the server.
func Example() {
	faults := fault.New(
		fault.On(method, sdk.InvokeRateLimited.AsError().RetryAfter(0)).Times(2),
		fault.On(method, sdk.ParamInvalid.Errorf("no size")),
	)
	dial := append(interceptor.DialOptions(interceptor.WithRetry(interceptor.RetryPolicy{})), faults.DialOptions()...)
	conn, err := grpc.NewClient("passthrough:///no.server", append(dial, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		panic(err)
	}
	defer conn.Close()

	_, err = testgrpc.NewTestServiceClient(conn).UnaryCall(context.Background(), &testgrpc.SimpleRequest{})
	fmt.Println(err)
	fmt.Println(faults.Failed(method), "attempts")

	// Output:
	// PARAM_INVALID (1001): no size
	// 3 attempts
}

// Rules are asked in order; one whose turns are over passes the call to the next.
func ExampleOn() {
	faults := fault.New(
		fault.On(method, sdk.InvokeRateLimited).Times(1),
		fault.On(method, sdk.InstanceExited).After(1),
		fault.On("/grpc.testing.TestService/*", nil), // all others succeed
		fault.On("*", sdk.InnerCommunication),
	)
	server := faults.UnaryServer()
	call := func(method string) {
		_, err := server(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: method},
			func(context.Context, any) (any, error) { return nil, nil })
		fmt.Println(err)
	}
	call(method)
	call(method)
	call(method)
	call("/grpc.testing.TestService/EmptyCall")
	call("/acme.v1.Store/Get")
	// Output:
	// INVOKE_RATE_LIMITED (1005): The request limit has been reached.
	// <nil>
	// INSTANCE_EXITED (1007): The instance exited after exit or signal 15.
	// <nil>
	// INNER_COMMUNICATION (3002): A communication error occurred.
}
