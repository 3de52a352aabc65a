package interceptor

import (
	"context"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/openyuanrong/statusmap/mapping"
)

// StreamClient returns the interceptor for streams of a client. Errors of opening the
// stream, of sending and of receiving become a *[mapping.Error]. io.EOF stays io.EOF, and
// repeated receives return the same value, because an error is the end of a stream. It
// calls nothing on a stream that has not ended, so gRPC's own retries stay in force.
//
// gRPC may lose the status of a call that it repeats, and say io.EOF. Then the call ends
// with UNAVAILABLE, or with the error of its context if that has ended. If a server sends
// no reply where there must be one, the call ends with INTERNAL.
func StreamClient(opts ...ClientOption) grpc.StreamClientInterceptor {
	return newClient(opts).stream()
}

func (c *client) stream() grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		if c.inBand != nil && c.inBandStreams[method] {
			return c.openInBand(ctx, desc, cc, method, streamer, opts...)
		}
		s, err := c.open(ctx, desc, cc, method, streamer, opts...)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// open opens a stream, and translates the error where that fails.
func (c *client) open(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (*clientStream, error) {
	start := c.now()
	inner, err := streamer(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, c.report(ctx, cc, method, start, err)
	}
	return &clientStream{ClientStream: inner, client: c, ctx: ctx, cc: cc, method: method, start: start, desc: desc}, nil
}

// clientStream translates the errors of a stream.
type clientStream struct {
	grpc.ClientStream
	client *client
	ctx    context.Context
	cc     *grpc.ClientConn // nil: another transport than gRPC's
	method string
	start  time.Time
	desc   *grpc.StreamDesc

	received bool  // a message
	ended    error // what receiving ended with

	mu       sync.Mutex // sending and receiving may fail at once
	last     *mapping.Error
	returned error // what was returned for last
}

func (s *clientStream) SendMsg(m any) error {
	err := s.ClientStream.SendMsg(m)
	if err == nil || !isEnd(err) {
		return s.translate(err)
	}
	if !s.desc.ClientStreams {
		return nil // generated code asks for the status by receiving
	}
	// The caller stops sending now. gRPC may still repeat the stream, with what it has
	// and then the end, which the server would take for all. Asked for the context, it
	// does not.
	s.isOfGRPC()
	return io.EOF
}

func (s *clientStream) CloseSend() error { return s.translate(s.ClientStream.CloseSend()) }

func (s *clientStream) RecvMsg(m any) error {
	if s.ended != nil {
		// Asked again, gRPC may return another error, that of an attempt before the last,
		// or nothing for ever.
		return s.ended
	}
	err := s.ClientStream.RecvMsg(m)
	if err != nil && !s.received && isEnd(err) {
		err = s.emptyEnd(m)
	}
	s.received = s.received || err == nil
	s.ended = s.translate(err)
	return s.ended
}

// emptyEnd returns what a stream really ended with on which io.EOF came instead of the
// first message. That may be the end of one without messages, or a lost status: once a
// message has come, gRPC does not repeat the stream any more.
func (s *clientStream) emptyEnd(m any) error {
	err := io.EOF
	switch header, trailer, ok := s.metadata(); {
	case !ok:
	case len(trailer) > 0:
		// The server has ended the stream, so that it knows its status, or there is a
		// message yet.
		err = s.ClientStream.RecvMsg(m)
	case len(header) > 0:
		err = s.receiveRest(m)
	default:
		err = lostStatus(s.ctx)
	}
	if err != io.EOF {
		return err
	}
	if s.desc.ServerStreams {
		return io.EOF
	}
	return noReply(s.ctx, false)
}

// restTime is how long is waited for what a stream that has ended still holds. That is
// there, or never comes.
const restTime = time.Second

// receiveRest receives what comes after headers on a stream that has ended. If the server
// has ended it without trailers of its own, the status is there, or a message yet. If gRPC
// has given it up, receiving blocks for ever, whatever the context does, and the goroutine
// is lost. The connection has to break for that while gRPC repeats the stream, after the
// headers and before the end.
func (s *clientStream) receiveRest(m any) error {
	received := make(chan error, 1)
	go func() { received <- s.ClientStream.RecvMsg(m) }()
	select {
	case err := <-received:
		return err
	case <-time.After(restTime):
		return lostStatus(s.ctx)
	}
}

// isOfGRPC reports whether gRPC itself has made the stream, which puts its peer into its
// context, beside the one of a server's call that the client is called in. One of another
// transport, or of an interceptor inside, need not have more methods than those that send
// and receive, and what it says is so.
func (s *clientStream) isOfGRPC() (is bool) {
	if s.cc == nil {
		return false
	}
	defer func() { _ = recover() }()
	caller, _ := peer.FromContext(s.ctx)
	server, ok := peer.FromContext(s.Context())
	return ok && server != caller
}

// metadata returns what the peer has sent beside messages on a stream that has ended, if
// gRPC itself has made it.
func (s *clientStream) metadata() (header, trailer metadata.MD, ok bool) {
	if !s.isOfGRPC() {
		return nil, nil, false
	}
	defer func() { _ = recover() }() // as there
	trailer = s.Trailer()
	header, _ = s.Header()
	return header, trailer, true
}

// translate returns the typed form of err. A stream that has ended returns its
// status again and again, each time in a new error; callers get one value.
func (s *clientStream) translate(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	e, typed := s.client.translate(s.ctx, s.cc, s.method, err)
	if e == nil {
		return typed
	}
	s.mu.Lock()
	again := s.last != nil && equalStatus(s.last.GRPCStatus(), e.GRPCStatus())
	if !again {
		s.last, s.returned = e, typed
	}
	typed = s.returned
	s.mu.Unlock()
	if !again {
		s.client.observers.notify(s.ctx, s.client.event(s.method, s.start, e, err))
	}
	return typed
}

func equalStatus(a, b *status.Status) bool {
	return a == b || proto.Equal(a.Proto(), b.Proto())
}
