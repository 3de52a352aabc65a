package interceptor

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/openyuanrong/statusmap/mapping"
)

// pushbackKey is the trailer by which a server steers the retries that gRPC clients
// make by themselves: the milliseconds to wait, or a negative number for no retry.
// https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback
const pushbackKey = "grpc-retry-pushback-ms"

// WithoutPushback turns off the trailer grpc-retry-pushback-ms, by which the server tells
// clients that retry by themselves whether and when to repeat a call. The retry hint in the
// status stays.
//
// The trailer is the delay in milliseconds if the call may be repeated and the delay fits
// the caller's deadline. Else it is -1 if the call fails with a code that retry policies
// list: UNAVAILABLE, RESOURCE_EXHAUSTED or ABORTED. In all other cases there is none:
//
//   - for other gRPC codes. So a policy that lists further codes, as one that comes by xDS
//     may, repeats calls that fail with these, whatever their errors say;
//   - for classes NEVER and HIGHER_LEVEL on a method that is not declared idempotent, which
//     has no policy from [ServiceConfig]: a -1 would use up the client's throttle for
//     nothing;
//   - for a status without a platform code, or with a guessed one, which says nothing about
//     retries;
//   - where a handler has set the trailer, which then stays as it is, or where nobody can
//     tell because an interceptor outside hides gRPC's own stream.
//
// gRPC does not retry calls on which the handler, or an interceptor, has set response
// headers.
func WithoutPushback() ServerOption {
	return serverOption(func(s *server) { s.withoutPushback = true })
}

// isPolicyCode reports whether a retry policy may sensibly list c, and that of
// [ServiceConfig] does by default. With any other code a "no retry" would use up, in
// the client's throttle, the retries of calls that deserve them.
func isPolicyCode(c codes.Code) bool {
	switch c {
	case codes.Unavailable, codes.ResourceExhausted, codes.Aborted:
		return true
	}
	return false
}

// setPushback tells clients that retry by themselves what to do about e, by exactly
// one trailer. A trailer that the handler has set stands as it is, because gRPC cannot
// take it back, and a second value would only forbid what the first allows.
func (s *server) setPushback(ctx context.Context, e *mapping.Error, idempotent bool) {
	if s.withoutPushback {
		return
	}
	stream := grpc.ServerTransportStreamFromContext(ctx)
	ms, ok := pushback(callersContext(ctx, stream), e, idempotent)
	if ok && !hasPushback(stream) {
		_ = stream.SetTrailer(s.trailerOf(ms))
	}
}

// callersContext returns the context with the deadline of the caller. An interceptor
// outside may have set an earlier one for the handler, which does not bound the call.
func callersContext(ctx context.Context, stream grpc.ServerTransportStream) context.Context {
	if s, ok := stream.(interface{ Context() context.Context }); ok && s.Context() != nil {
		return s.Context()
	}
	return ctx
}

// maxTrailers bounds how many trailers are remembered, because handlers may choose any
// delay. Those of catalogues are few.
const maxTrailers = 100

// trailerOf returns the trailer of that value. It is shared, for gRPC copies it.
func (s *server) trailerOf(ms int64) metadata.MD {
	trailer, ok := s.trailers.get(ms)
	if !ok {
		trailer = metadata.MD{pushbackKey: {strconv.FormatInt(ms, 10)}}
		s.trailers.put(ms, trailer, maxTrailers)
	}
	return trailer
}

// noRetry is the value of the trailer that forbids clients to repeat the call.
const noRetry = -1

// pushback returns the value of the trailer for e, and whether there is to be one.
//
// Some clients obey a delay whatever the code, so there is one only where the call may
// really be repeated, and only one that ends before the caller's deadline: clients
// wait it out even if it does not, and then lose the error. An error that nobody
// gave a code of a catalogue says nothing about retries, and so neither do we.
func pushback(ctx context.Context, e *mapping.Error, idempotent bool) (ms int64, ok bool) {
	if e.Code().IsZero() || e.Guessed() {
		return 0, false
	}
	retry := e.Retry()
	if e.SendsRetryInfo(idempotent) && fits(ctx, retry.Delay) {
		return retry.Delay.Milliseconds(), true
	}
	// "No retry" takes a token from a client's throttle, even where the method has no
	// policy. So it is said where a policy would run something twice or wait too long,
	// and for other classes only on idempotent methods, which have one from us.
	mayRunTwice := retry.Class == mapping.Safe || retry.Class == mapping.Idempotent
	return noRetry, (mayRunTwice || idempotent) && isPolicyCode(e.GRPCCode())
}

// asking is what a server asks for by the trailer.
type asking int

const (
	unasked    asking = iota // there is no trailer
	forWait                  // to repeat the call after a wait
	forNoRetry               // not to repeat it
	forNothing               // the trailer is malformed, or there twice
)

// askedFor reads the trailer of a call that failed.
func askedFor(trailer metadata.MD) (asking, time.Duration) {
	values := trailer[pushbackKey]
	if len(values) == 0 {
		return unasked, 0
	}
	ms, err := strconv.ParseInt(values[0], 10, 32)
	switch {
	case err != nil || len(values) > 1:
		return forNothing, 0
	case ms < 0:
		return forNoRetry, 0
	}
	return forWait, time.Duration(ms) * time.Millisecond
}

// fits reports whether the caller's deadline leaves room for a delay and for the
// call after it. The caller's clock runs ahead of ours by the time that the request
// took, and the answer takes some as well: an eighth of the delay is kept for that.
func fits(ctx context.Context, delay time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > delay+delay/8
}

// hasPushback reports whether the trailer is, or may be, set already. The interface of
// gRPC can only add to trailers; its own streams can be read, though. In one that
// somebody has wrapped so that it cannot, a second value would do more harm than none.
// Outside a call of gRPC the stream is nil, and there is nothing to set it on.
func hasPushback(stream grpc.ServerTransportStream) bool {
	s, ok := stream.(interface{ Trailer() metadata.MD })
	return !ok || len(s.Trailer()[pushbackKey]) > 0
}
