package main

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc"

	inbandv1 "github.com/openyuanrong/statusmap/examples/internal/pb/inband/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

// The streams whose messages carry a code each. Multiplex is not among them: there the
// code is that of one call, and the stream goes on.
var streams = interceptor.WithInBandStreams(
	inbandv1.InstanceService_InvokeStream_FullMethodName,
	inbandv1.InstanceService_SaveState_FullMethodName,
)

// newServerOptions make a server of statuses out of one, which still answers old clients
// in replies.
func newServerOptions(seen *count) []grpc.ServerOption {
	return interceptor.ServerOptions(interceptor.WithInBandReplies(nil), streams, interceptor.WithObserver(seen.observe))
}

// count counts the errors that an observer sees, by the way they crossed.
type count struct {
	mu                    sync.Mutex
	inReplies, asStatuses int
}

func (c *count) observe(_ context.Context, ev interceptor.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ev.InBand {
		c.inReplies++
	} else {
		c.asStatuses++
	}
}

// find looks an instance up. There is one, "a1".
func find(id string) error {
	if id != "a1" {
		return sdk.InstanceNotFound.Errorf("no instance %q", id).With("instance", id)
	}
	return nil
}

// create creates an instance.
func create(id string) error {
	switch id {
	case "a1":
		return sdk.InstanceDuplicated.Errorf("instance %q is there already", id).With("instance", id)
	case "huge":
		return sdk.ResourceNotEnough.Errorf("no node has room for %q", id)
	}
	return nil
}

// execute runs the function in an instance, which returns what it gets.
func execute(id, input string) (output string, err error) {
	if err := find(id); err != nil {
		return "", err
	}
	if input == "throw" {
		return "half of it", sdk.UserFunctionException.Errorf("the function has thrown")
	}
	return input, nil
}

// newServer returns errors.
type newServer struct {
	inbandv1.UnimplementedInstanceServiceServer
}

func (newServer) Create(_ context.Context, req *inbandv1.CreateRequest) (*inbandv1.CreateResponse, error) {
	if err := create(req.GetInstanceId()); err != nil {
		return nil, err
	}
	return &inbandv1.CreateResponse{InstanceId: req.GetInstanceId()}, nil
}

func (newServer) Invoke(_ context.Context, req *inbandv1.InvokeRequest) (*inbandv1.InvokeResponse, error) {
	output, err := execute(req.GetInstanceId(), req.GetInput())
	if err != nil {
		return nil, err
	}
	return &inbandv1.InvokeResponse{CallResult: &inbandv1.CallResult{Output: output}}, nil
}

func (newServer) Kill(_ context.Context, req *inbandv1.KillRequest) (*inbandv1.KillResponse, error) {
	if err := find(req.GetInstanceId()); err != nil {
		return nil, err
	}
	return &inbandv1.KillResponse{}, nil
}

func (newServer) InvokeStream(req *inbandv1.InvokeStreamRequest, stream grpc.ServerStreamingServer[inbandv1.InvokeStreamResponse]) error {
	for range req.GetOutputs() {
		if err := stream.Send(&inbandv1.InvokeStreamResponse{Output: "x"}); err != nil {
			return err
		}
	}
	return find(req.GetInstanceId())
}

func (newServer) SaveState(stream grpc.ClientStreamingServer[inbandv1.SaveStateRequest, inbandv1.SaveStateResponse]) error {
	req, err := stream.Recv()
	for ; err == nil; req, err = stream.Recv() {
		if err := find(req.GetInstanceId()); err != nil {
			return err
		}
	}
	if err != io.EOF {
		return err
	}
	return stream.SendAndClose(&inbandv1.SaveStateResponse{})
}

func (newServer) Multiplex(stream grpc.BidiStreamingServer[inbandv1.MultiplexRequest, inbandv1.MultiplexResponse]) error {
	return multiplex(stream)
}

// multiplex answers each call in a message of its own, in both servers.
func multiplex(stream grpc.BidiStreamingServer[inbandv1.MultiplexRequest, inbandv1.MultiplexResponse]) error {
	req, err := stream.Recv()
	for ; err == nil; req, err = stream.Recv() {
		code, message := inReply(find(req.GetInstanceId()))
		if err := stream.Send(&inbandv1.MultiplexResponse{CallId: req.GetCallId(), Code: code, Message: message}); err != nil {
			return err
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// inReply returns an error as the old server puts it into replies.
func inReply(err error) (inbandv1.ErrorCode, string) {
	e, ok := mapping.FromError(err)
	if !ok {
		return 0, ""
	}
	return inbandv1.ErrorCode(e.Code().Number()), e.Message()
}

// inStatus is inReply for a nested status. Like the platform it calls every error
// retryable, which a new client does not take at its word.
func inStatus(err error) *inbandv1.Status {
	code, message := inReply(err)
	if code == 0 {
		return &inbandv1.Status{}
	}
	return &inbandv1.Status{Code: code, Message: message, Retryable: true, RetryReason: "call-response-error"}
}

// oldServer puts errors into replies, and returns none.
type oldServer struct {
	inbandv1.UnimplementedInstanceServiceServer
}

func (oldServer) Create(_ context.Context, req *inbandv1.CreateRequest) (*inbandv1.CreateResponse, error) {
	return &inbandv1.CreateResponse{Status: inStatus(create(req.GetInstanceId())), InstanceId: req.GetInstanceId()}, nil
}

func (oldServer) Invoke(_ context.Context, req *inbandv1.InvokeRequest) (*inbandv1.InvokeResponse, error) {
	if err := find(req.GetInstanceId()); err != nil {
		return &inbandv1.InvokeResponse{Status: inStatus(err)}, nil
	}
	// The way there was fine, whatever comes of the function.
	output, err := execute(req.GetInstanceId(), req.GetInput())
	code, message := inReply(err)
	return &inbandv1.InvokeResponse{
		Status:     inStatus(nil),
		CallResult: &inbandv1.CallResult{Code: int32(code), Message: message, Output: output},
	}, nil
}

func (oldServer) Kill(_ context.Context, req *inbandv1.KillRequest) (*inbandv1.KillResponse, error) {
	code, message := inReply(find(req.GetInstanceId()))
	return &inbandv1.KillResponse{Code: int32(code), Message: message}, nil
}

func (oldServer) InvokeStream(req *inbandv1.InvokeStreamRequest, stream grpc.ServerStreamingServer[inbandv1.InvokeStreamResponse]) error {
	for range req.GetOutputs() {
		if err := stream.Send(&inbandv1.InvokeStreamResponse{Output: "x"}); err != nil {
			return err
		}
	}
	code, message := inReply(find(req.GetInstanceId()))
	if code == 0 {
		return nil
	}
	return stream.Send(&inbandv1.InvokeStreamResponse{Code: code, Message: message})
}

func (oldServer) SaveState(stream grpc.ClientStreamingServer[inbandv1.SaveStateRequest, inbandv1.SaveStateResponse]) error {
	req, err := stream.Recv()
	for ; err == nil; req, err = stream.Recv() {
		if err := find(req.GetInstanceId()); err != nil {
			return stream.SendAndClose(&inbandv1.SaveStateResponse{Status: inStatus(err)})
		}
	}
	if err != io.EOF {
		return err
	}
	return stream.SendAndClose(&inbandv1.SaveStateResponse{Status: inStatus(nil)})
}

func (oldServer) Multiplex(stream grpc.BidiStreamingServer[inbandv1.MultiplexRequest, inbandv1.MultiplexResponse]) error {
	return multiplex(stream)
}
