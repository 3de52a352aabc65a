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

// A client is tested against a server that refuses for a while, without the server.
func Example() {
	const method = "/grpc.testing.TestService/UnaryCall"
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
