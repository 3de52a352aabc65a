package main

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
)

// overloaded is a service that takes no calls until an outage is over.
type overloaded struct {
	functionv1.UnimplementedFunctionServiceServer
	name       string // of the client that it serves
	log        *log
	until      atomic.Pointer[time.Time]
	executions atomic.Int64
}

// admit refuses a call while the outage lasts. Nothing was executed then, which is
// what the code's class SAFE says, and the time left is when to come back.
func (s *overloaded) admit(call string) error {
	s.executions.Add(1)
	until := s.until.Load()
	if until == nil {
		return nil
	}
	if left := time.Until(*until); left > 0 {
		err := sdk.InvokeRateLimited.Errorf("the server is overloaded").RetryAfter(left)
		s.log.add(s.name, "%s refused: %s, %v", call, err.Reason(), err.Retry())
		return err
	}
	s.log.add(s.name, "%s served", call)
	return nil
}

func (s *overloaded) GetFunction(_ context.Context, req *functionv1.GetFunctionRequest) (*functionv1.GetFunctionResponse, error) {
	if err := s.admit(req.GetName()); err != nil {
		return nil, err
	}
	return &functionv1.GetFunctionResponse{Function: &functionv1.Function{Name: req.GetName()}}, nil
}

func (s *overloaded) Invoke(_ context.Context, req *functionv1.InvokeRequest) (*functionv1.InvokeResponse, error) {
	if err := s.admit(req.GetName()); err != nil {
		return nil, err
	}
	return &functionv1.InvokeResponse{Output: req.GetPayload()}, nil
}

// serve starts the service and returns its address.
func (s *overloaded) serve() (addr string, stop func(), _ error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := grpc.NewServer(interceptor.ServerOptions()...)
	functionv1.RegisterFunctionServiceServer(server, s)
	go func() { _ = server.Serve(listener) }() // returns when the server is stopped
	return listener.Addr().String(), server.Stop, nil
}
