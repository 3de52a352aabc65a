// Package stubtest runs a gRPC service whose behaviour a test gives as functions,
// over a real TCP connection, and calls it in the four shapes of an RPC.
package stubtest

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// A Service is a TestService made of functions, one for each shape of RPC. A shape
// without one is unimplemented.
type Service struct {
	testgrpc.UnimplementedTestServiceServer

	Unary        func(context.Context, *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error)
	ClientStream func(testgrpc.TestService_StreamingInputCallServer) error
	ServerStream func(*testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error
	BidiStream   func(testgrpc.TestService_FullDuplexCallServer) error
}

// UnaryCall implements the service.
func (s *Service) UnaryCall(ctx context.Context, req *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	if s.Unary == nil {
		return s.UnimplementedTestServiceServer.UnaryCall(ctx, req)
	}
	return s.Unary(ctx, req)
}

// StreamingInputCall implements the service.
func (s *Service) StreamingInputCall(stream testgrpc.TestService_StreamingInputCallServer) error {
	if s.ClientStream == nil {
		return s.UnimplementedTestServiceServer.StreamingInputCall(stream)
	}
	return s.ClientStream(stream)
}

// StreamingOutputCall implements the service.
func (s *Service) StreamingOutputCall(req *testgrpc.StreamingOutputCallRequest, stream testgrpc.TestService_StreamingOutputCallServer) error {
	if s.ServerStream == nil {
		return s.UnimplementedTestServiceServer.StreamingOutputCall(req, stream)
	}
	return s.ServerStream(req, stream)
}

// FullDuplexCall implements the service.
func (s *Service) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	if s.BidiStream == nil {
		return s.UnimplementedTestServiceServer.FullDuplexCall(stream)
	}
	return s.BidiStream(stream)
}

// Each returns a service that does the same in all four shapes: it ends the call
// with what f returns, or with an empty reply for nil.
func Each(f func(context.Context) error) *Service {
	return &Service{
		Unary: func(ctx context.Context, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			if err := f(ctx); err != nil {
				return nil, err
			}
			return &testgrpc.SimpleResponse{}, nil
		},
		ClientStream: func(stream testgrpc.TestService_StreamingInputCallServer) error {
			if err := f(stream.Context()); err != nil {
				return err
			}
			return stream.SendAndClose(&testgrpc.StreamingInputCallResponse{})
		},
		ServerStream: func(_ *testgrpc.StreamingOutputCallRequest, stream testgrpc.TestService_StreamingOutputCallServer) error {
			return f(stream.Context())
		},
		BidiStream: func(stream testgrpc.TestService_FullDuplexCallServer) error {
			return f(stream.Context())
		},
	}
}

// Start serves s on a loopback port until the test ends and returns the address.
func Start(t testing.TB, s testgrpc.TestServiceServer, opts ...grpc.ServerOption) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(opts...)
	testgrpc.RegisterTestServiceServer(srv, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(lis)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-done
	})
	return lis.Addr().String()
}

// Dial returns a client of the service at addr, without transport security. It is
// closed when the test ends.
func Dial(t testing.TB, addr string, opts ...grpc.DialOption) testgrpc.TestServiceClient {
	t.Helper()
	opts = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)
	conn, err := grpc.NewClient(addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return testgrpc.NewTestServiceClient(conn)
}

// Context returns a context for calls that hang only if something is broken.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// A Shape is one of the four kinds of RPC.
type Shape struct {
	// Name is "unary", "client stream", "server stream" or "bidi stream".
	Name string
	// Method is the full method that Call calls.
	Method string
	// Call makes one call and returns the error that it ends with, nil if it
	// succeeds. Streams send one message.
	Call func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption) error
}

// Shapes returns the four shapes.
func Shapes() []Shape {
	return []Shape{
		{"unary", "/grpc.testing.TestService/UnaryCall", unary},
		{"client stream", "/grpc.testing.TestService/StreamingInputCall", clientStream},
		{"server stream", "/grpc.testing.TestService/StreamingOutputCall", serverStream},
		{"bidi stream", "/grpc.testing.TestService/FullDuplexCall", bidiStream},
	}
}

func unary(ctx context.Context, c testgrpc.TestServiceClient, opts ...grpc.CallOption) error {
	_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{}, opts...)
	return err
}

func clientStream(ctx context.Context, c testgrpc.TestServiceClient, opts ...grpc.CallOption) error {
	stream, err := c.StreamingInputCall(ctx, opts...)
	if err != nil {
		return err
	}
	// io.EOF says that the server has answered already.
	if err := stream.Send(&testgrpc.StreamingInputCallRequest{}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_, err = stream.CloseAndRecv()
	return err
}

func serverStream(ctx context.Context, c testgrpc.TestServiceClient, opts ...grpc.CallOption) error {
	stream, err := c.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{}, opts...)
	if err != nil {
		return err
	}
	return drain(func() error { _, err := stream.Recv(); return err })
}

func bidiStream(ctx context.Context, c testgrpc.TestServiceClient, opts ...grpc.CallOption) error {
	stream, err := c.FullDuplexCall(ctx, opts...)
	if err != nil {
		return err
	}
	if err := stream.Send(&testgrpc.StreamingOutputCallRequest{}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return drain(func() error { _, err := stream.Recv(); return err })
}

// drain receives until the stream ends.
func drain(recv func() error) error {
	for {
		switch err := recv(); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}
