package examples_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
	"github.com/openyuanrong/statusmap/mapping/maptest"
)

// Go code in README.md is taken from the regions below; TestReadmeBlocks compares them.

// A server that knows functions but has few instances of them.
type server struct {
	functionv1.UnimplementedFunctionServiceServer
	instances map[string]int
	forward   func(context.Context, *functionv1.InvokeRequest) (*functionv1.InvokeResponse, error)
}

func (s *server) Invoke(ctx context.Context, req *functionv1.InvokeRequest) (*functionv1.InvokeResponse, error) {
	if s.instances[req.GetName()] == 0 {
		return nil, sdk.InstanceNotFound.Errorf("no instance of %q", req.GetName()).With("function", req.GetName())
	}
	return s.forward(ctx, req)
}

// serve serves s until stop is called.
func serve(s *server, opts ...interceptor.ServerOption) (addr string, stop func()) {
	srv := grpc.NewServer(interceptor.ServerOptions(opts...)...)
	functionv1.RegisterFunctionServiceServer(srv, s)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = srv.Serve(listener) }() // returns when stop is called
	return listener.Addr().String(), srv.Stop
}

var creds = grpc.WithTransportCredentials(insecure.NewCredentials())

// Reading with the client interceptors.
func Example_typed() {
	addr, stop := serve(new(server))
	defer stop()
	conn, err := grpc.NewClient(addr, append(interceptor.DialOptions(), creds)...)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, err = functionv1.NewFunctionServiceClient(conn).Invoke(context.Background(), &functionv1.InvokeRequest{Name: "hello"})

	// region: typed
	fmt.Println(errors.Is(err, sdk.InstanceNotFound)) // true
	fmt.Println(status.Code(err) == codes.NotFound)   // true, it is still a gRPC status

	var e *mapping.Error
	if errors.As(err, &e) {
		switch e.Code() { // codes are comparable
		case sdk.InstanceNotFound, sdk.InstanceExited:
			fmt.Println("start an instance of", e.Metadata()["function"])
		case sdk.InvokeRateLimited:
			fmt.Println("wait for", e.Retry().Delay)
		}
	}
	// endregion

	// Output:
	// true
	// true
	// start an instance of hello
}

// Reading without them.
func Example_untyped() {
	addr, stop := serve(new(server))
	defer stop()
	conn, err := grpc.NewClient(addr, creds)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, err = functionv1.NewFunctionServiceClient(conn).Invoke(context.Background(), &functionv1.InvokeRequest{Name: "hello"})

	fmt.Println(errors.Is(err, sdk.InstanceNotFound)) // false: err is gRPC's own error

	if e, ok := mapping.FromError(err); ok {
		fmt.Println(errors.Is(e, sdk.InstanceNotFound)) // true
	}

	// Output:
	// false
	// true
}

func Example_rules() {
	s := &server{instances: map[string]int{"hello": 1}}
	s.forward = func(context.Context, *functionv1.InvokeRequest) (*functionv1.InvokeResponse, error) {
		return nil, fmt.Errorf("SELECT owner FROM functions: %w", sql.ErrNoRows)
	}

	// region: rules
	opts := []interceptor.ServerOption{
		interceptor.WithRules(
			mapping.WhenIs(sql.ErrNoRows, rest.FunctionNotFound),
			mapping.WhenAs[*fs.PathError](sdk.OperateDiskFailed),
		),
	}
	// endregion

	addr, stop := serve(s, opts...)
	defer stop()
	conn, err := grpc.NewClient(addr, append(interceptor.DialOptions(), creds)...)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-request-id", "r7")
	_, err = functionv1.NewFunctionServiceClient(conn).Invoke(ctx, &functionv1.InvokeRequest{Name: "hello"})
	fmt.Println(err)

	// Output:
	// FUNCTION_NOT_FOUND (4115): The function was never created or has been deleted. (request r7)
}

// The bridges for a platform that answers OK with a code in the reply.
var _ = func() ([]grpc.DialOption, []grpc.ServerOption) {
	// region: bridges
	dial := interceptor.DialOptions(interceptor.WithInBand(nil))           // replies become errors
	serve := interceptor.ServerOptions(interceptor.WithInBandReplies(nil)) // errors become replies, for old callers
	// endregion
	return dial, serve
}

// Over HTTP. In the handler:
var _ = func(w http.ResponseWriter, r *http.Request, logger *slog.Logger, err error) {
	// region: http-server
	e := new(mapping.Mapper).Map(r.Context(), err)
	if e.RequestID() == "" { // else it is that of the service that raised it
		e = e.WithRequestID(r.Header.Get("X-Request-Id"))
	}
	logger.ErrorContext(r.Context(), "call failed", "error", e) // with the cause
	httperr.Write(w, e)                                         // without
	// endregion
}

// And in the client:
var _ = func(resp *http.Response) error {
	// region: http-client
	if e, failed := httperr.FromResponse(resp); failed {
		return e // errors.Is(e, rest.FunctionNotFound)
	}
	// endregion
	return nil
}

// In a test.
var _ = func(t *testing.T, client functionv1.FunctionServiceClient) {
	// region: tests
	_, err := client.Invoke(t.Context(), &functionv1.InvokeRequest{Name: "hello"})
	maptest.Check(t, err, sdk.InstanceNotFound,
		maptest.Metadata("function", "hello"),
		maptest.RetryClass(mapping.HigherLevel))
	// endregion
}

// What nobody knows says nothing, except under which id the log has it.
func Example_unknown() {
	s := &server{instances: map[string]int{"hello": 1}}
	s.forward = func(context.Context, *functionv1.InvokeRequest) (*functionv1.InvokeResponse, error) {
		return nil, errors.New("dial 10.0.0.7: refused")
	}
	var buf bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&buf, nil))
	// region: observer
	observe := interceptor.WithObserver(func(ctx context.Context, ev interceptor.Event) {
		level := slog.LevelError
		if ev.Retrying { // by a client with WithRetry: the call may succeed yet
			level = slog.LevelInfo
		}
		logger.Log(ctx, level, "call failed", "call", ev)
	})
	// endregion
	addr, stop := serve(s, observe)
	defer stop()
	conn, err := grpc.NewClient(addr, append(interceptor.DialOptions(), creds)...)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, err = functionv1.NewFunctionServiceClient(conn).Invoke(context.Background(), &functionv1.InvokeRequest{Name: "hello"})
	e, _ := mapping.FromError(err)
	fmt.Println("the client:", e.Code(), e.RequestID() != "")
	fmt.Println("the log has the cause:", strings.Contains(buf.String(), `call.cause="dial 10.0.0.7: refused"`))
	fmt.Println("and the same id:", strings.Contains(buf.String(), "call.request_id="+e.RequestID()))

	// Output:
	// the client: INNER_SYSTEM_ERROR (3003): An internal error occurred. true
	// the log has the cause: true
	// and the same id: true
}
