package interceptor

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// server is the configuration of the server interceptors; it does not change once
// they are made.
type server struct {
	mapper    *mapping.Mapper
	rules     []mapping.Rule // in addition to the mapper's, until they are joined
	requestID func(context.Context) string
	budget    int
	recovers  bool
	observers observers
	methods   *methods

	withoutPushback bool
	trailers        memo[int64, metadata.MD]
	codeInMetadata  bool

	addsNothing bool // nothing here adds to an error by itself

	inBand        *inband.Format // nil: callers get nothing but statuses
	inBandStreams map[string]bool

	matchLanguage func(acceptLanguage string) string // nil: nothing is localised
}

func newServer(opts []ServerOption) *server {
	s := &server{mapper: new(mapping.Mapper), requestID: requestIDOf, methods: new(methods)}
	for _, o := range opts {
		if o != nil {
			o.applyServer(s)
		}
	}
	if len(s.rules) > 0 {
		m := *s.mapper
		m.Rules = append(slices.Clone(m.Rules), s.rules...)
		s.mapper = &m
	}
	s.addsNothing = s.matchLanguage == nil && !s.codeInMetadata && s.budget == 0
	return s
}

// UnaryServer returns the interceptor for unary calls of a server. [mapping.Mapper.Map]
// tells what a handler may return, and what the client gets.
func UnaryServer(opts ...ServerOption) grpc.UnaryServerInterceptor { return newServer(opts).unary() }

func (s *server) unary() grpc.UnaryServerInterceptor {
	if s.isPlain() {
		return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			resp, err := handler(ctx, req)
			if err != nil {
				err = s.seal(ctx, info.FullMethod, err)
			}
			return resp, err
		}
	}
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
		err = s.watch(ctx, info.FullMethod, func() error {
			var err error
			resp, err = handler(ctx, req)
			return err
		}, func(reply proto.Message) error {
			resp = reply
			return nil
		})
		return resp, err
	}
}

// StreamServer returns the interceptor for streams of a server. The same holds as for
// [UnaryServer], with one exception that gRPC makes: when receiving or sending on the
// stream fails for reasons of size or encoding, gRPC itself sends its status at once,
// and what the handler returns comes too late.
func StreamServer(opts ...ServerOption) grpc.StreamServerInterceptor {
	return newServer(opts).stream()
}

func (s *server) stream() grpc.StreamServerInterceptor {
	if s.isPlain() {
		return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			err := handler(srv, stream)
			if err != nil {
				err = s.seal(stream.Context(), info.FullMethod, err)
			}
			return err
		}
	}
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		stream, send := s.lastMessage(stream, info)
		return s.watch(stream.Context(), info.FullMethod, func() error { return handler(srv, stream) }, send)
	}
}

// isPlain reports whether a call needs nothing but its error mapped, so that one
// that succeeds costs nothing.
func (s *server) isPlain() bool {
	return !s.recovers && len(s.observers) == 0 && s.inBand == nil
}

// seal returns the error that gRPC is to send for what a handler returned, and tells
// clients by a trailer whether to repeat the call.
func (s *server) seal(ctx context.Context, method string, err error) *mapping.Error {
	id := s.requestID(ctx)
	if c, ok := err.(mapping.Code); ok && id == "" && s.addsNothing {
		if e := c.AsError(); e != nil && !concernsRetries(e) {
			return e // the same at every call
		}
	}
	e, idempotent := s.prepare(ctx, method, s.mapper.Map(ctx, err), id)
	s.setPushback(ctx, e, idempotent)
	return e
}

// prepare returns e as it is to be sent for the request of that id, and whether the
// method is idempotent, if that matters.
func (s *server) prepare(ctx context.Context, method string, e *mapping.Error, id string) (sealed *mapping.Error, idempotent bool) {
	growStack(false)
	if id == "" && needsRequestID(e) {
		id = newRequestID()
	}
	idempotent = concernsRetries(e) && s.methods.idempotent(method)
	w := rpcerr.Wire{RequestID: id, Idempotent: idempotent, Budget: s.budget, CodeInMetadata: s.codeInMetadata}
	if s.matchLanguage != nil {
		w.Details = s.localized(ctx, e)
	}
	return e.Seal(w), idempotent
}

// concernsRetries reports whether clients may be told about repeating the call: by
// RetryInfo, or by [pushback]. Without that the method does not matter.
func concernsRetries(e *mapping.Error) bool {
	switch e.Retry().Class {
	case mapping.Safe, mapping.Idempotent:
		return true
	}
	return isPolicyCode(e.GRPCCode())
}

// errPanic is what a recovered panic counts as.
var errPanic = errors.New("the handler panicked")

// watch runs a handler and reports its error to the observers. An error that goes out
// in a reply is sent by the function given.
func (s *server) watch(ctx context.Context, method string, handler func() error, send func(proto.Message) error) error {
	var start time.Time
	if len(s.observers) > 0 {
		start = time.Now()
	}
	ev := Event{Side: ServerSide, Method: method}
	ev.Cause = s.run(handler, &ev)
	err := ev.Cause
	if ev.Panic != nil {
		err = errPanic
	}
	if err == nil {
		return nil
	}
	id := s.requestID(ctx)
	e, idempotent := s.prepare(ctx, method, s.mapper.Map(ctx, err), id)
	ev.Error = e
	if ev.InBand = s.answer(ctx, method, e, idempotent, send); !ev.InBand {
		s.setPushback(ctx, e, idempotent)
	}
	ev.Duration = time.Since(start)
	if ev.RequestID = e.RequestID(); id != "" && id != ev.RequestID {
		ev.RequestID = e.WithRequestID(id).RequestID() // as one would be sent
	}
	s.observers.notify(ctx, ev)
	if ev.InBand {
		return nil
	}
	return ev.Error
}

// run calls the handler and, if recovery is on, notes a panic in ev.
func (s *server) run(handler func() error, ev *Event) error {
	if !s.recovers {
		return handler()
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		// recover returns nil for runtime.Goexit too, which then goes on unhindered, and
		// for panic(nil) under GODEBUG=panicnil=1.
		if ev.Panic = recover(); ev.Panic == nil {
			ev.Panic = new(runtime.PanicNilError)
		}
		if ev.Panic != http.ErrAbortHandler {
			ev.Stack = debug.Stack()
		}
	}()
	err := handler()
	returned = true
	return err
}
