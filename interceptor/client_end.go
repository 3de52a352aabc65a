package interceptor

import (
	"context"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// How gRPC ends calls otherwise than by a status.

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
