package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

// detailsOf returns the status as it stood in the trailers of a call, byte for byte.
func detailsOf(ctx context.Context, t *testing.T, c client, shape stubtest.Shape) string {
	t.Helper()
	var trailer metadata.MD
	if err := shape.Call(ctx, c, grpc.Trailer(&trailer)); err == nil {
		t.Fatal("the call succeeded")
	}
	values := trailer["grpc-status-details-bin"]
	if len(values) != 1 {
		t.Fatalf("%d values of grpc-status-details-bin, want 1", len(values))
	}
	return values[0]
}

// withoutRetryInfo returns the details of an encoded status, byte for byte, except
// RetryInfo, which depends on the method of each server.
func withoutRetryInfo(t *testing.T, encoded string) string {
	t.Helper()
	st := new(spb.Status)
	if err := proto.Unmarshal([]byte(encoded), st); err != nil {
		t.Fatal(err)
	}
	st.Details = slices.DeleteFunc(st.Details, func(a *anypb.Any) bool { return a.MessageIs((*errdetails.RetryInfo)(nil)) })
	var b strings.Builder
	for _, detail := range st.Details {
		fmt.Fprintf(&b, "%s %x\n", detail.TypeUrl, detail.Value)
	}
	return b.String()
}

// unknownMessage returns a message of a type that no registry has.
func unknownMessage(t *testing.T) proto.Message {
	t.Helper()
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("elsewhere.proto"), Package: proto.String("elsewhere"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Detail"), Field: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("text"), Number: proto.Int32(1),
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := dynamicpb.NewMessage(file.Messages().Get(0))
	m.Set(m.Descriptor().Fields().ByNumber(1), m.Get(m.Descriptor().Fields().ByNumber(1)))
	m.SetUnknown([]byte{0x92, 0x03, 0x03, 'n', 'e', 'w'}) // field 50 of a later version
	if _, err := protoregistry.GlobalTypes.FindMessageByName("elsewhere.Detail"); err == nil {
		t.Fatal("the type is known after all")
	}
	return m
}

// TestChain sends errors through two servers that only pass them on, and finds them
// behind the second as they left the first.
func TestChain(t *testing.T) {
	newer := statusWith(codes.Aborted, "来自新版本", &errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "NEWER", Metadata: map[string]string{"kk": "v"}})
	newerProto := newer.Proto()
	// Our detail as a later version might write it: number 9999 and a field 99.
	own := &anypb.Any{TypeUrl: "type.googleapis.com/" + ourDetail, Value: append([]byte("\x0a\x0csdk.yuanrong\x10\x8f\x4e\x1a\x05\x08\x02\x10\x96\x01"), 0x9a, 0x06, 0x01, 'x')}
	newerProto.Details = append([]*anypb.Any{own}, newerProto.Details...)
	newerProto.Details = append(newerProto.Details, &anypb.Any{TypeUrl: "example.com/garbage", Value: []byte{0xff, 0x00, 0xff}})

	for _, test := range []struct {
		name     string
		raise    func() error
		origin   []grpc.ServerOption // of the server that raises
		number   int32
		grpc     codes.Code
		message  string
		metadata map[string]string
		retry    mapping.Retry
	}{
		{"raised", func() error {
			return sdk.InnerCommunication.Wrapf(errSecret, "节点 %d", 7).With("node", "n7").With("zone", "z").
				NotExecuted().RetryAfter(250*time.Millisecond).WithDetails(quota, unknownMessage(t))
		}, interceptor.ServerOptions(interceptor.WithRequestID(func(context.Context) string { return "at-origin" })),
			3002, sdk.InnerCommunication.GRPCCode(), "节点 7", map[string]string{"node": "n7", "zone": "z"},
			mapping.Retry{Class: mapping.Safe, Delay: 250 * time.Millisecond}},
		{"from a newer peer", func() error { return status.FromProto(proto.Clone(newerProto).(*spb.Status)).Err() }, nil,
			9999, codes.Aborted, "来自新版本", map[string]string{"kk": "v"},
			mapping.Retry{Class: mapping.Safe, Delay: 150 * time.Millisecond}},
	} {
		t.Run(test.name, func(t *testing.T) {
			originAddr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return test.raise() }), test.origin...)
			ctx := stubtest.Context(t)
			for _, shape := range stubtest.Shapes() {
				addr := originAddr
				for hop := range 2 {
					next := stubtest.Dial(t, addr, interceptor.DialOptions()...)
					addr = stubtest.Start(t, stubtest.Each(func(ctx context.Context) error {
						return fmt.Errorf("secret hop %d: %w", hop, shape.Call(ctx, next))
					}), interceptor.ServerOptions(interceptor.WithRequestID(func(context.Context) string { return "elsewhere" }))...)
				}
				err := shape.Call(ctx, stubtest.Dial(t, addr, interceptor.DialOptions()...))
				e := typed(t, err)
				if e.Code().Domain() != "sdk.yuanrong" || e.Code().Number() != test.number || e.GRPCCode() != test.grpc || e.Message() != test.message || e.Retry() != test.retry || e.Origin() != mapping.OriginPeer {
					t.Errorf("%s: got %v, grpc %v, message %q, retry %v, origin %v", shape.Name, e.Code(), e.GRPCCode(), e.Message(), e.Retry(), e.Origin())
				}
				if diff := cmp.Diff(test.metadata, e.Metadata()); diff != "" {
					t.Errorf("%s: metadata (-want +got):\n%s", shape.Name, diff)
				}
				if test.origin != nil && e.RequestID() != "at-origin" {
					t.Errorf("%s: request id %q, want that of the server that raised the error", shape.Name, e.RequestID())
				}
				if c, ok := mapping.Lookup("sdk.yuanrong", test.number); ok && !errors.Is(err, c) {
					t.Errorf("%s: errors.Is(err, %v) = false", shape.Name, c)
				}
				first := withoutRetryInfo(t, detailsOf(ctx, t, stubtest.Dial(t, originAddr), shape))
				last := withoutRetryInfo(t, detailsOf(ctx, t, stubtest.Dial(t, addr), shape))
				if first != last {
					t.Errorf("%s: the details have changed from\n%q to\n%q", shape.Name, first, last)
				}
			}
		})
	}
}

// TestChainOfPlainStatuses: what no platform code says becomes one at the first hop,
// and stays it at the second.
func TestChainOfPlainStatuses(t *testing.T) {
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return status.Error(codes.NotFound, "no such table") }))
	ctx := stubtest.Context(t)
	for range 2 {
		next := stubtest.Dial(t, addr, interceptor.DialOptions()...)
		addr = stubtest.Start(t, stubtest.Each(func(ctx context.Context) error { return stubtest.Shapes()[0].Call(ctx, next) }), interceptor.ServerOptions()...)
	}
	for _, shape := range stubtest.Shapes() {
		err := shape.Call(ctx, stubtest.Dial(t, addr, interceptor.DialOptions()...))
		want := hiddenOutcome().with(func(o *outcome) {
			o.Metadata = map[string]string{"grpc_code": "NOT_FOUND"}
			o.Retry = mapping.Retry{Class: mapping.Never}
		})
		if diff := cmp.Diff(want, outcomeOf(typed(t, err), status.Convert(err)), equalCodes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", shape.Name, diff)
		}
	}
}

// TestCallerWhoHangsUp: when the client's own deadline or cancellation ends the
// downstream call too, that is what the client's call ended with, not a failure of
// the downstream service.
func TestCallerWhoHangsUp(t *testing.T) {
	blocked := make(chan struct{}, 1)
	leaf := stubtest.Start(t, stubtest.Each(func(ctx context.Context) error {
		blocked <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}))
	next := stubtest.Dial(t, leaf, interceptor.DialOptions()...)
	sent := make(chan *mapping.Error, 1)
	addr := stubtest.Start(t, stubtest.Each(func(ctx context.Context) error {
		// The call fails for the cancellation; what it made of it comes after.
		err := stubtest.Shapes()[0].Call(ctx, next)
		<-ctx.Done()
		return fmt.Errorf("x: %w", err)
	}), interceptor.ServerOptions(interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { sent <- ev.Error }))...)
	c := stubtest.Dial(t, addr, interceptor.DialOptions()...)
	for _, shape := range stubtest.Shapes() {
		ctx, cancel := context.WithCancel(stubtest.Context(t))
		go func() {
			<-blocked
			cancel()
		}()
		if err := shape.Call(ctx, c); !errors.Is(err, context.Canceled) || status.Code(err) != codes.Canceled {
			t.Errorf("%s: the client got %v, want %v", shape.Name, err, context.Canceled)
		}
		if e := <-sent; e.GRPCCode() != codes.Canceled || !e.Code().IsZero() || !errors.Is(e, context.Canceled) {
			t.Errorf("%s: the server sent %v, want CANCELLED without a platform code", shape.Name, e)
		}
	}
}

// TestPassedOn: a service in the middle passes on that the last one executed nothing.
// What it did itself before, nobody knows, so nobody repeats the call to it, unless its
// method is idempotent.
func TestPassedOn(t *testing.T) {
	leaf := stubtest.Start(t, stubtest.Each(func(context.Context) error {
		return sdk.ResourceNotEnough.Errorf("full").RetryAfter(time.Millisecond)
	}), interceptor.ServerOptions()...)
	ctx := stubtest.Context(t)
	unary := stubtest.Shapes()[0]
	policy := `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":4,"initialBackoff":"0.001s","maxBackoff":"0.001s","backoffMultiplier":1,"retryableStatusCodes":["RESOURCE_EXHAUSTED"]}}]}`
	for _, test := range []struct {
		name string
		mid  []interceptor.ServerOption
		want int32
	}{
		{"not idempotent", nil, 1},
		{"idempotent", []interceptor.ServerOption{interceptor.WithIdempotent("/grpc.testing.TestService/UnaryCall")}, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			var executed atomic.Int32
			next := stubtest.Dial(t, leaf, interceptor.DialOptions()...)
			mid := stubtest.Start(t, stubtest.Each(func(ctx context.Context) error {
				executed.Add(1)
				return unary.Call(ctx, next)
			}), interceptor.ServerOptions(test.mid...)...)
			for name, opts := range map[string][]grpc.DialOption{
				"ours":  interceptor.DialOptions(interceptor.WithRetry(interceptor.RetryPolicy{InitialBackoff: time.Millisecond})),
				"stock": {grpc.WithDefaultServiceConfig(policy)},
			} {
				executed.Store(0)
				err := unary.Call(ctx, stubtest.Dial(t, mid, opts...))
				e, _ := mapping.FromError(err)
				if want := (mapping.Retry{Class: mapping.Safe, Delay: time.Millisecond}); e.Retry() != want {
					t.Errorf("%s: got %v, want the hint of the last service, %v", name, e.Retry(), want)
				}
				if got := e.Repeatable(false); got != (test.want > 1) {
					t.Errorf("%s: Repeatable(false) = %v", name, got)
				}
				if got := executed.Load(); got != test.want {
					t.Errorf("%s: executed %d times, want %d", name, got, test.want)
				}
			}
		})
	}
}

// TestHintOfAnother: who raises an error around a received one, with its hint, vouches for
// class SAFE, unless the hint stays the word of the service that gave it.
func TestHintOfAnother(t *testing.T) {
	leaf := stubtest.Start(t, stubtest.Each(func(context.Context) error {
		return sdk.ResourceNotEnough.Errorf("full").RetryAfter(time.Millisecond)
	}), interceptor.ServerOptions()...)
	ctx, next := stubtest.Context(t), stubtest.Dial(t, leaf, interceptor.DialOptions()...)
	for _, test := range []struct {
		name   string
		around func(*mapping.Error) *mapping.Error
		want   int
	}{
		{"its own", func(e *mapping.Error) *mapping.Error {
			return sdk.InnerCommunication.Wrap(e).WithRetry(e.Retry())
		}, 4},
		{"another's", func(e *mapping.Error) *mapping.Error {
			return sdk.InnerCommunication.Wrap(e).WithRetry(e.Retry()).WithOrigin(e.Origin())
		}, 1},
	} {
		var c counted
		mid := stubtest.Start(t, c.service(func(ctx context.Context, _ int) error {
			e, _ := mapping.FromError(unaryCall(ctx, next))
			return test.around(e)
		}), interceptor.ServerOptions()...)
		e := typed(t, unaryCall(ctx, stubtest.Dial(t, mid, ours(fast)...)))
		if want := (mapping.Retry{Class: mapping.Safe, Delay: time.Millisecond}); e.Code() != sdk.InnerCommunication || e.Retry() != want {
			t.Errorf("%s: got %v, %v, want %v, %v", test.name, e.Code(), e.Retry(), sdk.InnerCommunication, want)
		}
		c.want(t, test.want)
	}
}

// TestTrailersOfAnotherCall: among the trailers of a call are its status and what its server
// says about repeating it. A service that copies them says it of the call to itself.
func TestTrailersOfAnotherCall(t *testing.T) {
	leaf := stubtest.Start(t, stubtest.Each(func(context.Context) error { return sdk.InvokeRateLimited }), interceptor.ServerOptions()...)
	ctx, next := stubtest.Context(t), stubtest.Dial(t, leaf, interceptor.DialOptions()...)
	for copies, want := range map[bool]struct {
		code     mapping.Code
		pushback []string
	}{
		false: {},
		true:  {sdk.InvokeRateLimited, []string{"1000"}},
	} {
		mid := stubtest.Start(t, stubtest.Each(func(ctx context.Context) error {
			var trailer metadata.MD
			_ = unaryCall(ctx, next, grpc.Trailer(&trailer))
			if copies {
				_ = grpc.SetTrailer(ctx, trailer)
			}
			return status.Error(codes.ResourceExhausted, "too many requests")
		}), interceptor.ServerOptions()...)
		var trailer metadata.MD
		e := typed(t, unaryCall(ctx, stubtest.Dial(t, mid, interceptor.DialOptions()...), grpc.Trailer(&trailer)))
		if got := trailer.Get(pushbackKey); e.Code() != want.code || !slices.Equal(got, want.pushback) {
			t.Errorf("copies %v: got code %v and trailer %s = %q, want %v and %q", copies, e.Code(), pushbackKey, got, want.code, want.pushback)
		}
	}
}
