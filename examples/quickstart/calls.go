package main

import (
	"context"
	"errors"
	"fmt"

	faultv1 "github.com/openyuanrong/statusmap/examples/internal/pb/fault/v1"
)

// A shape is one of gRPC's four kinds of RPC.
type shape struct {
	name string
	// call returns the error that a call of this kind ends with, never nil.
	call func(context.Context, faultv1.FaultServiceClient, *faultv1.Fault) error
}

// shapeCount is how many kinds there are.
const shapeCount = 4

// shapes returns all of them.
func shapes() [shapeCount]shape {
	return [...]shape{
		{"unary", unary},
		{"server stream", serverStream},
		{"client stream", clientStream},
		{"bidirectional stream", bidiStream},
	}
}

var errSuccess = errors.New("success")

func unary(ctx context.Context, client faultv1.FaultServiceClient, fault *faultv1.Fault) error {
	if _, err := client.Unary(ctx, &faultv1.UnaryRequest{Fault: fault}); err != nil {
		return err
	}
	return errSuccess
}

// serverStream reads the response that comes before the error, then the error.
func serverStream(ctx context.Context, client faultv1.FaultServiceClient, fault *faultv1.Fault) error {
	stream, err := client.ServerStream(ctx, &faultv1.ServerStreamRequest{Fault: fault})
	if err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return fmt.Errorf("no response before the error: %v", err)
	}
	_, err = stream.Recv()
	return orSuccess(err)
}

// clientStream sends a request that is taken, then one that fails. What Send returns
// is not the error of the call: a failed stream gives io.EOF there.
func clientStream(ctx context.Context, client faultv1.FaultServiceClient, fault *faultv1.Fault) error {
	stream, err := client.ClientStream(ctx)
	if err != nil {
		return err
	}
	_ = stream.Send(&faultv1.ClientStreamRequest{})
	_ = stream.Send(&faultv1.ClientStreamRequest{Fault: fault})
	_, err = stream.CloseAndRecv()
	return orSuccess(err)
}

// bidiStream sends a request that is answered, then one that fails.
func bidiStream(ctx context.Context, client faultv1.FaultServiceClient, fault *faultv1.Fault) error {
	stream, err := client.BidiStream(ctx)
	if err != nil {
		return err
	}
	_ = stream.Send(&faultv1.BidiStreamRequest{})
	if _, err := stream.Recv(); err != nil {
		return fmt.Errorf("no response before the error: %v", err)
	}
	_ = stream.Send(&faultv1.BidiStreamRequest{Fault: fault})
	_, err = stream.Recv()
	return orSuccess(err)
}

func orSuccess(err error) error {
	if err == nil {
		return errSuccess
	}
	return err
}
