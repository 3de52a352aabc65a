package interceptor

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// client is the configuration of the client interceptors; it does not change once
// they are made.
type client struct {
	catalogs  []*mapping.Catalog
	decoder   *mapping.Decoder
	observers observers
	methods   *methods
	retry     *retrier // nil: calls are not repeated

	withoutAnnouncement bool

	inBand        *inband.Format // nil: replies are not read
	inBandStreams map[string]bool
	parse         func(message string) mapping.Code // nil: texts are not read
}

func newClient(opts []ClientOption) *client {
	c := &client{methods: new(methods)}
	for _, o := range opts {
		if o != nil {
			o.applyClient(c)
		}
	}
	c.decoder = mapping.NewDecoder(c.catalogs...)
	c.decoder.Parse = c.parse
	return c
}

// UnaryClient returns the interceptor for unary calls of a client. Every gRPC error of
// a call becomes a *[mapping.Error] that is still a status error: status.Code,
// status.FromError and errors.As keep working on it. Errors of other interceptors that
// are no statuses pass as they are.
func UnaryClient(opts ...ClientOption) grpc.UnaryClientInterceptor { return newClient(opts).unary() }

func (c *client) unary() grpc.UnaryClientInterceptor {
	switch {
	case c.retry != nil:
		return c.retryUnary
	case c.inBand != nil || len(c.observers) > 0:
		return c.watchUnary
	}
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoker(ctx, method, req, reply, cc, opts...)
		if err != nil {
			_, err = c.translate(ctx, cc, method, err)
		}
		return err
	}
}

// watchUnary makes a call, reads the code in its reply, and tells the observers.
func (c *client) watchUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	start := c.now()
	err := invoker(ctx, method, req, reply, cc, opts...)
	typed, e, cause := c.settle(ctx, cc, method, reply, err)
	if e != nil {
		c.observers.notify(ctx, c.event(method, start, e, cause))
	}
	return typed
}

// settle returns what an attempt came to: as translate does where gRPC returned an
// error, and else the error in the reply, if there is one.
func (c *client) settle(ctx context.Context, cc *grpc.ClientConn, method string, reply any, err error) (typed error, e *mapping.Error, cause error) {
	if err != nil {
		e, typed = c.translate(ctx, cc, method, err)
		return typed, e, err
	}
	if c.inBand != nil {
		if e, failed := c.inBand.FromReply(method, reply); failed {
			return e, e, e.Unwrap()
		}
	}
	return nil, nil, nil
}

// StreamClient returns the interceptor for streams of a client. Errors of opening the
// stream, of sending and of receiving become [mapping.Error]; io.EOF stays io.EOF, and
// repeated receives return the same value, as an error is the end of a stream. It calls
// nothing on a stream that has not ended, which leaves gRPC's own retries in force.
// Where gRPC loses the status of a call that it repeats, and says io.EOF, the call ends
// with UNAVAILABLE, or as its context has ended; where a server sends no reply at all,
// it ends with INTERNAL.
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

// translate returns the typed form of an error that gRPC returned, as what it is and
// as an error. One that an inner interceptor has typed stays as it is, with what was
// wrapped around it; what is no error of gRPC gives nil and err itself.
//
// One that was raised in this process, by an interceptor inside or at the other end of a
// transport that hands errors over as they are, is not the caller's own word. Were it
// local still, a handler that passes it on would vouch for what it says about retries.
func (c *client) translate(ctx context.Context, cc *grpc.ClientConn, method string, err error) (*mapping.Error, error) {
	if _, is := err.(interface{ GRPCStatus() *status.Status }); !is {
		if typed := typedIn(err); typed != nil && typed.Origin() != mapping.OriginLocal {
			return typed, err
		}
		if isEnd(err) {
			err = noReply(ctx, repeatsItself(cc, method) || isExhausted(err))
		}
	}
	e, ok := c.decoder.FromError(err)
	if !ok {
		return nil, err
	}
	if e.Origin() == mapping.OriginLocal {
		e = e.WithOrigin(mapping.OriginTransport).WithCause(err)
	}
	return e, e
}

// isEnd reports whether err is the io.EOF by which gRPC says that a call is over: as it
// is, or, when no attempt is left, wrapped. What an interceptor inside wraps around an
// io.EOF, of reading something else perhaps, is an error.
func isEnd(err error) bool {
	if err == io.EOF {
		return true
	}
	last, exhausted := lastOf(err)
	return exhausted && last == io.EOF
}

// lastOf returns what the last attempt of a call came to that gRPC has repeated by itself
// until no attempt was left, and whether err says so. gRPC does since version 1.81.
func lastOf(err error) (last error, exhausted bool) {
	defer func() {
		if recover() != nil {
			last, exhausted = nil, false
		}
	}()
	x, wraps := err.(interface{ Unwrap() error })
	if !wraps || !strings.HasPrefix(err.Error(), "max retries exhausted: failed after ") {
		return nil, false
	}
	return x.Unwrap(), true
}

// isExhausted reports whether gRPC has repeated a call by itself until no attempt was left,
// where err or an error in it says so.
func isExhausted(err error) (exhausted bool) {
	rpcerr.Walk(err, func(err error) bool {
		_, exhausted = lastOf(err)
		return !exhausted
	})
	return exhausted
}

// noReply returns the error of a call that was to have one reply and ended with io.EOF.
// With older versions of gRPC the server has said OK and sent none. Where gRPC has
// repeated the call, the status may be lost instead.
func noReply(ctx context.Context, repeated bool) error {
	if repeated || ctx.Err() != nil {
		return lostStatus(ctx)
	}
	return status.Error(codes.Internal, "the server ended the call without a reply")
}

// lostStatus returns the error of a call whose status gRPC has lost. When the connection
// breaks while gRPC repeats a call by itself, it returns the io.EOF of sending, which to
// the caller of a stream means success.
func lostStatus(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	return status.Error(codes.Unavailable, "the call ended, and its status is lost")
}

// repeatsItself reports whether gRPC's own retries are on for a method.
func repeatsItself(cc *grpc.ClientConn, method string) bool {
	return cc != nil && cc.GetMethodConfig(method).RetryPolicy != nil
}

// typedIn returns the *mapping.Error in err, nil if there is none.
func typedIn(err error) *mapping.Error {
	var typed *mapping.Error
	rpcerr.Walk(err, func(err error) bool {
		typed, _ = err.(*mapping.Error)
		return typed == nil
	})
	return typed
}

// report translates err and tells the observers.
func (c *client) report(ctx context.Context, cc *grpc.ClientConn, method string, start time.Time, err error) error {
	e, typed := c.translate(ctx, cc, method, err)
	if e != nil {
		c.observers.notify(ctx, c.event(method, start, e, err))
	}
	return typed
}

// now returns the time if somebody observes.
func (c *client) now() (t time.Time) {
	if len(c.observers) > 0 {
		t = time.Now()
	}
	return t
}

// event returns what observers are told of a call, or of an attempt.
func (c *client) event(method string, start time.Time, e *mapping.Error, cause error) Event {
	if len(c.observers) == 0 {
		return Event{}
	}
	return Event{
		Side: ClientSide, Method: method, Error: e, Cause: cause, RequestID: e.RequestID(), InBand: isInBand(cause), Duration: time.Since(start),
	}
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
	if header, trailer, ok := s.metadata(); ok {
		if len(trailer) > 0 {
			// The server has ended the stream, so that it knows its status, or there is a
			// message yet. On one that gRPC has ended, receiving again could block for ever.
			if err := s.ClientStream.RecvMsg(m); err != io.EOF {
				return err
			}
		} else if len(header) == 0 {
			return lostStatus(s.ctx)
		}
	}
	if s.desc.ServerStreams {
		return io.EOF
	}
	return noReply(s.ctx, false)
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
