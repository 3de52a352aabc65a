package fault

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
)

// UnaryServer returns the interceptor for unary calls of a server.
func (f *Faults) UnaryServer() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if rule, fails := f.claim(info.FullMethod); fails {
			return nil, rule.err
		}
		return handler(ctx, req)
	}
}

// StreamServer returns the interceptor for streams of a server.
func (f *Faults) StreamServer() grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		rule, fails := f.claim(info.FullMethod)
		switch {
		case !fails:
			return handler(srv, stream)
		case rule.messages == 0:
			return rule.err
		}
		broken := &serverStream{ServerStream: stream, rule: rule}
		if err := handler(srv, broken); !broken.over() {
			return err
		}
		return rule.err
	}
}

// serverStream fails once the handler has sent enough messages, and then with
// everything, so that the handler comes to its end.
type serverStream struct {
	grpc.ServerStream
	rule Rule
	sent atomic.Int64
}

func (s *serverStream) over() bool { return s.sent.Load() >= int64(s.rule.messages) }

func (s *serverStream) SendMsg(m any) error {
	if s.over() {
		return s.rule.err
	}
	err := s.ServerStream.SendMsg(m)
	s.sent.Add(1)
	return err
}

func (s *serverStream) RecvMsg(m any) error {
	if s.over() {
		return s.rule.err
	}
	return s.ServerStream.RecvMsg(m)
}
