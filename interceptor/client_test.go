package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

// TestTypedErrorIsAStatusError reads our errors with nothing but gRPC's means.
func TestTypedErrorIsAStatusError(t *testing.T) {
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return sdk.InstanceNotFound.Errorf("gone").WithDetails(quota) }), interceptor.ServerOptions()...)
	c, ctx := stubtest.Dial(t, addr, interceptor.DialOptions()...), stubtest.Context(t)
	for _, shape := range stubtest.Shapes() {
		err := shape.Call(ctx, c)
		st, ok := status.FromError(err)
		if !ok || st.Code() != codes.NotFound || st.Message() != "gone" || len(st.Details()) != 3 {
			t.Errorf("%s: status.FromError = %v, %v", shape.Name, st, ok)
		}
		if again := typed(t, err).GRPCStatus(); again != st {
			t.Errorf("%s: GRPCStatus is another status", shape.Name)
		}
		if wrapped := fmt.Errorf("x: %w", err); status.Code(wrapped) != codes.NotFound || !errors.Is(wrapped, sdk.InstanceNotFound) {
			t.Errorf("%s: a wrapped error lost its code", shape.Name)
		}
		var grpcError interface{ GRPCStatus() *status.Status }
		if cause := errors.Unwrap(err); !errors.As(cause, &grpcError) || status.Code(cause) != codes.NotFound {
			t.Errorf("%s: it unwraps to %v, want the error that gRPC returned", shape.Name, cause)
		}
	}
}

// TestContextErrors: however a call is ended by time or by hand, errors.Is finds it.
func TestContextErrors(t *testing.T) {
	// What the handler returns, nil to block until the client gives up. A handler whose
	// client has given up may only begin when the next test runs.
	var sent atomic.Pointer[error]
	started := make(chan struct{}, 1)
	addr := stubtest.Start(t, stubtest.Each(func(ctx context.Context) error {
		if err := *sent.Load(); err != nil {
			return err
		}
		select {
		case started <- struct{}{}:
		default: // nobody waits
		}
		<-ctx.Done()
		return ctx.Err()
	}), interceptor.ServerOptions()...)
	c, base := stubtest.Dial(t, addr, interceptor.DialOptions()...), stubtest.Context(t)
	for _, test := range []struct {
		name     string
		sent     error
		deadline time.Duration
		cancel   bool
		want     error
		code     codes.Code
	}{
		{"own deadline", nil, 20 * time.Millisecond, false, context.DeadlineExceeded, codes.DeadlineExceeded},
		{"own deadline, passed before", nil, -time.Second, false, context.DeadlineExceeded, codes.DeadlineExceeded},
		{"own cancellation", nil, 0, true, context.Canceled, codes.Canceled},
		{"deadline of the server", context.DeadlineExceeded, 0, false, context.DeadlineExceeded, codes.DeadlineExceeded},
		{"cancellation by the server", fmt.Errorf("x: %w", context.Canceled), 0, false, context.Canceled, codes.Canceled},
		{"status of the server", status.Error(codes.DeadlineExceeded, "slow"), 0, false, context.DeadlineExceeded, codes.DeadlineExceeded},
	} {
		sent.Store(&test.sent)
		for _, shape := range stubtest.Shapes() {
			ctx, cancel := context.WithCancel(base)
			if test.deadline != 0 {
				ctx, cancel = context.WithTimeout(base, test.deadline)
			}
			if test.cancel {
				go func() { <-started; cancel() }()
			}
			err := shape.Call(ctx, c)
			cancel()
			if !errors.Is(err, test.want) || status.Code(err) != test.code {
				t.Errorf("%s, %s: got %v; want %v", test.name, shape.Name, err, test.want)
			}
			other := context.Canceled
			if test.want == context.Canceled {
				other = context.DeadlineExceeded
			}
			if errors.Is(err, other) {
				t.Errorf("%s, %s: %v is %v too", test.name, shape.Name, err, other)
			}
			select { // left by a call that was given up
			case <-started:
			default:
			}
		}
	}
}

// retryUnavailable is a service config with gRPC's own retries.
const retryUnavailable = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":3,"initialBackoff":"0.001s","maxBackoff":"0.001s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

// TestRetriesOfGRPC lets gRPC's own retries run out behind our interceptors, and
// succeed. Newer versions of gRPC wrap the last error into "max retries exhausted".
func TestRetriesOfGRPC(t *testing.T) {
	var attempts, failures atomic.Int32
	service := stubtest.Each(func(context.Context) error {
		if attempts.Add(1) > failures.Load() {
			return nil
		}
		return statusWith(codes.Unavailable, "down", ourInfo, googleInfo).Err()
	})
	// A stream that is refused while it is replayed is a case of its own, see
	// TestEndOfRetriesIsNoEndOfStream: here everything is received first.
	clientStream, bidiStream := service.ClientStream, service.BidiStream
	service.ClientStream = func(stream testgrpc.TestService_StreamingInputCallServer) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		return clientStream(stream)
	}
	service.BidiStream = func(stream testgrpc.TestService_FullDuplexCallServer) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		return bidiStream(stream)
	}
	addr := stubtest.Start(t, service)
	ours := stubtest.Dial(t, addr, append(interceptor.DialOptions(), grpc.WithDefaultServiceConfig(retryUnavailable))...)
	stock := stubtest.Dial(t, addr, grpc.WithDefaultServiceConfig(retryUnavailable))
	ctx := stubtest.Context(t)
	for _, shape := range stubtest.Shapes() {
		failures.Store(100)
		attempts.Store(0)
		err := shape.Call(ctx, ours)
		if got := attempts.Load(); got != 3 {
			t.Errorf("%s: %d attempts, want 3", shape.Name, got)
		}
		for name, e := range map[string]*mapping.Error{"ours": typed(t, err), "stock": decoded(t, shape.Call(ctx, stock))} {
			if e.Code() != sdk.InstanceNotFound || e.GRPCCode() != codes.Unavailable || e.Message() != "down" {
				t.Errorf("%s, %s client: got %v, grpc %v, message %q", shape.Name, name, e.Code(), e.GRPCCode(), e.Message())
			}
			if got := status.Convert(e).Message(); got != "down" {
				t.Errorf("%s, %s client: status.Convert gives message %q, want the peer's", shape.Name, name, got)
			}
		}
		failures.Store(2)
		attempts.Store(0)
		if err := shape.Call(ctx, ours); err != nil {
			t.Errorf("%s: the third attempt succeeds, but the client got %v", shape.Name, err)
		}
		if got := attempts.Load(); got != 3 {
			t.Errorf("%s: %d attempts, want 3", shape.Name, got)
		}
	}
}

// TestStreamErrors meets the errors of opening, sending and receiving.
func TestStreamErrors(t *testing.T) {
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return sdk.InstanceNotFound }), interceptor.ServerOptions()...)
	var events []interceptor.Event
	c := stubtest.Dial(t, addr, interceptor.DialOptions(interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { events = append(events, ev) }))...)
	ctx := stubtest.Context(t)
	const method = "/grpc.testing.TestService/FullDuplexCall"

	t.Run("opening", func(t *testing.T) {
		events = nil
		_, err := c.FullDuplexCall(ctx, grpc.UseCompressor("none-such"))
		if e := typed(t, err); e.GRPCCode() != codes.Internal || e.Code() != sdk.InnerSystemError || !e.Inferred() {
			t.Errorf("got %v, grpc %v, inferred %v", e, e.GRPCCode(), e.Inferred())
		}
		checkOneEvent(t, events, method, err)
	})
	t.Run("sending", func(t *testing.T) {
		events = nil
		stream, err := c.FullDuplexCall(ctx, grpc.MaxCallSendMsgSize(1))
		if err != nil {
			t.Fatal(err)
		}
		err = stream.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: make([]byte, 100)}})
		if e := typed(t, err); e.GRPCCode() != codes.ResourceExhausted {
			t.Errorf("got %v, grpc %v", e, e.GRPCCode())
		}
		checkOneEvent(t, events, method, err)
	})
	t.Run("receiving", func(t *testing.T) {
		events = nil
		stream, err := c.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, first := stream.Recv()
		if e := typed(t, first); e.Code() != sdk.InstanceNotFound {
			t.Errorf("got %v", e)
		}
		for range 3 {
			if _, again := stream.Recv(); again != first {
				t.Errorf("a further Recv returned %v (%p), want the first value (%p)", again, again, first)
			}
		}
		if err := stream.Send(&testgrpc.StreamingOutputCallRequest{}); err != io.EOF {
			t.Errorf("Send on an ended stream = %v, want io.EOF itself", err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Errorf("CloseSend = %v", err)
		}
		checkOneEvent(t, events, method, first)
	})
}

func checkOneEvent(t *testing.T, events []interceptor.Event, method string, err error) {
	t.Helper()
	if len(events) != 1 {
		t.Fatalf("%d events, want 1: %v", len(events), events)
	}
	ev := events[0]
	if error(ev.Error) != err || ev.Side != interceptor.ClientSide || ev.Method != method || ev.Duration <= 0 || ev.Panic != nil || ev.Stack != nil {
		t.Errorf("observed %+v, want the client's error of %s", ev, method)
	}
	if ev.Cause == nil || ev.Cause == err || status.Code(ev.Cause) != ev.Error.GRPCCode() {
		t.Errorf("observed cause %v, want what gRPC returned", ev.Cause)
	}
}

// TestEndOfStream: a stream that ends well ends with io.EOF itself, not with
// something that wraps it, and nothing is observed.
func TestEndOfStream(t *testing.T) {
	addr := stubtest.Start(t, &stubtest.Service{
		BidiStream: func(stream testgrpc.TestService_FullDuplexCallServer) error {
			return stream.Send(&testgrpc.StreamingOutputCallResponse{})
		},
	}, interceptor.ServerOptions()...)
	c := stubtest.Dial(t, addr, interceptor.DialOptions(interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { t.Errorf("observed %+v", ev) }))...)
	stream, err := c.FullDuplexCall(stubtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := stream.Recv(); err != io.EOF {
			t.Errorf("Recv at the end = %v, want io.EOF itself", err)
		}
	}
}

// TestErrorAfterMessages: what was received before an error counts, and the error
// is whole although it comes in real trailers.
func TestErrorAfterMessages(t *testing.T) {
	addr := stubtest.Start(t, &stubtest.Service{
		BidiStream: func(stream testgrpc.TestService_FullDuplexCallServer) error {
			if err := stream.Send(&testgrpc.StreamingOutputCallResponse{}); err != nil {
				return err
			}
			return sdk.InstanceExited.Errorf("half way").With("sent", "1")
		},
	}, interceptor.ServerOptions()...)
	c := stubtest.Dial(t, addr, interceptor.DialOptions()...)
	stream, err := c.FullDuplexCall(stubtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatalf("the message before the error: %v", err)
	}
	_, err = stream.Recv()
	if e := typed(t, err); e.Code() != sdk.InstanceExited || e.Message() != "half way" || e.Metadata()["sent"] != "1" {
		t.Errorf("got %v with %v", e, e.Metadata())
	}
}

// TestHeaderAndTrailer compares what a client sees of a failed call with and
// without our interceptors at both ends.
func TestHeaderAndTrailer(t *testing.T) {
	handler := func(ctx context.Context) error {
		if err := grpc.SetHeader(ctx, metadata.Pairs("from-header", "1", "from-header", "2")); err != nil {
			return err
		}
		if err := grpc.SetTrailer(ctx, metadata.Pairs("from-trailer", "3")); err != nil {
			return err
		}
		return sdk.ParamInvalid // never retried, so nothing to say about it in trailers
	}
	bare := stubtest.Dial(t, stubtest.Start(t, stubtest.Each(handler)))
	ours := stubtest.Dial(t, stubtest.Start(t, stubtest.Each(handler), interceptor.ServerOptions()...), interceptor.DialOptions()...)
	ctx := stubtest.Context(t)
	for _, shape := range stubtest.Shapes() {
		var got, want [2]metadata.MD
		_ = shape.Call(ctx, bare, grpc.Header(&want[0]), grpc.Trailer(&want[1]))
		_ = shape.Call(ctx, ours, grpc.Header(&got[0]), grpc.Trailer(&got[1]))
		if len(want[0]["from-header"]) != 2 || len(want[1]["from-trailer"]) != 1 {
			t.Fatalf("%s: without us there are header %v and trailer %v", shape.Name, want[0], want[1])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: header and trailer (-without us +with us):\n%s", shape.Name, diff)
		}
	}
}

// TestClientChains puts our client interceptors into chains with others.
func TestClientChains(t *testing.T) {
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return sdk.InstanceNotFound.Errorf("gone") }), interceptor.ServerOptions()...)
	var events int
	ours := func() []grpc.DialOption {
		return interceptor.DialOptions(interceptor.WithObserver(func(context.Context, interceptor.Event) { events++ }))
	}
	var seen error
	other := func(change func(error) error) []grpc.DialOption {
		return []grpc.DialOption{
			grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				seen = invoker(ctx, method, req, reply, cc, opts...)
				return change(seen)
			}),
			grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
				s, err := streamer(ctx, desc, cc, method, opts...)
				if err != nil {
					return nil, err
				}
				return &changingStream{s, func(err error) error { seen = err; return change(err) }}, nil
			}),
		}
	}
	keep := func(err error) error { return err }
	wrap := func(err error) error { return fmt.Errorf("by another: %w", err) }
	foreign := errors.New("circuit open")
	replace := func(error) error { return foreign }
	ctx := stubtest.Context(t)
	for _, test := range []struct {
		name      string
		chain     [][]grpc.DialOption // outermost first
		seenTyped bool
		direct    bool // the result is an *Error itself
		events    int
	}{
		{"alone", [][]grpc.DialOption{ours()}, false, true, 1},
		{"another inside", [][]grpc.DialOption{ours(), other(keep)}, false, true, 1},
		{"another outside", [][]grpc.DialOption{other(keep), ours()}, true, true, 1},
		{"another inside that wraps", [][]grpc.DialOption{ours(), other(wrap)}, false, true, 1},
		{"another outside that wraps", [][]grpc.DialOption{other(wrap), ours()}, true, false, 1},
		{"ours twice", [][]grpc.DialOption{ours(), ours()}, false, true, 2},
		{"ours twice around one that wraps", [][]grpc.DialOption{ours(), other(wrap), ours()}, true, false, 2},
	} {
		var opts []grpc.DialOption
		for _, o := range test.chain {
			opts = append(opts, o...)
		}
		c := stubtest.Dial(t, addr, opts...)
		for _, shape := range stubtest.Shapes() {
			seen, events = nil, 0
			err := shape.Call(ctx, c)
			if e := decoded(t, err); e.Code() != sdk.InstanceNotFound || e.Message() != "gone" || !errors.Is(err, sdk.InstanceNotFound) {
				t.Errorf("%s, %s: got %v", test.name, shape.Name, err)
			}
			if _, direct := err.(*mapping.Error); direct != test.direct {
				t.Errorf("%s, %s: got a %T", test.name, shape.Name, err)
			}
			if _, ok := seen.(*mapping.Error); ok != test.seenTyped {
				t.Errorf("%s, %s: the other interceptor saw a %T", test.name, shape.Name, seen)
			}
			if status.Code(err) != codes.NotFound || (seen != nil && status.Code(seen) != codes.NotFound) {
				t.Errorf("%s, %s: status.Code = %v", test.name, shape.Name, status.Code(err))
			}
			if events != test.events {
				t.Errorf("%s, %s: observed %d times, want %d", test.name, shape.Name, events, test.events)
			}
		}
	}
	t.Run("error of another that is no status", func(t *testing.T) {
		c := stubtest.Dial(t, addr, append(ours(), other(replace)...)...)
		for _, shape := range stubtest.Shapes() {
			if err := shape.Call(ctx, c); err != foreign {
				t.Errorf("%s: got %v, want it as it is", shape.Name, err)
			}
		}
	})
}

// changingStream changes the errors of RecvMsg.
type changingStream struct {
	grpc.ClientStream
	change func(error) error
}

func (s *changingStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil || err == io.EOF {
		return err
	}
	return s.change(err)
}

// TestServerTwice installs the server interceptors twice, as happens when two teams
// set up one server: the outcomes stay those of the matrix.
func TestServerTwice(t *testing.T) {
	var returned error
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return returned }), append(interceptor.ServerOptions(), interceptor.ServerOptions()...)...)
	c, ctx := stubtest.Dial(t, addr, interceptor.DialOptions()...), stubtest.Context(t)
	for _, row := range matrix() {
		if row.opts != nil {
			continue
		}
		returned = row.err
		for _, shape := range stubtest.Shapes() {
			err := shape.Call(ctx, c)
			if diff := cmp.Diff(row.want, outcomeOf(typed(t, err), status.Convert(err)), equalCodes); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", row.name, shape.Name, diff)
			}
		}
	}
}

// TestOuterServerInterceptorsSeeBoth: who stands outside ours sees the mapped error,
// and in it the real one.
func TestOuterServerInterceptorsSeeBoth(t *testing.T) {
	var seen error
	outer := grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		resp, err := handler(ctx, req)
		seen = err
		return resp, err
	})
	var returned error
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return returned }), append([]grpc.ServerOption{outer}, interceptor.ServerOptions()...)...)
	c, ctx := stubtest.Dial(t, addr), stubtest.Context(t)
	for _, test := range []struct {
		err  error
		want codes.Code
	}{
		{errSecret, sdk.InnerSystemError.GRPCCode()},
		{fmt.Errorf("x: %w", sdk.InstanceNotFound.Wrap(errSecret)), codes.NotFound},
		{errors.Join(context.Canceled, errSecret), codes.Canceled},
		{errors.Join(status.Error(codes.AlreadyExists, "ae"), errSecret), codes.AlreadyExists},
		{errors.Join(sentByPeer(status.New(codes.Aborted, "a")), errSecret), sdk.InnerSystemError.GRPCCode()},
	} {
		returned = test.err
		_ = stubtest.Shapes()[0].Call(ctx, c)
		if status.Code(seen) != test.want || !errors.Is(seen, errSecret) || !errors.Is(seen, test.err) {
			t.Errorf("of %v the outer interceptor sees %v (%v), want %v with the cause in it", test.err, seen, status.Code(seen), test.want)
		}
	}
}

// TestErrorIsNoEndOfStream: logs and metrics of others take an error that is io.EOF for
// the good end of a call. What stands outside of ours must not, and still finds
// everything else in it.
func TestErrorIsNoEndOfStream(t *testing.T) {
	var seen error
	outer := grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		seen = handler(srv, stream)
		return seen
	})
	var returned error
	var observed []error
	observer := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { observed = append(observed, ev.Cause) })
	c, ctx := stubtest.Dial(t, stubtest.Start(t, stubtest.Each(func(context.Context) error { return returned }),
		append([]grpc.ServerOption{outer}, interceptor.ServerOptions(observer)...)...)), stubtest.Context(t)
	for _, test := range []struct {
		err  error
		want codes.Code
	}{
		{io.EOF, codes.Internal},
		{fmt.Errorf("read: %w", io.EOF), codes.Internal},
		{sdk.InstanceNotFound.Wrap(io.EOF), codes.NotFound},
		{errors.Join(errSecret, &fs.PathError{Op: "read", Path: "p", Err: io.EOF}, sdk.InstanceNotFound), codes.NotFound},
		{saysIsEOF{}, codes.Internal},
	} {
		returned, observed = test.err, nil
		for _, shape := range stubtest.Shapes()[1:] {
			_ = shape.Call(ctx, c)
			if status.Code(seen) != test.want || errors.Is(seen, io.EOF) {
				t.Errorf("%s: of %v the outer interceptor sees %v (%v), which is io.EOF: %t, want %v", shape.Name, test.err, seen, status.Code(seen), errors.Is(seen, io.EOF), test.want)
			}
			for _, part := range []error{errSecret, sdk.InstanceNotFound} {
				if want := errors.Is(test.err, part); errors.Is(seen, part) != want {
					t.Errorf("%s: of %v the outer interceptor finds %v: %t, want %t", shape.Name, test.err, part, !want, want)
				}
			}
			var path *fs.PathError
			if errors.As(seen, &path) != errors.As(test.err, &path) {
				t.Errorf("%s: of %v the outer interceptor finds a %T: %t", shape.Name, test.err, path, path != nil)
			}
		}
		for _, cause := range observed {
			if cause != test.err {
				t.Errorf("the observer got %v, want the handler's own error, %v", cause, test.err)
			}
		}
		if len(observed) != 3 {
			t.Errorf("the observer saw %d errors, want 3", len(observed))
		}
	}
}

type saysIsEOF struct{}

func (saysIsEOF) Error() string        { return errSecret.Error() }
func (saysIsEOF) Is(target error) bool { return target == io.EOF }

// TestEndOfRetriesIsNoEndOfStream: when a server refuses a stream while gRPC still
// replays its messages, and no attempt is left, gRPC returns io.EOF from receiving,
// as for a stream that ended well. It is a race, hence the many calls.
func TestEndOfRetriesIsNoEndOfStream(t *testing.T) {
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error {
		return statusWith(codes.Unavailable, "down", ourInfo, googleInfo).Err()
	}))
	c := stubtest.Dial(t, addr, append(interceptor.DialOptions(), grpc.WithDefaultServiceConfig(retryUnavailable))...)
	ctx := stubtest.Context(t)
	for range 60 {
		for _, shape := range stubtest.Shapes() {
			if err := shape.Call(ctx, c); !errors.Is(err, sdk.InstanceNotFound) || errors.Is(err, io.EOF) {
				t.Fatalf("%s: got %v, want the server's error", shape.Name, err)
			}
		}
	}
}

// TestLostStatus is the same without the race. A stream whose server has answered knows
// its status when it is asked again; another one must not be asked, because it might
// never answer.
func TestLostStatus(t *testing.T) {
	down := status.Error(codes.Unavailable, "down")
	cc := idle(t, "{}")
	answered := metadata.Pairs("content-type", "application/grpc")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	serverStream, clientStream := &grpc.StreamDesc{ServerStreams: true}, &grpc.StreamDesc{ClientStreams: true}
	for _, test := range []struct {
		name   string
		ctx    context.Context
		desc   *grpc.StreamDesc
		stream scriptedStream
		want   error
	}{
		{"io.EOF", nil, serverStream, scriptedStream{recv: []error{io.EOF, down}, trailer: answered}, down},
		{"wrapped io.EOF", nil, serverStream, scriptedStream{recv: []error{errExhausted, down}, trailer: answered}, down},
		{"a message after all", nil, serverStream, scriptedStream{recv: []error{io.EOF, nil, io.EOF}, trailer: answered}, io.EOF},
		{"a good end", nil, serverStream, scriptedStream{recv: []error{io.EOF, io.EOF}, trailer: answered}, io.EOF},
		{"a good end after headers", nil, serverStream, scriptedStream{recv: []error{io.EOF, io.EOF}, header: answered}, io.EOF},
		{"an error after headers", nil, serverStream, scriptedStream{recv: []error{io.EOF, down}, header: answered}, down},
		{"a message after headers", nil, serverStream, scriptedStream{recv: []error{io.EOF, nil, io.EOF}, header: answered}, io.EOF},
		{"no answer after headers", nil, serverStream, scriptedStream{recv: []error{io.EOF, errNever}, header: answered}, lost},
		{"a good end after a message", nil, serverStream, scriptedStream{recv: []error{nil, io.EOF}}, io.EOF},
		{"no answer", nil, serverStream, scriptedStream{recv: []error{io.EOF}}, lost},
		{"no answer, wrapped", nil, serverStream, scriptedStream{recv: []error{errExhausted}}, lost},
		{"no answer within the time", cancelled, serverStream, scriptedStream{recv: []error{io.EOF}}, status.FromContextError(context.Canceled).Err()},
		{"no reply", nil, clientStream, scriptedStream{recv: []error{io.EOF, io.EOF}, header: answered}, noReply},
		{"no reply and trailers", nil, clientStream, scriptedStream{recv: []error{io.EOF, io.EOF}, trailer: answered}, noReply},
		{"no answer to a client stream", nil, clientStream, scriptedStream{recv: []error{io.EOF}}, lost},
		{"a reply after all", nil, clientStream, scriptedStream{recv: []error{io.EOF, nil, io.EOF}, trailer: answered}, io.EOF},
	} {
		for name, opts := range map[string][]interceptor.ClientOption{
			"alone":        nil,
			"reading code": {interceptor.WithInBand(nil), interceptor.WithInBandStreams("/s/m")},
		} {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				ctx := test.ctx
				if ctx == nil {
					ctx = context.Background()
				}
				test.stream.cc = cc
				stream := test.stream.open(ctx, t, test.desc, opts...)
				var ended []error
				for len(ended) < 3 {
					if err := stream.RecvMsg(new(testgrpc.EchoStatus)); err != nil {
						ended = append(ended, err)
					}
				}
				for _, err := range ended {
					if err != ended[0] {
						t.Errorf("got %v again, want %v", err, ended[0])
					}
				}
				if test.want == io.EOF {
					if ended[0] != io.EOF {
						t.Errorf("got %v, want %v itself", ended[0], io.EOF)
					}
				} else if e := typed(t, ended[0]); !errors.Is(e.GRPCStatus().Err(), test.want) || errors.Is(e, io.EOF) {
					t.Errorf("got %v, want %v", e, test.want)
				}
			})
		}
	}
}

var (
	// lost is what a call ends with of which gRPC does not know the status.
	lost = status.Error(codes.Unavailable, "the call ended, and its status is lost")
	// noReply is what a call ends with that the server ended without any reply.
	noReply = status.Error(codes.Internal, "the server ended the call without a reply")
	// errNever is none: receiving does not return.
	errNever = errors.New("never")
	// errExhausted is how newer versions of gRPC return the error of the last attempt.
	errExhausted = fmt.Errorf("max retries exhausted: failed after 3 attempts: %w", io.EOF)
	// aroundEOF are errors that others make of an io.EOF.
	aroundEOF = []error{
		fmt.Errorf("read key: %w", io.EOF), fmt.Errorf("max retries exhausted: failed after 3 attempts: read key: %w", fmt.Errorf("%w", io.EOF)),
		errors.Join(errSecret, io.EOF), &url.Error{Op: "Post", URL: "https://tokens", Err: io.EOF}, saysIsEOF{}, (*fs.PathError)(nil),
	}
)

// idle returns a connection with a service config and nothing behind it.
func idle(t *testing.T, config string) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	cc.Connect()
	for state := cc.GetState(); state != connectivity.TransientFailure; state = cc.GetState() {
		if !cc.WaitForStateChange(stubtest.Context(t), state) { // only then has it its config
			t.Fatal("no attempt to connect")
		}
	}
	return cc
}

// TestErrorAroundEOFIsAnError: what an interceptor inside makes of an io.EOF is neither
// the end of a call nor a lost status, and passes as it is.
func TestErrorAroundEOFIsAnError(t *testing.T) {
	for _, want := range aroundEOF {
		for _, desc := range []*grpc.StreamDesc{{ClientStreams: true}, {ServerStreams: true}} {
			stream := scriptedStream{cc: idle(t, "{}"), send: want, recv: []error{want}}.open(context.Background(), t, desc)
			if err := stream.SendMsg(nil); err != want {
				t.Errorf("sending: got %v, want %v", err, want)
			}
			if err := stream.RecvMsg(nil); err != want {
				t.Errorf("receiving: got %v, want %v", err, want)
			}
		}
		invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return want }
		for _, opts := range [][]interceptor.ClientOption{nil, {interceptor.WithInBand(nil)}, {interceptor.WithRetry(interceptor.RetryPolicy{})}} {
			if err := interceptor.UnaryClient(opts...)(context.Background(), "/s/m", nil, new(testgrpc.EchoStatus), nil, invoker); err != want {
				t.Errorf("a unary call: got %v, want %v", err, want)
			}
		}
		streamer := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			return nil, want
		}
		if _, err := interceptor.StreamClient()(context.Background(), new(grpc.StreamDesc), nil, "/s/m", streamer); err != want {
			t.Errorf("opening a stream: got %v, want %v", err, want)
		}
	}
}

// TestEndOfAnotherStream: one that is not of gRPC's making repeats nothing, and may have
// neither headers nor trailers, or no such methods at all. What it says is so.
func TestEndOfAnotherStream(t *testing.T) {
	handler := peer.NewContext(context.Background(), new(peer.Peer))
	cc := idle(t, retryUnavailable)
	for _, test := range []struct {
		desc *grpc.StreamDesc
		want error
	}{
		{&grpc.StreamDesc{ServerStreams: true}, io.EOF},
		{&grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, io.EOF},
		{&grpc.StreamDesc{ClientStreams: true}, noReply},
	} {
		for name, stream := range map[string]grpc.ClientStream{
			"another transport":                  scriptedStream{send: io.EOF, recv: []error{io.EOF}}.open(context.Background(), t, test.desc),
			"a stream with nothing but messages": wrap(context.Background(), t, cc, test.desc, &fakeStream{}),
			"a stream of the caller's context":   wrap(context.Background(), t, cc, test.desc, &fakeStream{ClientStream: withContext{context.Background()}}),
			"the same in a handler":              wrap(handler, t, cc, test.desc, &fakeStream{ClientStream: withContext{handler}}),
			"one of a handler with another peer": wrap(context.Background(), t, cc, test.desc, &fakeStream{ClientStream: withContext{handler}}),
		} {
			if err := stream.SendMsg(nil); test.desc.ClientStreams && err != io.EOF || !test.desc.ClientStreams && err != nil {
				t.Errorf("%s, sending: got %v", name, err)
			}
			if err := stream.RecvMsg(nil); status.Convert(err).Message() != status.Convert(test.want).Message() {
				t.Errorf("%s, receiving: got %v, want %v", name, err, test.want)
			}
		}
	}
}

// fakeStream is what somebody may put in the place of a stream: it is at its end.
type fakeStream struct{ grpc.ClientStream }

func (*fakeStream) SendMsg(any) error { return io.EOF }
func (*fakeStream) RecvMsg(any) error { return io.EOF }

// withContext has a context and panics otherwise.
type withContext struct{ ctx context.Context }

func (s withContext) Context() context.Context   { return s.ctx }
func (withContext) Header() (metadata.MD, error) { panic("no headers") }
func (withContext) Trailer() metadata.MD         { panic("no trailers") }
func (withContext) CloseSend() error             { panic("no end") }
func (withContext) SendMsg(any) error            { panic("no message") }
func (withContext) RecvMsg(any) error            { panic("no message") }

// wrap returns a stream of a connection as our interceptor wraps it.
func wrap(ctx context.Context, t *testing.T, cc *grpc.ClientConn, desc *grpc.StreamDesc, inner grpc.ClientStream) grpc.ClientStream {
	t.Helper()
	stream, err := interceptor.StreamClient()(ctx, desc, cc, "/s/m",
		func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			return inner, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// TestStatusAfterHeaders: the server answers with headers and a status while gRPC still
// repeats the stream, so that sending again says io.EOF, and so does receiving then.
func TestStatusAfterHeaders(t *testing.T) {
	want := status.Error(codes.NotFound, "no such object")
	for _, desc := range []*grpc.StreamDesc{{ClientStreams: true, ServerStreams: true}, {ClientStreams: true}} {
		var attempts atomic.Int64
		answer := func(stream grpc.ServerStream) error {
			if attempts.Add(1) == 1 {
				return status.Error(codes.Unavailable, "not yet")
			}
			if err := stream.SendHeader(metadata.Pairs("k", "v")); err != nil {
				return err
			}
			return want
		}
		addr := stubtest.Start(t, &stubtest.Service{
			BidiStream:   func(stream testgrpc.TestService_FullDuplexCallServer) error { return answer(stream) },
			ClientStream: func(stream testgrpc.TestService_StreamingInputCallServer) error { return answer(stream) },
		})
		ctx := stubtest.Context(t)
		late := &lateSender{answered: make(chan struct{})}
		late.pass = func() { // by the same reader, after the end of the stream
			_, _ = late.client.EmptyCall(ctx, new(testgrpc.Empty))
		}
		late.client = stubtest.Dial(t, addr, append(interceptor.DialOptions(),
			grpc.WithDefaultServiceConfig(retryUnavailable), grpc.WithStatsHandler(late))...)
		var err error
		if desc.ServerStreams {
			stream, opening := late.client.FullDuplexCall(ctx)
			if opening != nil {
				t.Fatal(opening)
			}
			_ = stream.Send(new(testgrpc.StreamingOutputCallRequest)) // receiving tells
			_, err = stream.Recv()
		} else {
			stream, opening := late.client.StreamingInputCall(ctx)
			if opening != nil {
				t.Fatal(opening)
			}
			_ = stream.Send(new(testgrpc.StreamingInputCallRequest))
			_, err = stream.CloseAndRecv()
		}
		if e := typed(t, err); !errors.Is(e.GRPCStatus().Err(), want) || attempts.Load() != 2 {
			t.Errorf("server streams %t: got %v after %d attempts, want %v after 2", desc.ServerStreams, err, attempts.Load(), want)
		}
	}
}

// A lateSender holds the second attempt of a stream back, after its headers have left and
// before its messages do, until the server has answered it.
type lateSender struct {
	client   client
	answered chan struct{}
	pass     func()
	attempts atomic.Int64
}

type attemptKey struct{} // the key of an attempt's number in its context

func (l *lateSender) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if strings.HasSuffix(info.FullMethodName, "/EmptyCall") {
		return ctx
	}
	return context.WithValue(ctx, attemptKey{}, l.attempts.Add(1))
}

func (l *lateSender) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if ctx.Value(attemptKey{}) != int64(2) {
		return
	}
	switch s.(type) {
	case *stats.InTrailer:
		close(l.answered)
	case *stats.OutHeader:
		<-l.answered
		l.pass()
	}
}

func (*lateSender) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*lateSender) HandleConn(context.Context, stats.ConnStats)                       {}

// TestLostStatusOfAUnaryCall: in the same case gRPC returns io.EOF for a unary call.
func TestLostStatusOfAUnaryCall(t *testing.T) {
	var events []interceptor.Event
	observer := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { events = append(events, ev) })
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, opts := range [][]interceptor.ClientOption{
		nil,
		{observer},
		{observer, interceptor.WithInBand(nil)},
		{observer, interceptor.WithRetry(interceptor.RetryPolicy{MaxAttempts: 1})},
	} {
		plain, repeating := idle(t, "{}"), idle(t, retryUnavailable)
		for _, test := range []struct {
			ctx  context.Context
			cc   *grpc.ClientConn
			err  error
			want error
		}{
			{context.Background(), repeating, io.EOF, lost},
			{context.Background(), repeating, errExhausted, lost},
			{context.Background(), plain, errExhausted, lost},
			{context.Background(), plain, io.EOF, noReply},
			{context.Background(), nil, io.EOF, noReply},
			{ended, plain, io.EOF, status.FromContextError(context.Canceled).Err()},
		} {
			events = nil
			invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return test.err }
			err := interceptor.UnaryClient(opts...)(test.ctx, "/s/m", nil, new(testgrpc.EchoStatus), test.cc, invoker)
			if e := typed(t, err); !errors.Is(e.GRPCStatus().Err(), test.want) || errors.Is(e, io.EOF) || e.Origin() == mapping.OriginPeer {
				t.Errorf("of %v the client got %v of origin %v, want %v", test.err, e, e.Origin(), test.want)
			}
			if len(opts) > 0 && (len(events) != 1 || error(events[0].Error) != err || events[0].Cause == nil) {
				t.Errorf("of %v the observer saw %v, want %v", test.err, events, err)
			}
		}
	}
}

// TestEndWhileSending: that the stream is over, gRPC says by io.EOF, or wraps it when no
// attempt is left. Callers get io.EOF itself, and gRPC must not repeat the stream with
// less than they meant to send; or they get nothing where there is but one message.
func TestEndWhileSending(t *testing.T) {
	down := status.Error(codes.Unavailable, "down")
	cc := idle(t, "{}")
	for _, send := range []error{io.EOF, errExhausted} {
		for _, test := range []struct {
			desc *grpc.StreamDesc
			want error
		}{
			{&grpc.StreamDesc{ClientStreams: true}, io.EOF},
			{&grpc.StreamDesc{ServerStreams: true}, nil},
		} {
			committed := 0
			stream := scriptedStream{cc: cc, send: send, recv: []error{down}, committed: &committed}.open(context.Background(), t, test.desc)
			if err := stream.SendMsg(nil); err != test.want {
				t.Errorf("sending: got %v, want %v", err, test.want)
			}
			if (committed > 0) != test.desc.ClientStreams {
				t.Errorf("may gRPC repeat the stream? %t, want %t", committed == 0, !test.desc.ClientStreams)
			}
			if err := stream.RecvMsg(nil); typed(t, err).GRPCCode() != codes.Unavailable {
				t.Errorf("receiving: got %v, want %v", err, down)
			}
		}
	}
	typedEnd := sdk.InstanceNotFound.Wrap(io.EOF) // by an interceptor inside
	stream := scriptedStream{send: typedEnd}.open(context.Background(), t, &grpc.StreamDesc{ClientStreams: true})
	err := stream.SendMsg(nil)
	if err == io.EOF || !errors.Is(err, typedEnd) {
		t.Errorf("sending: got %v, want %v", err, typedEnd)
	}
	if got := typed(t, err).Origin(); got != mapping.OriginTransport {
		t.Errorf("an error raised inside has the origin %v, want %v: it is not the caller's own", got, mapping.OriginTransport)
	}
}

// TestFirstErrorStays: when the context ends while gRPC waits for a connection to
// repeat a stream on, receiving returns that, and from then on what the attempt before
// has failed with. Nobody asks.
func TestFirstErrorStays(t *testing.T) {
	ended := status.Error(codes.Canceled, "context canceled")
	for name, opts := range map[string][]interceptor.ClientOption{
		"alone":        nil,
		"reading code": {interceptor.WithInBand(nil), interceptor.WithInBandStreams("/s/m")},
	} {
		t.Run(name, func(t *testing.T) {
			var events []interceptor.Event
			opts := append(opts, interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { events = append(events, ev) }))
			stream := scriptedStream{recv: []error{ended}}.open(context.Background(), t, &grpc.StreamDesc{ServerStreams: true}, opts...)
			first := stream.RecvMsg(nil)
			if !errors.Is(first, context.Canceled) {
				t.Errorf("got %v, want %v", first, ended)
			}
			for range 2 {
				if again := stream.RecvMsg(nil); again != first {
					t.Errorf("got %v again, want %v", again, first)
				}
			}
			checkOneEvent(t, events, "/s/m", first)
		})
	}
}

// TestCatalogsOutside: a library may have installed the interceptors already, without the
// catalogue that the program around it knows.
func TestCatalogsOutside(t *testing.T) {
	unlisted := status.ErrorProto(statusWith(codes.NotFound, "gone", &errorsv1.ErrorInfo{Domain: "billing.acme", Number: 1003}).Proto())
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return unlisted }))
	billing := exampleCatalog()
	want, _ := billing.Lookup(1003)
	for name, opts := range map[string][]grpc.DialOption{
		"inside":  append(interceptor.DialOptions(), interceptor.DialOptions(interceptor.WithCatalogs(billing))...),
		"outside": append(interceptor.DialOptions(interceptor.WithCatalogs(billing)), interceptor.DialOptions()...),
		"first":   interceptor.DialOptions(interceptor.WithCatalogs(billing), interceptor.WithCatalogs(nil)),
	} {
		client := stubtest.Dial(t, addr, opts...)
		for _, shape := range stubtest.Shapes() {
			if e := typed(t, shape.Call(stubtest.Context(t), client)); e.Code() != want || !e.Code().Listed() {
				t.Errorf("%s, %s: got %v, listed %t, want %v", name, shape.Name, e.Code(), e.Code().Listed(), want)
			}
		}
	}
}

// TestErrorOfSendingIsNoEnd: an interceptor inside may refuse a message, and the stream
// goes on to an end of its own.
func TestErrorOfSendingIsNoEnd(t *testing.T) {
	refused, ended := status.Error(codes.InvalidArgument, "no such field"), status.Error(codes.NotFound, "gone")
	var observed []error
	observer := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { observed = append(observed, ev.Cause) })
	stream := scriptedStream{send: refused, recv: []error{nil, ended}}.open(context.Background(), t, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, observer)
	var first error
	for _, want := range []codes.Code{codes.OK, codes.NotFound} {
		err := stream.SendMsg(nil)
		if first == nil {
			first = err
		}
		if err != first || typed(t, err).GRPCCode() != codes.InvalidArgument {
			t.Errorf("sending: got %v, want %v, the same each time", err, refused)
		}
		if err := stream.RecvMsg(nil); status.Code(err) != want {
			t.Errorf("receiving: got %v, want %v", err, want)
		}
	}
	if !slices.Equal(observed, []error{refused, ended}) {
		t.Errorf("observed %v, want %v and %v once", observed, refused, ended)
	}
}

// TestErrorOfClosing: gRPC returns none, but an interceptor inside may.
func TestErrorOfClosing(t *testing.T) {
	for _, returned := range []error{nil, errSecret, io.EOF} {
		if err := (scriptedStream{end: returned}.open(context.Background(), t, new(grpc.StreamDesc))).CloseSend(); err != returned {
			t.Errorf("closing: got %v, want %v", err, returned)
		}
	}
	var events []interceptor.Event
	observer := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { events = append(events, ev) })
	stream := scriptedStream{end: statusWith(codes.NotFound, "gone", ourInfo).Err()}.open(context.Background(), t, new(grpc.StreamDesc), observer)
	err := stream.CloseSend()
	if !errors.Is(err, sdk.InstanceNotFound) {
		t.Errorf("closing: got %v, want %v", err, sdk.InstanceNotFound)
	}
	checkOneEvent(t, events, "/s/m", err)
}

// scriptedStream fails to send by send, and receives the errors in recv, nil for a
// message. To receive more would block for ever.
type scriptedStream struct {
	grpc.ClientStream
	t               *testing.T
	cc              *grpc.ClientConn // nil: of another transport than gRPC's
	send            error
	end             error // of closing
	recv            []error
	header, trailer metadata.MD
	committed       *int // how often Context was called, which keeps gRPC from repeating the stream
}

// open returns a copy of s as our interceptor wraps it, for the method /s/m.
func (s scriptedStream) open(ctx context.Context, t *testing.T, desc *grpc.StreamDesc, opts ...interceptor.ClientOption) grpc.ClientStream {
	t.Helper()
	s.t = t
	stream, err := interceptor.StreamClient(opts...)(ctx, desc, s.cc, "/s/m",
		func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			return &s, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func (s *scriptedStream) SendMsg(any) error            { return s.send }
func (s *scriptedStream) CloseSend() error             { return s.end }
func (s *scriptedStream) Header() (metadata.MD, error) { return s.header, nil }
func (s *scriptedStream) Trailer() metadata.MD         { return s.trailer }

func (s *scriptedStream) Context() context.Context {
	if s.committed != nil {
		*s.committed++
	}
	return peer.NewContext(context.Background(), new(peer.Peer)) // as gRPC's have it
}

func (s *scriptedStream) RecvMsg(any) error {
	if len(s.recv) == 0 {
		s.t.Fatal("received from a stream that would block for ever")
	}
	err := s.recv[0]
	s.recv = s.recv[1:]
	if err == errNever {
		<-s.t.Context().Done()
	}
	return err
}
