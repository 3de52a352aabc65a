package interceptor_test

import (
	"context"
	"io"
	"testing"

	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

// A configured is a call through an interceptor with some options.
type configured struct {
	name string
	most float64 // how many allocations it may cost where it succeeds
	call func() error
}

// configurations are calls of all four kinds with one option after the other, which
// succeed or fail with the sample. Handlers and invokers do nothing.
func configurations(tb testing.TB, fail bool) (all []configured) {
	var raised, arrived error
	end := io.EOF
	if fail {
		raised = sample(1)
		arrived = received(tb, encodeWith(interceptor.UnaryServer(), context.Background(), returning(raised)))
		end = arrived
	}
	observer := interceptor.WithObserver(func(context.Context, interceptor.Event) {})
	idempotent := interceptor.WithIdempotent(sampleMethod)
	inBandStreams := interceptor.WithInBandStreams(sampleMethod)
	reply := new(testgrpc.SimpleResponse)

	ctx := inCall(incoming("accept-language", "zh-CN", interceptor.AnnounceHeader, "1"))
	handler := grpc.UnaryHandler(func(context.Context, any) (any, error) { return reply, raised })
	streamHandler := grpc.StreamHandler(func(any, grpc.ServerStream) error { return raised })
	streamInfo := &grpc.StreamServerInfo{FullMethod: sampleMethod}
	server := func(name string, unaryMost, streamMost float64, opts ...interceptor.ServerOption) {
		unary, stream := interceptor.UnaryServer(opts...), interceptor.StreamServer(opts...)
		s := &serverStream{ctx: ctx}
		all = append(all,
			configured{"unary-server/" + name, unaryMost, func() error {
				_, err := unary(ctx, nil, sampleInfo, handler)
				return err
			}},
			configured{"stream-server/" + name, streamMost, func() error { return stream(nil, s, streamInfo, streamHandler) }})
	}
	localized := interceptor.WithLocalizedMessage(func(string) string { return "zh" })
	server("none", 0, 0)
	server("observer", 0, 0, observer)
	server("recovery", 0, 0, interceptor.WithRecovery())
	server("in-band", 0, 0, interceptor.WithInBandReplies(nil))
	server("in-band-streams", 0, 2, interceptor.WithInBandReplies(nil), inBandStreams)
	server("idempotent", 0, 0, idempotent)
	server("localized", 0, 0, localized)
	server("code-in-metadata", 0, 0, interceptor.WithCodeInMetadata())
	server("request-id", 0, 0, interceptor.WithRequestID(func(context.Context) string { return "0b7f6c1e-9d42" }))
	server("budget", 0, 0, interceptor.WithBudget(2048))
	server("rules", 0, 0, interceptor.WithRules(mapping.WhenIs(io.ErrUnexpectedEOF, sdk.InnerCommunication)))
	server("without-pushback", 0, 0, interceptor.WithoutPushback())
	server("all", 0, 2, observer, interceptor.WithRecovery(), interceptor.WithInBandReplies(nil), inBandStreams, localized,
		interceptor.WithCodeInMetadata(), interceptor.WithBudget(2048))

	invoker := grpc.UnaryInvoker(func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return arrived })
	ended := &endedStream{end: end} // shared, so that only the interceptor allocates
	streamer := grpc.Streamer(func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
		return ended, nil
	})
	desc := &grpc.StreamDesc{ServerStreams: true}
	client := func(name string, unaryMost, streamMost float64, opts ...interceptor.ClientOption) {
		unary, stream := interceptor.UnaryClient(opts...), interceptor.StreamClient(opts...)
		all = append(all,
			configured{"unary-client/" + name, unaryMost, func() error {
				return unary(context.Background(), sampleMethod, nil, reply, nil, invoker)
			}},
			configured{"stream-client/" + name, streamMost, func() error {
				return drain(stream(context.Background(), desc, nil, sampleMethod, streamer))
			}})
	}
	retry := interceptor.WithRetry(interceptor.RetryPolicy{MaxAttempts: 1}) // so that nothing waits
	client("none", 0, 1)
	client("observer", 0, 1, observer)
	client("retry", 1, 1, retry)
	client("in-band", 0, 1, interceptor.WithInBand(nil))
	client("in-band-streams", 0, 4, interceptor.WithInBand(nil), inBandStreams)
	client("idempotent", 0, 1, idempotent)
	client("text-codes", 0, 1, interceptor.WithTextCodes())
	client("catalogs", 0, 1, interceptor.WithCatalogs(sdk.Catalog(), rest.Catalog()))
	client("all", 1, 4, observer, retry, interceptor.WithInBand(nil), inBandStreams, interceptor.WithTextCodes())
	return all
}

// endedStream is a stream of a client that has ended.
type endedStream struct {
	grpc.ClientStream
	end error
}

func (s *endedStream) RecvMsg(any) error { return s.end }

// BenchmarkOptions: what each option costs a call of each kind that succeeds, and one
// that fails with the sample error.
func BenchmarkOptions(b *testing.B) {
	withHeap(b)
	declareSampleMethod(b)
	for _, outcome := range []struct {
		name string
		fail bool
	}{{"ok", false}, {"fail", true}} {
		for _, c := range configurations(b, outcome.fail) {
			b.Run(outcome.name+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					sink = c.call()
				}
				if failed := sink != nil && sink != io.EOF; failed != outcome.fail {
					b.Fatalf("the call ended with %v", sink)
				}
			})
		}
	}
}

// TestSuccessAllocations holds calls that succeed to what package interceptor says of them.
func TestSuccessAllocations(t *testing.T) {
	declareSampleMethod(t)
	for _, c := range configurations(t, false) {
		if got := testing.AllocsPerRun(100, func() { sink = c.call() }); got > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.most)
		}
		if sink != nil && sink != io.EOF {
			t.Errorf("%s: the call ended with %v", c.name, sink)
		}
	}
}

// inCall returns the context of a call that gRPC has made with the headers in ctx.
func inCall(ctx context.Context) context.Context {
	return grpc.NewContextWithServerTransportStream(ctx, transportStream{})
}

// A transportStream takes trailers as that of gRPC does, at the same cost, but forgets
// them, so that every call is the first.
type transportStream struct{ grpc.ServerTransportStream }

func (transportStream) Trailer() metadata.MD { return nil }

func (transportStream) SetTrailer(md metadata.MD) error {
	trailerSink = metadata.Join(md)
	return nil
}

var trailerSink metadata.MD
