package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// Whatever way a service in the middle got the SAFE error of another, what it did
// itself is not done twice, unless its method is idempotent.
func TestMiddleIsExecutedOnce(t *testing.T) {
	busy := sdk.InvokeRateLimited.AsError().RetryAfter(0)
	// As it is, as a limiter in the client does it, or a transport within the process.
	inside := func(err error) []grpc.DialOption {
		return append(interceptor.DialOptions(), grpc.WithChainUnaryInterceptor(
			func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
				return err
			}))
	}
	for _, test := range []struct {
		name string
		leaf error
		opts []grpc.ServerOption // of the leaf
		dial []grpc.DialOption   // of the middle's connection to it
	}{
		{"as an error of ours", busy, interceptor.ServerOptions(), interceptor.DialOptions()},
		{"as a bare status", busy, interceptor.ServerOptions(), nil},
		{"in a text", status.Error(codes.ResourceExhausted, "create failed, code: 1005, message: busy"), nil,
			interceptor.DialOptions(interceptor.WithTextCodes())},
		{"as an error by an interceptor inside", nil, nil, inside(busy)},
		{"as a code by an interceptor inside", nil, nil, inside(sdk.InvokeRateLimited)},
		{"wrapped by an interceptor inside", nil, nil, inside(fmt.Errorf("limiter: %w", busy))},
		{"sealed by a server in the same process", nil, nil, inside(busy.Seal(rpcerr.Wire{RequestID: "r-1"}))},
	} {
		t.Run(test.name, func(t *testing.T) {
			leaf := stubtest.Dial(t, stubtest.Start(t, stubtest.Each(func(context.Context) error { return test.leaf }), test.opts...), test.dial...)
			for _, idempotent := range []bool{false, true} {
				bothClients(t, fast, idempotent, func(t *testing.T, opts []grpc.DialOption) {
					var c counted
					var options []interceptor.ServerOption
					if idempotent {
						options = append(options, interceptor.WithIdempotent(unaryMethod))
					}
					middle := stubtest.Start(t, c.service(func(ctx context.Context, n int) error {
						if n > 1 {
							return nil // enough is known
						}
						return unaryCall(ctx, leaf)
					}), interceptor.ServerOptions(options...)...)
					ctx, cancel := context.WithTimeout(stubtest.Context(t), 20*time.Second)
					defer cancel()
					_ = unaryCall(ctx, stubtest.Dial(t, middle, opts...))
					if idempotent {
						c.want(t, 2)
					} else {
						c.want(t, 1)
					}
				})
			}
		})
	}
}

// What a peer in the same process says without a code is hidden from our clients, as that
// of any other service is.
func TestPlainStatusWithinTheProcess(t *testing.T) {
	server, client := interceptor.UnaryServer(), interceptor.UnaryClient()
	leaf := func(context.Context, any) (any, error) {
		return nil, status.Error(codes.NotFound, "no row 17 in users")
	}
	middle := stubtest.Start(t, stubtest.Each(func(ctx context.Context) error {
		return client(ctx, unaryMethod, nil, nil, nil, func(ctx context.Context, _ string, req, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			_, err := server(ctx, req, &grpc.UnaryServerInfo{FullMethod: unaryMethod}, leaf)
			return err
		})
	}), interceptor.ServerOptions()...)
	e := typed(t, unaryCall(stubtest.Context(t), stubtest.Dial(t, middle, interceptor.DialOptions()...)))
	if e.Code() != sdk.InnerSystemError || e.MetadataValue("grpc_code") != "NOT_FOUND" {
		t.Errorf("got %v with metadata %v, want %v and what it was", e, e.Metadata(), sdk.InnerSystemError)
	}
}

// Errors of methods without a policy cost a stock client none of the tokens that its
// other methods retry by.
func TestThrottleOfOtherMethods(t *testing.T) {
	var c counted
	service := c.service(failTimes(1, sdk.InvokeRateLimited.AsError().RetryAfter(0)))
	service.ClientStream = func(testgrpc.TestService_StreamingInputCallServer) error { return rest.AliasOutOfLimit }
	addr := stubtest.Start(t, service, interceptor.ServerOptions(interceptor.WithIdempotent(unaryMethod))...)
	conn := stubtest.Dial(t, addr, native(t, fast, unaryMethod)...)
	for range 20 {
		stream, err := conn.StreamingInputCall(stubtest.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.CloseAndRecv(); status.Code(err) != codes.ResourceExhausted {
			t.Fatalf("got %v, want RESOURCE_EXHAUSTED", err)
		}
	}
	if err := unaryCall(stubtest.Context(t), conn); err != nil {
		t.Errorf("after 20 failures of another method: got %v, want a retry that succeeds", err)
	}
	c.want(t, 2)
}

// A connection that has no address to tell, a pipe for instance, still had a stream.
func TestCutOfAConnectionWithoutAddress(t *testing.T) {
	var c counted
	var proxy *cutProxy
	ready := make(chan struct{})
	addr := stubtest.Start(t, c.service(func(_ context.Context, n int) error {
		if n == 1 {
			<-ready
			proxy.cut()
		}
		return nil
	}), interceptor.ServerOptions()...)
	proxy = startProxy(t, addr)
	close(ready)
	dialer := grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		return nameless{conn}, err
	})
	err := unaryCall(stubtest.Context(t), stubtest.Dial(t, proxy.lis.Addr().String(), append(ours(fast), dialer)...))
	if e := decoded(t, err); e.Origin() != mapping.OriginTransport {
		t.Errorf("got %v of origin %v, want that of the transport", err, e.Origin())
	}
	c.want(t, 1)
}

type nameless struct{ net.Conn }

func (nameless) RemoteAddr() net.Addr { return nil }

// An error that an interceptor inside has typed is repeated and observed like any
// other, but not if that one has repeated it already.
func TestRetryOutsideATypedError(t *testing.T) {
	for _, test := range []struct {
		name  string
		inner []interceptor.ClientOption
		want  int
	}{
		{"one that decodes", nil, 4},
		{"one that repeats", []interceptor.ClientOption{interceptor.WithRetry(interceptor.RetryPolicy{MaxAttempts: 2, InitialBackoff: time.Millisecond})}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c counted
			addr := stubtest.Start(t, c.service(failTimes(100, sdk.InvokeRateLimited.AsError().RetryAfter(0))), interceptor.ServerOptions()...)
			final := 0
			observe := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
				if !ev.Retrying {
					final++
				}
			})
			err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, append(ours(fast, observe), interceptor.DialOptions(test.inner...)...)...))
			if e := decoded(t, err); e.Code() != sdk.InvokeRateLimited || e.Attempts() != test.want {
				t.Errorf("got %v after %d attempts, want %d", err, e.Attempts(), test.want)
			}
			c.want(t, test.want)
			if final != 1 {
				t.Errorf("the outer observer saw %d final errors, want 1", final)
			}
		})
	}
}

// A loop by Advise ends when the time is over, also where the call never left.
func TestAdviseEndsWithTheDeadline(t *testing.T) {
	conn := stubtest.Dial(t, "unix:"+socket(t), ours(fast)...)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := unaryCall(ctx, conn, grpc.WaitForReady(true))
	if next, _ := mapping.Advise(err, true); status.Code(err) != codes.DeadlineExceeded || next != mapping.GiveUp {
		t.Errorf("after %v the advice is to %v, want to give up", err, next)
	}
}

// An observer may keep what it sees: the reply of an attempt is not filled again by
// the next one.
func TestObserversKeepReplies(t *testing.T) {
	var causes, found []error
	unary := interceptor.UnaryClient(interceptor.WithInBand(nil), interceptor.WithRetry(interceptor.RetryPolicy{InitialBackoff: time.Millisecond}),
		interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
			causes, found = append(causes, ev.Cause), append(found, ev.Error)
		}))
	answers := []*testgrpc.EchoStatus{{Code: 1005, Message: "full 1"}, {Code: 1005, Message: "full 2"}, {Message: "fine"}}
	attempt := 0
	invoker := func(_ context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		proto.Merge(reply.(proto.Message), answers[attempt])
		attempt++
		return nil
	}
	reply := new(testgrpc.EchoStatus)
	if err := unary(context.Background(), "/s/m", nil, reply, nil, invoker, interceptor.CallIdempotent()); err != nil || reply.GetMessage() != "fine" {
		t.Fatalf("got %v, %v, want the third reply", reply, err)
	}
	if len(causes) != 2 {
		t.Fatalf("%d events, want one for each attempt that failed", len(causes))
	}
	for i := range causes {
		for _, err := range []error{causes[i], found[i]} {
			var inBand *inband.Reply
			if !errors.As(err, &inBand) || !proto.Equal(inBand.Reply.(proto.Message), answers[i]) {
				t.Errorf("event %d has %v, want the reply %v", i, err, answers[i])
			}
		}
	}
}
