package interceptor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/fault"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// Every error of a call is a *mapping.Error, that of a plain status too.
func ExampleDialOptions() {
	err := exampleCall(status.Error(codes.PermissionDenied, "not yours"), nil, interceptor.DialOptions())

	var e *mapping.Error
	fmt.Println(errors.As(err, &e))
	fmt.Println(e.GRPCCode(), e.Message(), e.Code().IsZero())
	// Output:
	// true
	// PermissionDenied not yours true
}

// The interceptors can also be put into a chain by hand. What stands inside sees gRPC's
// plain error.
func ExampleUnaryClient() {
	logging := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoker(ctx, method, req, reply, cc, opts...)
		fmt.Println("logged:", err)
		return err
	}
	opts := []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(interceptor.UnaryClient(), logging),
		grpc.WithChainStreamInterceptor(interceptor.StreamClient()),
		interceptor.Announce(),
	}

	err := exampleCall(sdk.InstanceNotFound, interceptor.ServerOptions(), opts)
	fmt.Println("caller:", err)
	// Output:
	// logged: rpc error: code = NotFound desc = No such instance.
	// caller: INSTANCE_NOT_FOUND (1003): No such instance. (request r7)
}

// The error comes from Recv, and io.EOF stays io.EOF.
func ExampleStreamClient() {
	for _, end := range []error{sdk.InstanceExited, nil} {
		client, stop := exampleClient(end, interceptor.ServerOptions(),
			[]grpc.DialOption{grpc.WithChainStreamInterceptor(interceptor.StreamClient())})
		stream, err := client.StreamingOutputCall(context.Background(), &testgrpc.StreamingOutputCallRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		fmt.Println(errors.Is(err, sdk.InstanceExited), err == io.EOF)
		stop()
	}
	// Output:
	// true false
	// false true
}

// The catalogue of a team; generated code has such a function.
func exampleCatalog() *mapping.Catalog {
	row := &rpcerr.Row{Domain: "billing.acme", Number: 1003, Reason: "NO_CREDIT", GRPC: codes.FailedPrecondition,
		EN: rpcerr.Text{Description: "The account has no money left."}}
	page := [256]uint16{1003 & 255: 1}
	catalog := rpcerr.CatalogOf("billing.acme", []*rpcerr.Row{row}, []uint16{3: 1}, [][256]uint16{{}, page})
	return &catalog
}

// A client that knows a team's catalogue describes the team's codes.
func ExampleWithCatalogs() {
	billing := exampleCatalog()
	noCredit, _ := billing.Lookup(1003)

	for _, opts := range [][]interceptor.ClientOption{nil, {interceptor.WithCatalogs(billing)}} {
		err := exampleCall(noCredit.Errorf("2 credits are missing"), interceptor.ServerOptions(), interceptor.DialOptions(opts...))
		e, _ := mapping.FromError(err)
		fmt.Printf("%v - %v %q\n", e, e.Code() == noCredit, e.Code().Describe("en"))
	}
	// Output:
	// NO_CREDIT (1003): 2 credits are missing (request r7) - false ""
	// NO_CREDIT (1003): 2 credits are missing (request r7) - true "The account has no money left."
}

// A server that is overloaded for two calls, and a client that waits as it is told.
func ExampleWithRetry() {
	const method = "/grpc.testing.TestService/UnaryCall"
	overloaded := fault.New(fault.On(method, sdk.InvokeRateLimited.AsError().RetryAfter(0)).Times(2))
	server := append(interceptor.ServerOptions(), overloaded.ServerOptions()...)

	err := exampleCall(nil, server, interceptor.DialOptions(interceptor.WithRetry(interceptor.RetryPolicy{})))
	fmt.Println(err, "after", overloaded.Calls(method), "attempts")
	// Output:
	// <nil> after 3 attempts
}

// An error after which only calls of idempotent methods may be repeated.
func ExampleWithIdempotent() {
	const method = "/grpc.testing.TestService/UnaryCall"
	broken := sdk.InnerCommunication.AsError().RetryAfter(0)
	retry := interceptor.WithRetry(interceptor.RetryPolicy{})

	for _, opts := range [][]interceptor.ClientOption{{retry}, {retry, interceptor.WithIdempotent(method)}} {
		flaky := fault.New(fault.On(method, broken).Times(1))
		err := exampleCall(nil, append(interceptor.ServerOptions(), flaky.ServerOptions()...), interceptor.DialOptions(opts...))
		fmt.Println(err)
	}
	// Output:
	// INNER_COMMUNICATION (3002): A communication error occurred. (request r7)
	// <nil>
}

// A caller knows that this call is idempotent, whatever the method is.
func ExampleCallIdempotent() {
	const method = "/grpc.testing.TestService/UnaryCall"
	flaky := fault.New(fault.On(method, sdk.InnerCommunication.AsError().RetryAfter(0)).Times(1))
	client, end := exampleClient(nil, append(interceptor.ServerOptions(), flaky.ServerOptions()...),
		interceptor.DialOptions(interceptor.WithRetry(interceptor.RetryPolicy{})))
	defer end()

	_, err := client.UnaryCall(context.Background(), &testgrpc.SimpleRequest{}, interceptor.CallIdempotent())
	fmt.Println(err)
	// Output:
	// <nil>
}

// Fewer attempts, or none but the first, for one call.
func ExampleCallMaxAttempts() {
	down := fault.New(fault.On("*", sdk.InvokeRateLimited.AsError().RetryAfter(0)))
	client, end := exampleClient(nil, append(interceptor.ServerOptions(), down.ServerOptions()...),
		interceptor.DialOptions(interceptor.WithRetry(interceptor.RetryPolicy{MaxTokens: -1})))
	defer end()

	for _, opts := range [][]grpc.CallOption{{interceptor.CallWithoutRetry()}, {interceptor.CallMaxAttempts(2)}, nil} {
		_, err := client.UnaryCall(context.Background(), &testgrpc.SimpleRequest{}, opts...)
		e, _ := mapping.FromError(err)
		fmt.Println(e.Attempts())
	}
	// Output:
	// 1
	// 2
	// 4
}

// A policy for clients that retry by themselves, in whatever language. Only the method
// that is idempotent gets one. A mistake is not passed over.
func ExampleServiceConfig_JSON() {
	js, err := interceptor.ServiceConfig{
		Services:   []string{"grpc.testing.TestService"},
		Idempotent: []string{"/grpc.testing.TestService/EmptyCall"},
	}.JSON()
	if err != nil {
		panic(err)
	}
	var indented bytes.Buffer
	_ = json.Indent(&indented, []byte(js), "", "  ")
	fmt.Println(&indented)

	_, err = interceptor.ServiceConfig{Services: []string{"grpc.testing.TestServise"}}.JSON()
	fmt.Println(err)
	// Output:
	// {
	//   "methodConfig": [
	//     {
	//       "name": [
	//         {
	//           "service": "grpc.testing.TestService",
	//           "method": "EmptyCall"
	//         }
	//       ],
	//       "retryPolicy": {
	//         "maxAttempts": 4,
	//         "initialBackoff": "0.5s",
	//         "maxBackoff": "5s",
	//         "backoffMultiplier": 2,
	//         "retryableStatusCodes": [
	//           "RESOURCE_EXHAUSTED",
	//           "ABORTED",
	//           "UNAVAILABLE"
	//         ]
	//       }
	//     }
	//   ],
	//   "retryThrottling": {
	//     "maxTokens": 10,
	//     "tokenRatio": 0.1
	//   }
	// }
	// service config: there is no service "grpc.testing.TestServise" in this program
}
