package main

import (
	"context"

	"google.golang.org/grpc"

	faultv1 "github.com/openyuanrong/statusmap/examples/internal/pb/fault/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

// faults is the server's half: its handlers return the error that the request names.
type faults struct {
	faultv1.UnimplementedFaultServiceServer
	raise func(*faultv1.Fault) error
}

// raise returns the code that a fault names. A code is an error by itself.
func raise(fault *faultv1.Fault) error {
	code, ok := mapping.Lookup(fault.GetDomain(), fault.GetNumber())
	if !ok {
		return sdk.ParamInvalid.Errorf("no code %d in domain %q", fault.GetNumber(), fault.GetDomain())
	}
	return code
}

func (f *faults) Unary(_ context.Context, req *faultv1.UnaryRequest) (*faultv1.UnaryResponse, error) {
	return nil, f.raise(req.GetFault())
}

func (f *faults) ServerStream(req *faultv1.ServerStreamRequest, stream grpc.ServerStreamingServer[faultv1.ServerStreamResponse]) error {
	if err := stream.Send(&faultv1.ServerStreamResponse{}); err != nil {
		return err
	}
	return f.raise(req.GetFault())
}

func (f *faults) ClientStream(stream grpc.ClientStreamingServer[faultv1.ClientStreamRequest, faultv1.ClientStreamResponse]) error {
	for {
		req, err := stream.Recv()
		if err != nil {
			return err
		}
		if req.GetFault() != nil {
			return f.raise(req.GetFault())
		}
	}
}

func (f *faults) BidiStream(stream grpc.BidiStreamingServer[faultv1.BidiStreamRequest, faultv1.BidiStreamResponse]) error {
	for {
		req, err := stream.Recv()
		if err != nil {
			return err
		}
		if req.GetFault() != nil {
			return f.raise(req.GetFault())
		}
		if err := stream.Send(&faultv1.BidiStreamResponse{}); err != nil {
			return err
		}
	}
}
