package interceptor

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

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

// UnaryClient returns the interceptor for unary calls of a client. Every gRPC error of a
// call becomes a *[mapping.Error] that is still a status error: status.Code,
// status.FromError and errors.As keep working on it. Errors of other interceptors that are
// no gRPC errors pass as they are.
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
