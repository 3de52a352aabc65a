package interceptor

import (
	"context"
	"io"

	"google.golang.org/grpc"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// isInBand reports whether a reply is the cause of a client's error.
func isInBand(cause error) (found bool) {
	rpcerr.Walk(cause, func(err error) bool {
		_, found = err.(*inband.Reply)
		return !found
	})
	return found
}

// inBandStream reads the codes in the messages of a stream.
type inBandStream struct {
	*clientStream
	cancel  context.CancelFunc
	replies bool // more than one may come
	failed  *mapping.Error
}

// openInBand opens a stream whose messages carry codes.
func (c *client) openInBand(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	// gRPC holds on to a stream until its status is read, and nobody reads on after an
	// error.
	ctx, cancel := context.WithCancel(ctx)
	s, err := c.open(ctx, desc, cc, method, streamer, opts...)
	if err != nil {
		cancel()
		return nil, err
	}
	return &inBandStream{clientStream: s, cancel: cancel, replies: desc.ServerStreams}, nil
}

// SendMsg is the stream's. An error other than io.EOF is its end, after which nobody reads
// on either.
func (s *inBandStream) SendMsg(m any) error {
	err := s.clientStream.SendMsg(m)
	if err != nil && err != io.EOF {
		s.cancel()
	}
	return err
}

// RecvMsg is the stream's, and returns the error that a message carries.
func (s *inBandStream) RecvMsg(m any) error {
	if s.failed != nil {
		return s.failed
	}
	err := s.clientStream.RecvMsg(m)
	if err != nil {
		s.cancel()
		return err
	}
	if e, failed := s.client.inBand.FromReply(s.method, m); failed {
		s.failed = e
		s.cancel()
		s.client.observers.notify(s.ctx, s.client.event(s.method, s.start, e, e.Unwrap()))
		return e
	}
	if !s.replies {
		s.cancel()
	}
	return nil
}
