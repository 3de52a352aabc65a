package main

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	faultv1 "github.com/openyuanrong/statusmap/examples/internal/pb/fault/v1"
)

// A service ends every call with what raise returns.
type service struct {
	faultv1.UnimplementedFaultServiceServer
	raise func() error
}

func (s *service) Unary(context.Context, *faultv1.UnaryRequest) (*faultv1.UnaryResponse, error) {
	if err := s.raise(); err != nil {
		return nil, err
	}
	return &faultv1.UnaryResponse{}, nil
}

func (s *service) ServerStream(_ *faultv1.ServerStreamRequest, stream grpc.ServerStreamingServer[faultv1.ServerStreamResponse]) error {
	if err := stream.Send(&faultv1.ServerStreamResponse{}); err != nil {
		return err
	}
	return s.raise()
}

func (s *service) ClientStream(stream grpc.ClientStreamingServer[faultv1.ClientStreamRequest, faultv1.ClientStreamResponse]) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	if err := s.raise(); err != nil {
		return err
	}
	return stream.SendAndClose(&faultv1.ClientStreamResponse{})
}

func (s *service) BidiStream(stream grpc.BidiStreamingServer[faultv1.BidiStreamRequest, faultv1.BidiStreamResponse]) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	if err := stream.Send(&faultv1.BidiStreamResponse{}); err != nil {
		return err
	}
	return s.raise()
}

// A shape is one of the four kinds of RPC, and how to make such a call.
type shape struct {
	name string
	call func(context.Context, faultv1.FaultServiceClient, ...grpc.CallOption) error
}

var shapes = []shape{
	{"unary", func(ctx context.Context, c faultv1.FaultServiceClient, opts ...grpc.CallOption) error {
		_, err := c.Unary(ctx, &faultv1.UnaryRequest{}, opts...)
		return err
	}},
	{"server stream", func(ctx context.Context, c faultv1.FaultServiceClient, opts ...grpc.CallOption) error {
		stream, err := c.ServerStream(ctx, &faultv1.ServerStreamRequest{}, opts...)
		if err != nil {
			return err
		}
		return drain(stream.Recv)
	}},
	{"client stream", func(ctx context.Context, c faultv1.FaultServiceClient, opts ...grpc.CallOption) error {
		stream, err := c.ClientStream(ctx, opts...)
		if err != nil {
			return err
		}
		if err := stream.Send(&faultv1.ClientStreamRequest{}); err != nil && err != io.EOF {
			return err
		}
		_, err = stream.CloseAndRecv()
		return err
	}},
	{"bidirectional stream", func(ctx context.Context, c faultv1.FaultServiceClient, opts ...grpc.CallOption) error {
		stream, err := c.BidiStream(ctx, opts...)
		if err != nil {
			return err
		}
		if err := errors.Join(stream.Send(&faultv1.BidiStreamRequest{}), stream.CloseSend()); err != nil {
			return err
		}
		return drain(stream.Recv)
	}},
}

// drain receives until the stream ends.
func drain[T any](recv func() (T, error)) error {
	for {
		if _, err := recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
