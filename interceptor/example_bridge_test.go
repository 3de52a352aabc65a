package interceptor_test

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
)

// A service that answers OK and puts the code into the reply.
func ExampleWithInBand() {
	client := interceptor.UnaryClient(interceptor.WithInBand(nil))
	reply := new(testgrpc.EchoStatus)
	err := client(context.Background(), topMethod, nil, reply, nil,
		func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			reply.Code, reply.Message = 1003, "no instance a1"
			return nil
		})

	fmt.Println(errors.Is(err, sdk.InstanceNotFound), err)
	var in *inband.Reply
	fmt.Println(errors.As(err, &in) && in.Reply == reply)
	// Output:
	// true INSTANCE_NOT_FOUND (1003): no instance a1
	// true
}

// Two callers of the same server: an old one, and one that has announced itself.
func ExampleWithInBandReplies() {
	if err := declareReplies(); err != nil { // the service, whose replies have code and message
		panic(err)
	}
	server := interceptor.UnaryServer(interceptor.WithInBandReplies(nil))
	info := &grpc.UnaryServerInfo{FullMethod: topMethod}
	handler := exampleFail(sdk.InstanceNotFound.Errorf("no instance a1"))

	reply, err := server(context.Background(), nil, info, handler)
	fmt.Println(reply.(*testgrpc.EchoStatus).GetCode(), reply.(*testgrpc.EchoStatus).GetMessage(), err)

	announced := metadata.NewIncomingContext(context.Background(), metadata.Pairs(interceptor.AnnounceHeader, "1"))
	_, err = server(announced, nil, info, handler)
	fmt.Println(err)
	// Output:
	// 1003 no instance a1 <nil>
	// INSTANCE_NOT_FOUND (1003): no instance a1
}

// exampleStream is the client's end of a stream that brings one reply.
type exampleStream struct{ grpc.ClientStream }

func (exampleStream) Context() context.Context { return context.Background() }

func (exampleStream) RecvMsg(m any) error {
	m.(*testgrpc.EchoStatus).Code = 1007
	return nil
}

// Streams are looked into where they are named.
func ExampleWithInBandStreams() {
	client := interceptor.StreamClient(interceptor.WithInBand(nil), interceptor.WithInBandStreams(downMethod))
	stream, err := client(context.Background(), &grpc.StreamDesc{ServerStreams: true}, nil, downMethod,
		func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			return exampleStream{}, nil
		})
	if err != nil {
		panic(err)
	}
	fmt.Println(stream.RecvMsg(new(testgrpc.EchoStatus)))
	// Output:
	// INSTANCE_EXITED (1007): The instance exited after exit or signal 15.
}

// A service that prints the code into the text of a plain status.
func ExampleWithTextCodes() {
	err := exampleCall(status.Error(codes.Unknown, "code: 1003, message: no instance a1"), nil,
		interceptor.DialOptions(interceptor.WithTextCodes()))
	e, _ := mapping.FromError(err)
	fmt.Println(errors.Is(err, sdk.InstanceNotFound), e.Parsed(), e.GRPCCode())
	// Output:
	// true true Unknown
}

// exampleHeader is an interceptor that prints how callers announce themselves.
func exampleHeader(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	fmt.Println(metadata.ValueFromIncomingContext(ctx, interceptor.AnnounceHeader))
	return handler(ctx, req)
}

// A connection without the interceptors that nevertheless understands statuses.
func ExampleAnnounce() {
	server := []grpc.ServerOption{grpc.UnaryInterceptor(exampleHeader)}
	_ = exampleCall(nil, server, []grpc.DialOption{interceptor.Announce()})
	// Output:
	// [1]
}

func ExampleWithoutAnnouncement() {
	server := []grpc.ServerOption{grpc.UnaryInterceptor(exampleHeader)}
	_ = exampleCall(nil, server, interceptor.DialOptions())
	_ = exampleCall(nil, server, interceptor.DialOptions(interceptor.WithoutAnnouncement()))
	// Output:
	// [1]
	// []
}
