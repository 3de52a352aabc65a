package main

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

// plain is what gRPC offers by itself: a gRPC code and a text.
func plain() *contender {
	return &contender{
		name: "plain status", module: "google.golang.org/grpc", carries: carriesMessage,
		note:  "gRPC's own code and text",
		raise: func(int) error { return status.Error(codes.Internal, message) },
		is:    func(err error) bool { return status.Code(err) == codes.Internal },
		read:  func(err error) facts { return facts{message: status.Convert(err).Message()} },
	}
}

// A detailedError becomes a status with the standard details when it is sent.
type detailedError struct{ metadata map[string]string }

func (e *detailedError) Error() string { return message }

func (e *detailedError) GRPCStatus() *status.Status {
	st, err := status.New(codes.Internal, message).WithDetails(
		&errdetails.ErrorInfo{Reason: reason, Domain: domain, Metadata: e.metadata},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)},
	)
	if err != nil {
		return status.New(codes.Internal, message)
	}
	return st
}

// withDetails sends google.rpc.ErrorInfo and RetryInfo by the means of grpc-go.
func withDetails() *contender {
	read := func(err error) (f facts) {
		st := status.Convert(err)
		f.message = st.Message()
		for _, detail := range st.Details() {
			switch d := detail.(type) {
			case *errdetails.ErrorInfo:
				f.code, f.instance, f.node = d.Reason, d.Metadata["instance_id"], d.Metadata["node"]
			case *errdetails.RetryInfo:
				f.delay = d.RetryDelay.AsDuration()
			}
		}
		return f
	}
	return &contender{
		name: "status.WithDetails", module: "google.golang.org/grpc", carries: carriesCode + carriesMessage + carriesMetadata + carriesRetry,
		note: "google.rpc.ErrorInfo and RetryInfo, no class of retry",
		raise: func(i int) error {
			return &detailedError{map[string]string{"instance_id": instance(i), "node": node}}
		},
		is: func(err error) bool {
			for _, detail := range status.Convert(err).Details() {
				if info, ok := detail.(*errdetails.ErrorInfo); ok {
					return info.Domain == domain && info.Reason == reason
				}
			}
			return false
		},
		read: read,
	}
}

// A naiveError carries what statusmap carries, over the same bytes, written the
// obvious way: generated messages, WithDetails and Details.
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

// sealed returns the error that gRPC is to send for e.
func (e *naiveError) sealed(ctx context.Context) error {
	st, err := status.New(e.grpc, e.message).WithDetails(
		&errorsv1.ErrorInfo{
			Domain: e.domain, Number: e.number,
			Retry:     &errorsv1.RetryHint{Class: e.class, DelayMs: uint32(e.delay.Milliseconds())},
			RequestId: requestID(ctx),
		},
		&errdetails.ErrorInfo{Reason: e.reason, Domain: e.domain, Metadata: e.metadata},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(e.delay)},
	)
	if err != nil {
		return status.Error(e.grpc, e.message)
	}
	return st.Err()
}

// requestID returns the id in the headers of a request. Here no request has one.
func requestID(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, key := range []string{"x-request-id", "traceparent"} {
		if ids := md.Get(key); len(ids) > 0 {
			return ids[0]
		}
	}
	return ""
}

// naiveServer returns the interceptor that sends a naiveError, and within a call the trailer
// if that is wanted.
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

// announce is the interceptor that announces the client.
func announce(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoker(metadata.AppendToOutgoingContext(ctx, interceptor.AnnounceHeader, "1"), method, req, reply, cc, opts...)
}

// naiveClient is the interceptor that receives a naiveError.
func naiveClient(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoker(ctx, method, req, reply, cc, opts...)
	if err == nil {
		return nil
	}
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
		}
	}
	return e
}

func naive() *contender {
	target := &naiveError{domain: domain, number: number}
	return &contender{
		name: "naive", module: "google.golang.org/grpc", carries: carriesCode + carriesMessage + carriesMetadata + carriesRetry,
		note: "what statusmap sends, by generated messages, WithDetails and Details",
		raise: func(i int) error {
			return &naiveError{
				domain: domain, number: number, reason: reason, grpc: codes.Internal, message: message,
				metadata: map[string]string{"instance_id": instance(i), "node": node},
				class:    errorsv1.RetryClass_RETRY_CLASS_IDEMPOTENT, delay: delay,
			}
		},
		server: naiveServer(true),
		client: naiveClient,
		dial:   []grpc.DialOption{grpc.WithChainUnaryInterceptor(naiveClient, announce)},
		is:     func(err error) bool { return errors.Is(err, target) },
		read: func(err error) facts {
			var e *naiveError
			if !errors.As(err, &e) {
				return facts{}
			}
			return facts{code: e.reason, message: e.message, instance: e.metadata["instance_id"], node: e.metadata["node"], delay: e.delay}
		},
	}
}

// naiveStatusOnly is naive with nothing but the status.
func naiveStatusOnly() *contender {
	c := naive()
	c.name, c.note = "naive, status only", "the same without the trailer and the announcement"
	c.server, c.dial = naiveServer(false), nil
	return c
}
