package interceptor_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// exampleLogging is an interceptor that prints what it sees.
func exampleLogging(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	resp, err := handler(ctx, req)
	fmt.Println("logged:", status.Code(err), "-", err)
	return resp, err
}

// What is given before stands outside, and sees what the client will get.
func ExampleServerOptions() {
	opts := []grpc.ServerOption{grpc.ChainUnaryInterceptor(exampleLogging)}
	opts = append(opts, interceptor.ServerOptions()...)

	err := exampleCall(fmt.Errorf("SELECT …: %w", sdk.InstanceNotFound), opts, nil)
	fmt.Println("sent:  ", status.Code(err), "-", status.Convert(err).Message())
	// Output:
	// logged: NotFound - INSTANCE_NOT_FOUND (1003): No such instance. (request r7)
	// sent:   NotFound - No such instance.
}

// The interceptors can also be put into a chain by hand. What stands inside sees what
// the handler returned.
func ExampleUnaryServer() {
	opts := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(interceptor.UnaryServer(), exampleLogging),
		grpc.ChainStreamInterceptor(interceptor.StreamServer()),
	}

	err := exampleCall(fmt.Errorf("SELECT …: %w", sdk.InstanceNotFound), opts, nil)
	fmt.Println("sent:  ", status.Code(err), "-", status.Convert(err).Message())
	// Output:
	// logged: NotFound - SELECT …: INSTANCE_NOT_FOUND (1003): No such instance.
	// sent:   NotFound - No such instance.
}

// Streams end with the same errors as other calls.
func ExampleStreamServer() {
	client, end := exampleClient(sdk.InstanceExited.Errorf("instance a1 was killed"),
		[]grpc.ServerOption{grpc.ChainStreamInterceptor(interceptor.StreamServer())}, nil)
	defer end()

	stream, err := client.StreamingOutputCall(context.Background(), &testgrpc.StreamingOutputCallRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = stream.Recv()
	e, _ := mapping.FromError(err)
	fmt.Println(e)
	// Output:
	// INSTANCE_EXITED (1007): instance a1 was killed
}

// Errors of a database driver, of which clients must not see more than the code.
func ExampleWithRules() {
	rules := interceptor.WithRules(mapping.WhenIs(sql.ErrNoRows, rest.FunctionNotFound))
	err := exampleCall(fmt.Errorf("select from t_function: %w", sql.ErrNoRows),
		interceptor.ServerOptions(rules), interceptor.DialOptions())
	fmt.Println(err)
	// Output:
	// FUNCTION_NOT_FOUND (4115): The function was never created or has been deleted. (request r7)
}

// Another code than 3003 for what nobody knows.
func ExampleWithMapper() {
	mapper := &mapping.Mapper{Fallback: rest.InternalSystemError}
	err := exampleCall(errors.New("index out of range"),
		interceptor.ServerOptions(interceptor.WithMapper(mapper)), interceptor.DialOptions())
	e, _ := mapping.FromError(err)
	fmt.Println(e.Code())
	// Output:
	// INTERNAL_SYSTEM_ERROR (150500): An internal system error occurred.
}

// What the client must not see goes to the observer.
func ExampleWithObserver() {
	observe := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
		fmt.Println(ev.Side, "sends", ev.Error.Reason(), "because of:", ev.Cause)
	})
	err := exampleCall(errors.New("dial tcp 10.0.0.7: password rejected"),
		interceptor.ServerOptions(observe), interceptor.DialOptions())
	e, _ := mapping.FromError(err)
	fmt.Println(e.Code(), e.RequestID() != "")
	// Output:
	// server sends INNER_SYSTEM_ERROR because of: dial tcp 10.0.0.7: password rejected
	// INNER_SYSTEM_ERROR (3003): An internal error occurred. true
}

// The panic is for the observer, the client gets a code.
func ExampleWithRecovery() {
	server := interceptor.UnaryServer(interceptor.WithRecovery(),
		interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
			fmt.Println("panic:", ev.Panic, "- with its stack:", len(ev.Stack) > 0)
		}))
	_, err := server(context.Background(), nil, exampleInfo, func(context.Context, any) (any, error) {
		panic("no such key")
	})
	fmt.Println(errors.Is(err, sdk.InnerSystemError))
	// Output:
	// panic: no such key - with its stack: true
	// true
}

// An id of one's own, such as that of a trace.
func ExampleWithRequestID() {
	type key struct{}
	server := interceptor.UnaryServer(interceptor.WithRequestID(func(ctx context.Context) string {
		id, _ := ctx.Value(key{}).(string)
		return id
	}))
	ctx := context.WithValue(context.Background(), key{}, "trace-7")
	_, err := server(ctx, nil, exampleInfo, exampleFail(sdk.InnerCommunication))
	fmt.Println(err)
	// Output:
	// INNER_COMMUNICATION (3002): A communication error occurred. (request trace-7)
}

// Behind a proxy with small buffers the text gets shorter; code and retry hint stay.
func ExampleWithBudget() {
	server := interceptor.UnaryServer(interceptor.WithBudget(1024))
	_, err := server(context.Background(), nil, exampleInfo,
		exampleFail(sdk.InvokeRateLimited.Errorf("%s", strings.Repeat("slow down! ", 100))))

	received, _ := mapping.FromStatus(status.Convert(err))
	fmt.Println(rpcerr.Size(status.Convert(err).Proto()) <= 1024, received.Trimmed())
	fmt.Println(errors.Is(received, sdk.InvokeRateLimited), received.Retry())
	// Output:
	// true true
	// true SAFE after 1s
}

// A client in another language goes by the number and has no proto of ours.
func ExampleWithCodeInMetadata() {
	err := exampleCall(sdk.InstanceNotFound.With("instance", "a1"),
		interceptor.ServerOptions(interceptor.WithCodeInMetadata()), nil)
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			fmt.Println(info.GetReason(), info.GetMetadata())
		}
	}
	// Output:
	// INSTANCE_NOT_FOUND map[code:1003 instance:a1]
}

// The matcher is a library's job; this one is enough for an example.
func ExampleWithLocalizedMessage() {
	server := interceptor.UnaryServer(interceptor.WithLocalizedMessage(func(accept string) string {
		if strings.HasPrefix(accept, "zh") {
			return "zh"
		}
		return "en"
	}))
	ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("accept-language", "zh-CN,en;q=0.5"))
	_, err := server(ctx, nil, exampleInfo, exampleFail(sdk.InstanceNotFound))
	for _, detail := range status.Convert(err).Details() {
		if text, ok := detail.(*errdetails.LocalizedMessage); ok {
			fmt.Println(text.GetLocale(), text.GetMessage())
		}
	}
	// Output:
	// zh 找不到实例。 检查用例是否被正常申请扩容。
}

// The trailer is for clients that retry by themselves. The hint in the error stays.
func ExampleWithoutPushback() {
	for _, opts := range [][]interceptor.ServerOption{nil, {interceptor.WithoutPushback()}} {
		client, end := exampleClient(sdk.InvokeRateLimited, interceptor.ServerOptions(opts...), interceptor.DialOptions())
		var trailer metadata.MD
		_, err := client.UnaryCall(context.Background(), &testgrpc.SimpleRequest{}, grpc.Trailer(&trailer))
		e, _ := mapping.FromError(err)
		fmt.Println(trailer.Get("grpc-retry-pushback-ms"), e.Retry())
		end()
	}
	// Output:
	// [1000] SAFE after 1s
	// [] SAFE after 1s
}
