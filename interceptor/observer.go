package interceptor

import (
	"context"
	"time"

	"github.com/openyuanrong/statusmap/mapping"
)

// WithObserver calls f once for each gRPC error that a call ends with: on the server after
// it was mapped, on the client after it was decoded. Calls that succeed are not observed.
// With [WithRetry], f is also called for each attempt that is about to be repeated, with
// Event.Retrying set.
//
// On a client stream, the error that ends it is seen once the caller receives it, and an
// error of sending too if it is another one.
//
// Observers run on the goroutine of the call, so they must be quick, and they may run
// concurrently. Several are called in order. If one panics, it does so in the call, and
// [WithRecovery] does not help, because it is for handlers. Nil is ignored.
func WithObserver(f func(ctx context.Context, ev Event)) Option {
	return option{
		func(s *server) { s.observers = s.observers.with(f) },
		func(c *client) { c.observers = c.observers.with(f) },
	}
}

// A Side tells at which end of a call an event was seen.
type Side uint8

const (
	// ServerSide: the event is about an error that a handler returned.
	ServerSide Side = iota
	// ClientSide: the event is about an error that a call ended with.
	ClientSide
)

// String returns "server" or "client".
func (s Side) String() string {
	if s == ClientSide {
		return "client"
	}
	return "server"
}

// An Event is one error of one call, as seen by an observer.
type Event struct {
	// Side tells which interceptor reports.
	Side Side
	// Method is the full method, "/package.Service/Method".
	Method string
	// Error is what the client gets or got: code, gRPC code, retry hint, origin, request
	// id, and whether something was trimmed; its message and metadata are those before
	// trimming. A code that is inferred from a plain status is seen on the client only.
	// Never nil.
	Error *mapping.Error
	// Cause is the real error, with everything that did not cross: on the server
	// what the handler returned, nil if it panicked; on the client what gRPC
	// returned, or the reply that the code was in.
	Cause error
	// InBand tells that the error crossed in a reply of a call that ended OK: on the
	// server because the caller does not understand statuses, on the client because
	// the server sends none.
	InBand bool
	// RequestID is, on the server, the id of the request, or that of Error if the request
	// has none. Error may have another one, of the service that it came from, or none, as a
	// plain status. On the client it is that of Error.
	RequestID string
	// Panic and Stack are the value and the stack of a recovered panic, else nil.
	Panic any
	Stack []byte
	// Duration is the time from the start of the call to its error.
	Duration time.Duration
	// Attempt tells which attempt of the call failed, from 1. It is 0 where nobody counts:
	// on the server, without [WithRetry], and where gRPC repeats calls, such as streams.
	Attempt int
	// Retrying marks an attempt after which the call is repeated, once Wait has passed. If
	// the call ends with an error, that one comes without the mark.
	Retrying bool
	Wait     time.Duration
	// GaveUp tells why a unary call is not repeated. It is "" if it is, and without
	// [WithRetry].
	GaveUp GaveUp
}

// A GaveUp is the reason why a client with [WithRetry] does not repeat a unary call. There
// are few, so that calls can be counted by it.
type GaveUp string

// The reasons for not repeating a call.
const (
	// GaveUpError: the error forbids it, at least for this method. Most calls that fail
	// end so; the other reasons are for errors after which the call might be repeated.
	GaveUpError GaveUp = "error"
	// GaveUpServer: the trailer grpc-retry-pushback-ms forbids it, or is malformed. Our
	// servers also forbid it if the delay does not fit the caller's deadline.
	GaveUpServer GaveUp = "server"
	// GaveUpAttempts: the call has had all the attempts that it may have.
	GaveUpAttempts GaveUp = "attempts"
	// GaveUpDelay: the server asks for a longer delay than RetryPolicy.MaxDelay.
	GaveUpDelay GaveUp = "delay"
	// GaveUpBudget: too many calls of the connection fail, see RetryPolicy.MaxTokens.
	GaveUpBudget GaveUp = "budget"
	// GaveUpDeadline: the wait does not fit the deadline of the context.
	GaveUpDeadline GaveUp = "deadline"
	// GaveUpContext: the context has ended.
	GaveUpContext GaveUp = "context"
	// GaveUpOthers: gRPC itself, or an interceptor inside, repeats the calls of the
	// method, and has given up.
	GaveUpOthers GaveUp = "others"
)

type observers []func(context.Context, Event)

// with returns o with one more.
func (o observers) with(f func(context.Context, Event)) observers {
	if f == nil {
		return o
	}
	return append(o, f)
}

func (o observers) notify(ctx context.Context, ev Event) {
	for _, f := range o {
		f(ctx, ev)
	}
}
