package limits_test

import (
	"context"
	"io"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/interceptor/internal/limits"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

// Request headers by which a client tells the service what to do. A call that names no
// code is an innocent one.
const (
	domainKey  = "limits-domain"
	numberKey  = "limits-number"
	headersKey = "limits-headers" // send response headers first
)

// requestID is as long as one can be.
var requestID = strings.Repeat("i", 128)

// failing returns a context whose calls fail with a code. After headers, the status goes
// out in trailers of its own; without, it is all of the response ("Trailers-Only"), which
// proxies take for its headers.
func failing(ctx context.Context, c mapping.Code, afterHeaders bool) context.Context {
	ctx = metadata.AppendToOutgoingContext(ctx, domainKey, c.Domain(), numberKey, strconv.Itoa(int(c.Number())), "x-request-id", requestID)
	if afterHeaders {
		ctx = metadata.AppendToOutgoingContext(ctx, headersKey, "yes")
	}
	return ctx
}

// asked returns the code that a call is to fail with, the zero Code for an innocent one.
func asked(ctx context.Context) mapping.Code {
	header := func(key string) string { return strings.Join(metadata.ValueFromIncomingContext(ctx, key), "") }
	number, _ := strconv.Atoi(header(numberKey)) // 0 is the number of no code
	c, _ := mapping.Lookup(header(domainKey), int32(number))
	return c
}

// service fails the calls that ask for it with what fail makes of the code, and beside
// the status sends a trailer of that many bytes. Innocent calls succeed.
func service(others int, fail func(context.Context, mapping.Code) error) *stubtest.Service {
	failures := stubtest.Each(func(ctx context.Context) error {
		if len(metadata.ValueFromIncomingContext(ctx, headersKey)) > 0 {
			if err := grpc.SendHeader(ctx, metadata.Pairs("limits-headers", "sent")); err != nil {
				return err
			}
		}
		if others > 0 {
			const name = "limits-others"
			if err := grpc.SetTrailer(ctx, metadata.Pairs(name, strings.Repeat("o", others-len(name)-32))); err != nil {
				return err
			}
		}
		return fail(ctx, asked(ctx))
	})
	isInnocent := func(ctx context.Context) bool { return asked(ctx).IsZero() }
	return &stubtest.Service{
		Unary: func(ctx context.Context, req *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			if isInnocent(ctx) {
				return &testgrpc.SimpleResponse{}, nil
			}
			return failures.Unary(ctx, req)
		},
		ClientStream: func(stream testgrpc.TestService_StreamingInputCallServer) error {
			if isInnocent(stream.Context()) {
				return count(stream)
			}
			return failures.ClientStream(stream)
		},
		ServerStream: failures.ServerStream,
		BidiStream: func(stream testgrpc.TestService_FullDuplexCallServer) error {
			if isInnocent(stream.Context()) {
				return echo(stream)
			}
			return failures.BidiStream(stream)
		},
	}
}

// count replies with the number of messages that it got.
func count(stream testgrpc.TestService_StreamingInputCallServer) error {
	for n := int32(0); ; n++ {
		switch _, err := stream.Recv(); err {
		case nil:
		case io.EOF:
			return stream.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: n})
		default:
			return err
		}
	}
}

// echo answers each message.
func echo(stream testgrpc.TestService_FullDuplexCallServer) error {
	for {
		switch _, err := stream.Recv(); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
		if err := stream.Send(&testgrpc.StreamingOutputCallResponse{}); err != nil {
			return err
		}
	}
}

// talkative fails a call with an error that the server interceptors have to trim.
func talkative(_ context.Context, c mapping.Code) error { return limits.Talkative(c) }

// naive fails a call as servers do that know the details but no budget.
func naive(_ context.Context, c mapping.Code) error { return status.FromProto(unbounded(c)).Err() }

// unbounded is the status that limits.Talkative(c) would have without a budget.
func unbounded(c mapping.Code) *spb.Status {
	st := &spb.Status{Code: int32(c.GRPCCode()), Message: limits.Text}
	retry := c.Retry()
	attach(st, &errorsv1.ErrorInfo{
		Domain: c.Domain(), Number: c.Number(), RequestId: requestID,
		Retry: &errorsv1.RetryHint{Class: errorsv1.RetryClass(retry.Class), DelayMs: uint32(retry.Delay.Milliseconds())},
	})
	attach(st, &errdetails.ErrorInfo{Domain: c.Domain(), Reason: c.Reason(), Metadata: limits.Talkative(c).Metadata()})
	if retry.Class == mapping.Safe {
		attach(st, &errdetails.RetryInfo{RetryDelay: durationpb.New(retry.Delay)})
	}
	return st
}

// overloaded fails a call with details of others besides, 40 KiB of them, some of types
// that nobody here knows.
func overloaded(_ context.Context, c mapping.Code) error {
	st := unbounded(c)
	for range 20 {
		st.Details = append(st.Details, &anypb.Any{TypeUrl: "type.googleapis.com/example.Unknown", Value: []byte(strings.Repeat("u", 1<<10))})
	}
	attach(st, &errdetails.Help{Links: []*errdetails.Help_Link{{Description: strings.Repeat("h", 10<<10)}}})
	attach(st, &errdetails.DebugInfo{Detail: strings.Repeat("d", 10<<10)})
	return status.FromProto(st).Err()
}

func attach(st *spb.Status, detail proto.Message) {
	packed, err := anypb.New(detail)
	if err != nil {
		panic(err)
	}
	st.Details = append(st.Details, packed)
}
