package fault

import (
	"context"
	"io"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// UnaryClient returns the interceptor for unary calls of a client.
func (f *Faults) UnaryClient() grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if rule, fails := f.claim(method); fails {
			rule.reach(opts)
			return received(ctx, rule.err)
		}
		return invoker(ctx, method, req, reply, cc, opts...)
	}
}

// StreamClient returns the interceptor for streams of a client.
func (f *Faults) StreamClient() grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		rule, fails := f.claim(method)
		switch {
		case !fails:
			return streamer(ctx, desc, cc, method, opts...)
		case rule.unsent:
			return nil, received(ctx, rule.err)
		case rule.messages == 0:
			rule.reach(opts)
			return &refused{ctx: ctx, sends: desc.ClientStreams, err: received(ctx, rule.err)}, nil
		}
		ctx, cancel := context.WithCancel(ctx)
		stream, err := streamer(ctx, desc, cc, method, opts...)
		if err != nil {
			cancel()
			return nil, err
		}
		return &clientStream{ClientStream: stream, ctx: ctx, cancel: cancel, rule: rule}, nil
	}
}

// reach fills in what gRPC fills in once a server was reached.
func (r *Rule) reach(opts []grpc.CallOption) {
	if r.unsent {
		return
	}
	for _, o := range opts {
		if p, ok := o.(grpc.PeerCallOption); ok {
			p.PeerAddr.Addr = nowhere{}
		}
	}
}

// nowhere is the address of the server that would have failed.
type nowhere struct{}

func (nowhere) Network() string { return "fault" }
func (nowhere) String() string  { return "fault" }

var _ net.Addr = nowhere{}

// refused is a stream that the server ended before anything else: that it has failed is
// told by receiving, and sending says that it is over.
type refused struct {
	ctx   context.Context
	sends bool
	err   error
}

func (s *refused) Header() (metadata.MD, error) { return nil, nil }
func (s *refused) Trailer() metadata.MD         { return nil }
func (s *refused) CloseSend() error             { return nil }
func (s *refused) Context() context.Context     { return s.ctx }
func (s *refused) RecvMsg(any) error            { return s.err }

func (s *refused) SendMsg(any) error {
	if s.sends {
		return io.EOF
	}
	return nil // generated code asks for the status by receiving
}

// clientStream fails once enough messages have come. The real stream is cancelled.
type clientStream struct {
	grpc.ClientStream
	ctx    context.Context
	cancel context.CancelFunc
	rule   Rule

	mu   sync.Mutex
	came int
	err  error
}

func (s *clientStream) RecvMsg(m any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.came >= s.rule.messages {
		s.err = received(s.ctx, s.rule.err)
		s.cancel()
		return s.err
	}
	err := s.ClientStream.RecvMsg(m)
	if err != nil {
		s.err = err
		s.cancel()
		return err
	}
	s.came++
	return nil
}
