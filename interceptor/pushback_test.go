package interceptor_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

const (
	pushbackKey = "grpc-retry-pushback-ms"
	unaryMethod = "/grpc.testing.TestService/UnaryCall"
)

// allMethods are the methods that stubtest.Shapes calls.
func allMethods() []string {
	var methods []string
	for _, shape := range stubtest.Shapes() {
		methods = append(methods, shape.Method)
	}
	return methods
}

func TestPushback(t *testing.T) {
	conflict := rest.TransactionFailed // ABORTED, HIGHER_LEVEL
	tests := []struct {
		name       string
		err        error
		idempotent bool
		deadline   time.Duration // 0: half a minute
		want       []string
	}{
		{name: "SAFE", err: sdk.InvokeRateLimited, want: []string{"1000"}},
		{name: "SAFE without delay", err: sdk.InvokeRateLimited.AsError().RetryAfter(0), want: []string{"0"}},
		{name: "SAFE with another delay", err: sdk.InvokeRateLimited.AsError().RetryAfter(70 * time.Millisecond), want: []string{"70"}},
		{name: "SAFE of a code that policies do not list", err: rest.SaveFileError, want: []string{"1000"}},
		{name: "SAFE, absurd delay", err: sdk.InvokeRateLimited.AsError().RetryAfter(1 << 62), want: nil, deadline: -1},
		{name: "not executed", err: sdk.InnerCommunication.AsError().NotExecuted(), want: []string{"500"}},
		{name: "wrapped with text", err: errors.Join(errors.New("x"), sdk.InvokeRateLimited), want: []string{"1000"}},

		{name: "IDEMPOTENT on an idempotent method", err: sdk.InnerCommunication, idempotent: true, want: []string{"500"}},
		{name: "IDEMPOTENT on another", err: sdk.InnerCommunication, want: []string{"-1"}},
		{name: "IDEMPOTENT on another, code not listed", err: sdk.InnerSystemError, want: nil},
		{name: "unknown error on an idempotent method", err: errors.New("?"), idempotent: true, want: []string{"1000"}},
		{name: "unknown error on another", err: errors.New("?"), want: nil},

		{name: "delay longer than the deadline", err: sdk.InsufficientDiskSpace.AsError().RetryAfter(25 * time.Second), idempotent: true, deadline: 20 * time.Second, want: []string{"-1"}},
		{name: "delay that leaves no time for the call", err: sdk.InvokeRateLimited.AsError().RetryAfter(28 * time.Second), want: []string{"-1"}},
		{name: "delay longer than the deadline, code not listed", err: rest.SaveFileError.AsError().RetryAfter(25 * time.Second), deadline: 20 * time.Second, want: nil},

		{name: "NEVER, UNAVAILABLE", err: sdk.InnerCommunication.AsError().DoNotRetry(), idempotent: true, want: []string{"-1"}},
		{name: "NEVER, RESOURCE_EXHAUSTED", err: rest.AliasOutOfLimit, idempotent: true, want: []string{"-1"}},
		{name: "NEVER, RESOURCE_EXHAUSTED, no policy", err: rest.AliasOutOfLimit, want: nil},
		{name: "HIGHER_LEVEL, ABORTED", err: conflict, idempotent: true, want: []string{"-1"}},
		{name: "HIGHER_LEVEL, ABORTED, no policy", err: conflict, want: nil},
		{name: "HIGHER_LEVEL, NOT_FOUND", err: sdk.InstanceNotFound, want: nil},
		{name: "NEVER, INVALID_ARGUMENT", err: sdk.ParamInvalid, want: nil},

		{name: "plain status", err: status.Error(codes.Unavailable, "x"), idempotent: true, want: nil},
		{name: "context error", err: context.Canceled, idempotent: true, want: nil},
		{name: "success", err: nil, idempotent: true, want: nil},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var opts []interceptor.ServerOption
			if tc.idempotent {
				opts = append(opts, interceptor.WithIdempotent(allMethods()...))
			}
			handler := stubtest.Each(func(context.Context) error { return tc.err })
			conn := stubtest.Dial(t, stubtest.Start(t, handler, interceptor.ServerOptions(opts...)...))
			want := tc.want
			if tc.deadline < 0 {
				tc.deadline, want = 0, []string{"-1"} // an hour does not fit half a minute
			}
			for _, shape := range stubtest.Shapes() {
				ctx := stubtest.Context(t)
				if tc.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.deadline)
					defer cancel()
				}
				var header, trailer metadata.MD
				err := shape.Call(ctx, conn, grpc.Header(&header), grpc.Trailer(&trailer))
				if (err == nil) != (tc.err == nil) {
					t.Errorf("%s: got %v, want %v", shape.Name, err, tc.err)
				}
				if got := trailer.Get(pushbackKey); !slices.Equal(got, want) {
					t.Errorf("%s: trailer %s = %q, want %q", shape.Name, pushbackKey, got, want)
				}
				if tc.err != nil && len(header) > 0 {
					t.Errorf("%s: the error came with headers %v, which forbid native retries", shape.Name, header)
				}
			}
		})
	}
}

// A policy may pass on what is only a guess here. The client gets a plain status then, and of
// a plain status a server says nothing about repeating the call.
func TestNoPushbackForAGuess(t *testing.T) {
	relay := interceptor.WithMapper(&mapping.Mapper{Relay: func(e *mapping.Error) *mapping.Error { return e }})
	handler := stubtest.Each(func(context.Context) error { return sentByPeer(status.New(codes.Unavailable, "down")) })
	conn := stubtest.Dial(t, stubtest.Start(t, handler, interceptor.ServerOptions(relay, interceptor.WithIdempotent(allMethods()...))...))
	for _, shape := range stubtest.Shapes() {
		var trailer metadata.MD
		err := shape.Call(stubtest.Context(t), conn, grpc.Trailer(&trailer))
		if got := trailer.Get(pushbackKey); status.Code(err) != codes.Unavailable || len(status.Convert(err).Details()) > 0 || len(got) > 0 {
			t.Errorf("%s: got %v with trailer %s = %q, want a plain UNAVAILABLE and none", shape.Name, err, pushbackKey, got)
		}
	}
}

// With a code that policies should not list nothing is said, so that one which lists it goes
// by the code alone.
func TestPolicyWithFurtherCodes(t *testing.T) {
	const policy = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":3,"initialBackoff":"0.001s","maxBackoff":"0.001s","backoffMultiplier":1,"retryableStatusCodes":["INTERNAL","UNAVAILABLE"]}}]}`
	for code, want := range map[mapping.Code]int{sdk.InnerSystemError: 3, sdk.InnerCommunication: 1} { // IDEMPOTENT both
		var c counted
		addr := stubtest.Start(t, c.service(failTimes(100, code)), interceptor.ServerOptions()...)
		if err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, grpc.WithDefaultServiceConfig(policy))); err == nil {
			t.Errorf("%v: the call succeeded", code)
		}
		c.want(t, want)
	}
}

func TestPushbackOfTheHandlerStands(t *testing.T) {
	handler := stubtest.Each(func(ctx context.Context) error {
		if err := grpc.SetTrailer(ctx, metadata.Pairs(pushbackKey, "123", "other", "kept")); err != nil {
			return err
		}
		return sdk.InvokeRateLimited
	})
	// Installing the interceptors twice must not say it twice either.
	opts := append(interceptor.ServerOptions(), interceptor.ServerOptions()...)
	conn := stubtest.Dial(t, stubtest.Start(t, handler, opts...))
	for _, shape := range stubtest.Shapes() {
		var trailer metadata.MD
		if err := shape.Call(stubtest.Context(t), conn, grpc.Trailer(&trailer)); !errors.Is(decoded(t, err), sdk.InvokeRateLimited) {
			t.Errorf("%s: got %v, want %v", shape.Name, err, sdk.InvokeRateLimited)
		}
		if got := trailer.Get(pushbackKey); !slices.Equal(got, []string{"123"}) {
			t.Errorf("%s: trailer %s = %q, want only the handler's 123", shape.Name, pushbackKey, got)
		}
		if got := trailer.Get("other"); !slices.Equal(got, []string{"kept"}) {
			t.Errorf("%s: another trailer of the handler = %q, want kept", shape.Name, got)
		}
	}
}

func TestPushbackIsSaidOnce(t *testing.T) {
	handler := stubtest.Each(func(context.Context) error { return sdk.InvokeRateLimited })
	opts := append(interceptor.ServerOptions(), interceptor.ServerOptions()...)
	conn := stubtest.Dial(t, stubtest.Start(t, handler, opts...))
	for _, shape := range stubtest.Shapes() {
		var trailer metadata.MD
		_ = shape.Call(stubtest.Context(t), conn, grpc.Trailer(&trailer))
		if got := trailer.Get(pushbackKey); !slices.Equal(got, []string{"1000"}) {
			t.Errorf("%s: with the interceptors installed twice, trailer %s = %q, want one 1000", shape.Name, pushbackKey, got)
		}
	}
}

func TestPushbackFromDescriptor(t *testing.T) {
	linkStoreService(t)
	handler := interceptor.UnaryServer()
	stream := new(recordedStream)
	ctx := grpc.NewContextWithServerTransportStream(context.Background(), stream)
	for method, want := range map[string]string{
		"/acme.Store/Get": "500", "/acme.Store/Put": "500", "/acme.Store/Append": "-1", "/acme.Store/Nothing": "-1",
	} {
		for range 2 { // found, then remembered
			stream.trailer = nil
			_, err := handler(ctx, nil, &grpc.UnaryServerInfo{FullMethod: method}, func(context.Context, any) (any, error) {
				return nil, sdk.InnerCommunication
			})
			if !errors.Is(err, sdk.InnerCommunication) {
				t.Fatalf("%s: got %v, want %v", method, err, sdk.InnerCommunication)
			}
			if got := stream.trailer.Get(pushbackKey); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: trailer %s = %q, want %s", method, pushbackKey, got, want)
			}
		}
	}
}

// The deadline that counts is the caller's, and not one that the server gives its handlers.
func TestPushbackWithinAHandlersTimeout(t *testing.T) {
	ended := func(ctx context.Context) context.Context {
		ctx, cancel := context.WithTimeout(ctx, 0)
		cancel()
		return ctx
	}
	handler := stubtest.Each(func(context.Context) error { return sdk.InvokeRateLimited.AsError().RetryAfter(20 * time.Second) })
	conn := stubtest.Dial(t, stubtest.Start(t, handler, append([]grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			return h(ended(ctx), req)
		}),
	}, interceptor.ServerOptions()...)...))
	for timeout, want := range map[time.Duration]string{time.Minute: "20000", 20 * time.Second: "-1"} {
		ctx, cancel := context.WithTimeout(stubtest.Context(t), timeout)
		defer cancel()
		var trailer metadata.MD
		if err := unaryCall(ctx, conn, grpc.Trailer(&trailer)); !errors.Is(decoded(t, err), sdk.InvokeRateLimited) {
			t.Errorf("got %v, want %v", err, sdk.InvokeRateLimited)
		}
		if got := trailer.Get(pushbackKey); len(got) != 1 || got[0] != want {
			t.Errorf("the caller has %v: trailer %s = %q, want %s", timeout, pushbackKey, got, want)
		}
	}
}

// recordedStream keeps the trailers that are set on it.
type recordedStream struct {
	grpc.ServerTransportStream
	trailer metadata.MD
}

func (s *recordedStream) Trailer() metadata.MD { return s.trailer }

func (s *recordedStream) SetTrailer(md metadata.MD) error {
	s.trailer = metadata.Join(s.trailer, md)
	return nil
}

// What nobody can read may have the trailer already.
func TestPushbackOnAStreamThatCannotBeRead(t *testing.T) {
	stream := new(unreadableStream)
	ctx := grpc.NewContextWithServerTransportStream(context.Background(), stream)
	_, err := interceptor.UnaryServer()(ctx, nil, unaryInfo, func(context.Context, any) (any, error) { return nil, sdk.InvokeRateLimited })
	if !errors.Is(err, sdk.InvokeRateLimited) {
		t.Errorf("got %v, want %v", err, sdk.InvokeRateLimited)
	}
	if got := stream.trailer.Get(pushbackKey); len(got) > 0 {
		t.Errorf("trailer %s = %q, want none", pushbackKey, got)
	}
}

// unreadableStream keeps the trailers that are set on it to itself.
type unreadableStream struct {
	grpc.ServerTransportStream
	trailer metadata.MD
}

func (s *unreadableStream) SetTrailer(md metadata.MD) error {
	s.trailer = metadata.Join(s.trailer, md)
	return nil
}

// A stream that has a method for its context may have none, as one made for a test: then the
// deadline is that of the handler's context.
func TestPushbackOnAStreamWithoutContext(t *testing.T) {
	for left, want := range map[time.Duration]string{
		time.Hour:        strconv.FormatInt(sdk.InvokeRateLimited.Retry().Delay.Milliseconds(), 10),
		time.Millisecond: "-1",
	} {
		stream := new(bareStream)
		ctx, cancel := context.WithTimeout(grpc.NewContextWithServerTransportStream(context.Background(), stream), left)
		defer cancel()
		_, err := interceptor.UnaryServer()(ctx, nil, unaryInfo, func(context.Context, any) (any, error) { return nil, sdk.InvokeRateLimited })
		if got := stream.trailer.Get(pushbackKey); !errors.Is(err, sdk.InvokeRateLimited) || !slices.Equal(got, []string{want}) {
			t.Errorf("with %v left: got %v and the trailer %q, want %q", left, err, got, want)
		}
	}
}

// bareStream is one whose trailers can be read.
type bareStream struct{ unreadableStream }

func (*bareStream) Context() context.Context { return nil }
func (s *bareStream) Trailer() metadata.MD   { return s.trailer }

func TestWithoutPushback(t *testing.T) {
	handler := stubtest.Each(func(context.Context) error { return sdk.InvokeRateLimited })
	conn := stubtest.Dial(t, stubtest.Start(t, handler, interceptor.ServerOptions(interceptor.WithoutPushback())...))
	for _, shape := range stubtest.Shapes() {
		var trailer metadata.MD
		err := shape.Call(stubtest.Context(t), conn, grpc.Trailer(&trailer))
		if got := trailer.Get(pushbackKey); len(got) > 0 {
			t.Errorf("%s: trailer %s = %q, want none", shape.Name, pushbackKey, got)
		}
		if got, want := decoded(t, err).Retry(), sdk.InvokeRateLimited.Retry(); got != want {
			t.Errorf("%s: the retry hint is %v, want %v", shape.Name, got, want)
		}
	}
}

// A call without a transport stream, as in a unit test of a handler, is no reason to fail.
func TestPushbackWithoutTransport(t *testing.T) {
	_, err := interceptor.UnaryServer()(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: unaryMethod},
		func(context.Context, any) (any, error) { return nil, sdk.InvokeRateLimited })
	if !errors.Is(err, sdk.InvokeRateLimited) {
		t.Errorf("got %v, want %v", err, sdk.InvokeRateLimited)
	}
}

func TestPushbackAllocations(t *testing.T) {
	unary := interceptor.UnaryServer()
	info := &grpc.UnaryServerInfo{FullMethod: unaryMethod}
	for name, err := range map[string]error{"success": nil, "a bare NOT_FOUND": sdk.InstanceNotFound} {
		handler := func(context.Context, any) (any, error) { return (*testgrpc.Empty)(nil), err }
		got := testing.AllocsPerRun(100, func() { _, _ = unary(context.Background(), nil, info, handler) })
		if got != 0 {
			t.Errorf("%s costs %v allocations, want none", name, got)
		}
	}
}
