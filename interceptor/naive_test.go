package interceptor_test

import (
	"context"
	"errors"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/interceptor"
)

// A naiveError is the yardstick of the benchmarks: the same wire contract, written
// the obvious way with generated messages, WithDetails and Details. It takes no care
// of order, of size or of UTF-8.
type naiveError struct {
	domain   string
	number   int32
	reason   string
	grpc     codes.Code
	message  string
	metadata map[string]string
	class    errorsv1.RetryClass
	delay    time.Duration
	received *status.Status
}

func (e *naiveError) Error() string { return e.reason + ": " + e.message }

func (e *naiveError) GRPCStatus() *status.Status { return e.received }

func (e *naiveError) Is(target error) bool {
	t, ok := target.(*naiveError)
	return ok && t.domain == e.domain && t.number == e.number
}

// status returns what a server sends for e.
func (e *naiveError) status(requestID string) (*status.Status, error) {
	return status.New(e.grpc, e.message).WithDetails(
		&errorsv1.ErrorInfo{
			Domain:    e.domain,
			Number:    e.number,
			Retry:     &errorsv1.RetryHint{Class: e.class, DelayMs: uint32(e.delay.Milliseconds())},
			RequestId: requestID,
		},
		&errdetails.ErrorInfo{Reason: e.reason, Domain: e.domain, Metadata: e.metadata},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(e.delay)},
	)
}

// naiveDecode returns what a client makes of an error of gRPC.
func naiveDecode(err error) error {
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	e := &naiveError{grpc: st.Code(), message: st.Message(), received: st}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errorsv1.ErrorInfo:
			e.domain, e.number, e.class = d.Domain, d.Number, d.GetRetry().GetClass()
			e.delay = time.Duration(d.GetRetry().GetDelayMs()) * time.Millisecond
		case *errdetails.ErrorInfo:
			e.reason, e.metadata = d.Reason, d.Metadata
		case *errdetails.RetryInfo:
			e.delay = d.RetryDelay.AsDuration()
		}
	}
	return e
}

// naiveUnaryServer does what interceptor.UnaryServer does for an error: the status, and
// within a call the trailer. naiveStatusServer leaves the trailer out.
var naiveUnaryServer, naiveStatusServer = naiveServer(true), naiveServer(false)

func naiveServer(trailer bool) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		resp, err := handler(ctx, req)
		if err == nil {
			return resp, nil
		}
		var e *naiveError
		if !errors.As(err, &e) {
			return resp, status.Error(codes.Internal, "internal error")
		}
		if trailer && grpc.ServerTransportStreamFromContext(ctx) != nil {
			_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", strconv.FormatInt(e.delay.Milliseconds(), 10)))
		}
		return resp, e.sealed(ctx)
	}
}

// sealed returns the error that gRPC is to send for e.
func (e *naiveError) sealed(ctx context.Context) error {
	st, err := e.status(naiveRequestID(ctx))
	if err != nil {
		return status.Error(e.grpc, e.message)
	}
	return st.Err()
}

// naiveRequestID returns the id of the request. Those of the benchmarks have none.
func naiveRequestID(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, key := range []string{"x-request-id", "traceparent"} {
		if ids := md.Get(key); len(ids) > 0 {
			return ids[0]
		}
	}
	return ""
}

// naiveUnaryClient does what the client of interceptor.DialOptions does: it announces
// itself, and decodes errors.
func naiveUnaryClient(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx = metadata.AppendToOutgoingContext(ctx, interceptor.AnnounceHeader, "1")
	return naiveStatusClient(ctx, method, req, reply, cc, invoker, opts...)
}

// naiveStatusClient is naiveUnaryClient without the announcement, as interceptor.UnaryClient
// is.
func naiveStatusClient(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoker(ctx, method, req, reply, cc, opts...)
	if err == nil {
		return nil
	}
	return naiveDecode(err)
}
