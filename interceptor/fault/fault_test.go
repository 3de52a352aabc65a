package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/fault"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/maptest"
)

const unaryCall = "/grpc.testing.TestService/UnaryCall"

// working is a service without faults of its own, and tells how often it is called.
func working(calls *sync.Map) *stubtest.Service {
	return stubtest.Each(func(ctx context.Context) error {
		method, _ := grpc.Method(ctx)
		calls.Store(method, true)
		return nil
	})
}

// A fault reaches the caller from either side, in every shape, as the error that it is.
func TestFaultsInEveryShape(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"server", "client"} {
		for _, shape := range stubtest.Shapes() {
			t.Run(side+"/"+shape.Name, func(t *testing.T) {
				t.Parallel()
				faults := fault.New(fault.On(shape.Method, sdk.InvokeRateLimited.Errorf("slow down").With("tenant", "t1")).Times(2))
				var calls sync.Map
				server, dial := interceptor.ServerOptions(), interceptor.DialOptions()
				if side == "server" {
					server = append(server, faults.ServerOptions()...)
				} else {
					dial = append(dial, faults.DialOptions()...)
				}
				client := stubtest.Dial(t, stubtest.Start(t, working(&calls), server...), dial...)
				for range 2 {
					maptest.Check(t, shape.Call(stubtest.Context(t), client), sdk.InvokeRateLimited,
						maptest.Message("slow down"), maptest.Metadata("tenant", "t1"),
						maptest.RetryClass(mapping.Safe), maptest.Origin(mapping.OriginPeer))
				}
				if _, called := calls.Load(shape.Method); called {
					t.Error("the handler was called")
				}
				if err := shape.Call(stubtest.Context(t), client); err != nil {
					t.Errorf("the third call failed: %v", err)
				}
				if _, called := calls.Load(shape.Method); !called {
					t.Error("the handler was not called by the third call")
				}
				if faults.Calls(shape.Method) != 3 || faults.Failed(shape.Method) != 2 {
					t.Errorf("%d calls, %d failed, want 3 and 2", faults.Calls(shape.Method), faults.Failed(shape.Method))
				}
			})
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	faults := fault.New(
		fault.On(unaryCall, nil).Times(1),
		fault.On("grpc.testing.TestService/UnaryCall", sdk.ParamInvalid).Times(1),
		fault.On("grpc.testing.TestService/*", sdk.InstanceExited).After(1).Times(1),
		fault.On("/grpc.testing.Other/*", sdk.UserCodeLoad),
		fault.On("*", rest.EtcdError).Times(-1),
	)
	server := faults.UnaryServer()
	info := &grpc.UnaryServerInfo{FullMethod: unaryCall}
	call := func() error {
		_, err := server(t.Context(), nil, info, func(context.Context, any) (any, error) { return nil, nil })
		return err
	}
	for i, want := range []error{
		nil,              // let through by the first
		sdk.ParamInvalid, // the second
		rest.EtcdError,   // the third passes over one
		sdk.InstanceExited,
		rest.EtcdError,
		rest.EtcdError,
	} {
		if got := call(); got != want {
			t.Errorf("call %d: %v, want %v", i+1, got, want)
		}
	}
	faults.Clear()
	if err := call(); err != nil {
		t.Errorf("after Clear: %v, want nil", err)
	}
	faults.Add(fault.On(unaryCall, sdk.Finalized))
	if err := call(); err != sdk.Finalized {
		t.Errorf("after Add: %v, want %v", err, sdk.Finalized)
	}
	for _, name := range []string{unaryCall, unaryCall[1:], "/grpc.testing.TestService/*", "grpc.testing.TestService/*", "*"} {
		if faults.Calls(name) != 8 || faults.Failed(name) != 6 {
			t.Errorf("%s: %d calls, %d failed, want 8 and 6", name, faults.Calls(name), faults.Failed(name))
		}
	}
	for _, name := range []string{"/grpc.testing.TestService/EmptyCall", "/grpc.testing.Test/*"} {
		if faults.Calls(name) != 0 || faults.Failed(name) != 0 {
			t.Errorf("%s: %d calls, %d failed, want none", name, faults.Calls(name), faults.Failed(name))
		}
	}
}

// A name that no method can have is a mistake in the test, which would not show.
func TestNames(t *testing.T) {
	t.Parallel()
	said := func(f func()) (text string) {
		defer func() { text = fmt.Sprint(recover()) }()
		f()
		return
	}
	for _, name := range []string{"", "/", "Pay", "/Pay", "/*", "*/Pay", "acme.v1.Store/", "//Get", "/acme.v1.Store/Get/", "/acme.v1.Store/G*", "/acme.v1.Store.Get", "acme.v1 Store/Get"} {
		want := fmt.Sprintf("fault: %q names no method", name)
		for what, f := range map[string]func(){
			"On":     func() { fault.On(name, sdk.ParamInvalid) },
			"Calls":  func() { fault.New().Calls(name) },
			"Failed": func() { fault.New().Failed(name) },
		} {
			if got := said(f); !strings.HasPrefix(got, want) {
				t.Errorf("%s(%q) panics with %q, want %q", what, name, got, want)
			}
		}
	}
}

// The zero value lets calls pass and counts them; rules can be added.
func TestZeroFaults(t *testing.T) {
	t.Parallel()
	var faults fault.Faults
	client := stubtest.Dial(t, stubtest.Start(t, working(new(sync.Map))), append(interceptor.DialOptions(), faults.DialOptions()...)...)
	call := stubtest.Shapes()[0].Call
	if err := call(stubtest.Context(t), client); err != nil || faults.Calls("*") != 1 {
		t.Errorf("a call came to %v, and %d were counted, want success and 1", err, faults.Calls("*"))
	}
	faults.Add(fault.On("*", sdk.ParamInvalid))
	maptest.Check(t, call(stubtest.Context(t), client), sdk.ParamInvalid)
}

// In front of the interceptors that translate errors, a fault is seen as gRPC leaves it.
func TestOrder(t *testing.T) {
	t.Parallel()
	faults := fault.New(fault.On("*", sdk.ParamInvalid))
	ctx := stubtest.Context(t)
	addr := stubtest.Start(t, working(new(sync.Map)), interceptor.ServerOptions()...)

	_, err := stubtest.Dial(t, addr, append(faults.DialOptions(), interceptor.DialOptions()...)...).UnaryCall(ctx, &testgrpc.SimpleRequest{})
	if errors.As(err, new(*mapping.Error)) || status.Code(err) != codes.InvalidArgument {
		t.Errorf("in front: %v, want a plain INVALID_ARGUMENT", err)
	}
	_, err = stubtest.Dial(t, addr, append(interceptor.DialOptions(), faults.DialOptions()...)...).UnaryCall(ctx, &testgrpc.SimpleRequest{})
	if !errors.As(err, new(*mapping.Error)) {
		t.Errorf("behind: %v, want a *mapping.Error", err)
	}
}

// A rule is a value: what is made of it leaves it as it is.
func TestRuleIsImmutable(t *testing.T) {
	t.Parallel()
	always := fault.On(unaryCall, sdk.ParamInvalid)
	_ = always.Times(1).After(5).AfterMessages(3).Unsent()
	faults := fault.New(always)
	client := faults.UnaryClient()
	for range 3 {
		err := client(t.Context(), unaryCall, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			t.Error("the call has left")
			return nil
		})
		maptest.Check(t, err, sdk.ParamInvalid)
	}
}

// On a client nothing comes through that would not cross the wire.
func TestClientSeesOnlyTheWire(t *testing.T) {
	t.Parallel()
	secret := errors.New("secret")
	for _, tt := range []struct {
		name  string
		err   error
		check func(testing.TB, error)
	}{
		{"a wrapped cause", sdk.InnerCommunication.Wrap(secret), func(tb testing.TB, err error) {
			maptest.Check(tb, err, sdk.InnerCommunication, maptest.Message("A communication error occurred."))
		}},
		{"any error", secret, func(tb testing.TB, err error) { maptest.Check(tb, err, sdk.InnerSystemError) }},
		{"a status", status.Error(codes.Aborted, "busy"), func(tb testing.TB, err error) {
			maptest.CheckGRPC(tb, err, codes.Aborted, maptest.Message("busy"))
		}},
		{"a context error", context.DeadlineExceeded, func(tb testing.TB, err error) {
			maptest.CheckGRPC(tb, err, codes.DeadlineExceeded)
			if !errors.Is(err, context.DeadlineExceeded) {
				tb.Error("it is no DeadlineExceeded")
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faults := fault.New(fault.On("*", tt.err))
			client := stubtest.Dial(t, "passthrough:///nowhere", append(interceptor.DialOptions(), faults.DialOptions()...)...)
			for _, shape := range stubtest.Shapes() {
				err := shape.Call(stubtest.Context(t), client)
				tt.check(t, err)
				if errors.Is(err, secret) {
					t.Errorf("%s: the cause came through", shape.Name)
				}
			}
		})
	}
}

// The client's retries count faults as attempts, and know whether the call has left.
func TestRetried(t *testing.T) {
	t.Parallel()
	refused := status.Error(codes.Unavailable, "connection refused")
	for _, tt := range []struct {
		name   string
		rule   fault.Rule
		failed int
		ok     bool
	}{
		{"safe to repeat", fault.On(unaryCall, sdk.InvokeRateLimited.AsError().RetryAfter(0)).Times(2), 2, true},
		{"for good", fault.On(unaryCall, sdk.ParamInvalid), 1, false},
		{"executed, perhaps", fault.On(unaryCall, refused).Times(1), 1, false},
		{"never left", fault.On(unaryCall, refused).Times(1).Unsent(), 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			faults := fault.New(tt.rule)
			addr := stubtest.Start(t, working(new(sync.Map)), interceptor.ServerOptions()...)
			dial := append(interceptor.DialOptions(interceptor.WithRetry(interceptor.RetryPolicy{})), faults.DialOptions()...)
			_, err := stubtest.Dial(t, addr, dial...).UnaryCall(stubtest.Context(t), &testgrpc.SimpleRequest{})
			if (err == nil) != tt.ok {
				t.Errorf("the call ended with %v, want success %t", err, tt.ok)
			}
			if got := faults.Failed(unaryCall); got != tt.failed {
				t.Errorf("%d attempts failed, want %d", got, tt.failed)
			}
		})
	}
}

// A stream fails where it does with a server that ends it at once: in receiving. One that
// never left fails in being opened.
func TestStreamThatFailsAtOnce(t *testing.T) {
	t.Parallel()
	open := func(rule fault.Rule) (testgrpc.TestService_FullDuplexCallClient, error) {
		dial := append(interceptor.DialOptions(), fault.New(rule).DialOptions()...)
		return stubtest.Dial(t, "passthrough:///no.server", dial...).FullDuplexCall(stubtest.Context(t))
	}
	stream, err := open(fault.On("*", sdk.InstanceExited))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(new(testgrpc.StreamingOutputCallRequest)); err != io.EOF {
		t.Errorf("sending: got %v, want io.EOF", err)
	}
	came, err := drain(stream)
	check(t, came, 0, err, true)

	if _, err := open(fault.On("*", status.Error(codes.Unavailable, "down")).Unsent()); status.Code(err) != codes.Unavailable {
		t.Errorf("opening: got %v, want UNAVAILABLE", err)
	}
}

// What does not count can be counted down to: below the least there is nothing.
func TestNegativeNumbers(t *testing.T) {
	t.Parallel()
	faults := fault.New(fault.On("*", sdk.InstanceExited).After(-2).AfterMessages(-1).Times(3))
	var calls sync.Map
	client := stubtest.Dial(t, stubtest.Start(t, working(&calls), append(interceptor.ServerOptions(), faults.ServerOptions()...)...), interceptor.DialOptions()...)
	for _, shape := range stubtest.Shapes()[1:] {
		maptest.Check(t, shape.Call(stubtest.Context(t), client), sdk.InstanceExited)
		if _, called := calls.Load(shape.Method); called {
			t.Errorf("%s: the handler was called", shape.Name)
		}
	}
	if err := stubtest.Shapes()[0].Call(stubtest.Context(t), client); err != nil {
		t.Errorf("the fourth call failed: %v", err)
	}
}

// Without other interceptors, too, a call fails as if the server had answered it, or had not
// been reached.
func TestStockClient(t *testing.T) {
	t.Parallel()
	for _, unsent := range []bool{false, true} {
		rule := fault.On("*", sdk.InstanceExited)
		if unsent {
			rule = rule.Unsent()
		}
		client := stubtest.Dial(t, "passthrough:///no.server", fault.New(rule).DialOptions()...)
		for _, shape := range stubtest.Shapes() {
			var server peer.Peer
			err := shape.Call(stubtest.Context(t), client, grpc.Peer(&server))
			if status.Code(err) != sdk.InstanceExited.GRPCCode() {
				t.Errorf("%s: got %v, want %v", shape.Name, err, sdk.InstanceExited.GRPCCode())
			}
			if (server.Addr == nil) != unsent {
				t.Errorf("%s: the server has the address %v, unsent %t", shape.Name, server.Addr, unsent)
			}
		}
	}
}

// On the server a stream that fails on the client is over as well.
func TestStreamThatFailsEndsOnTheServer(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	service := &stubtest.Service{BidiStream: func(stream testgrpc.TestService_FullDuplexCallServer) error {
		defer close(ended)
		if err := stream.Send(&testgrpc.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}}
	faults := fault.New(fault.On("*", sdk.InstanceExited).AfterMessages(1))
	ctx := stubtest.Context(t)
	stream, err := stubtest.Dial(t, stubtest.Start(t, service), faults.DialOptions()...).FullDuplexCall(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if came, err := drain(stream); came != 1 || status.Code(err) != sdk.InstanceExited.GRPCCode() {
		t.Errorf("%d messages came, then %v", came, err)
	}
	select {
	case <-ended:
	case <-ctx.Done():
		t.Error("the handler goes on")
	}
}

// On the server the handler comes to its end although the client says nothing more.
func TestStreamThatFailsEndsItsHandler(t *testing.T) {
	t.Parallel()
	service := &stubtest.Service{BidiStream: func(stream testgrpc.TestService_FullDuplexCallServer) error {
		if err := stream.Send(&testgrpc.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		_, err := stream.Recv()
		return err
	}}
	faults := fault.New(fault.On("*", sdk.InstanceExited).AfterMessages(1))
	server := append(interceptor.ServerOptions(), faults.ServerOptions()...)
	stream, err := stubtest.Dial(t, stubtest.Start(t, service, server...), interceptor.DialOptions()...).FullDuplexCall(stubtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	came, err := drain(stream)
	check(t, came, 1, err, true)
}

// A stream can fail in its midst.
func TestAfterMessages(t *testing.T) {
	t.Parallel()
	five := &stubtest.Service{
		ServerStream: func(_ *testgrpc.StreamingOutputCallRequest, stream testgrpc.TestService_StreamingOutputCallServer) error {
			for range 5 {
				if err := stream.Send(&testgrpc.StreamingOutputCallResponse{}); err != nil {
					return fmt.Errorf("sending: %w", err)
				}
			}
			return nil
		},
		BidiStream: func(stream testgrpc.TestService_FullDuplexCallServer) error {
			for {
				if _, err := stream.Recv(); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
				if err := stream.Send(&testgrpc.StreamingOutputCallResponse{}); err != nil {
					return err
				}
			}
		},
	}
	for _, side := range []string{"server", "client"} {
		for _, tt := range []struct {
			after, came int
			fails       bool
		}{{2, 2, true}, {5, 5, true}, {6, 5, false}} {
			t.Run(fmt.Sprintf("%s after %d", side, tt.after), func(t *testing.T) {
				t.Parallel()
				faults := fault.New(fault.On("*", sdk.InstanceExited).AfterMessages(tt.after))
				server, dial := interceptor.ServerOptions(), interceptor.DialOptions()
				if side == "server" {
					server = append(server, faults.ServerOptions()...)
				} else {
					dial = append(dial, faults.DialOptions()...)
				}
				client := stubtest.Dial(t, stubtest.Start(t, five, server...), dial...)

				stream, err := client.StreamingOutputCall(stubtest.Context(t), &testgrpc.StreamingOutputCallRequest{})
				if err != nil {
					t.Fatal(err)
				}
				came, err := drain(stream)
				check(t, came, tt.came, err, tt.fails)

				bidi, err := client.FullDuplexCall(stubtest.Context(t))
				if err != nil {
					t.Fatal(err)
				}
				for range 5 {
					if err := bidi.Send(&testgrpc.StreamingOutputCallRequest{}); err != nil && err != io.EOF {
						t.Fatal(err)
					}
				}
				_ = bidi.CloseSend()
				came, err = drain(bidi)
				check(t, came, tt.came, err, tt.fails)
			})
		}
	}
}

func drain(stream interface {
	Recv() (*testgrpc.StreamingOutputCallResponse, error)
}) (came int, err error) {
	for {
		if _, err := stream.Recv(); err != nil {
			return came, err
		}
		came++
	}
}

func check(t *testing.T, came, want int, err error, fails bool) {
	t.Helper()
	if came != want {
		t.Errorf("%d messages came, want %d", came, want)
	}
	if fails {
		maptest.Check(t, err, sdk.InstanceExited)
	} else if err != io.EOF {
		t.Errorf("the stream ended with %v, want io.EOF", err)
	}
}

// Times counts right however many calls there are at once.
func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	faults := fault.New(fault.On("*", sdk.ParamInvalid).Times(50))
	server := faults.UnaryServer()
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 20 {
				_, _ = server(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: unaryCall},
					func(context.Context, any) (any, error) { return nil, nil })
			}
		}()
	}
	wg.Wait()
	if faults.Calls(unaryCall) != 160 || faults.Failed(unaryCall) != 50 {
		t.Errorf("%d calls, %d failed, want 160 and 50", faults.Calls(unaryCall), faults.Failed(unaryCall))
	}
}
