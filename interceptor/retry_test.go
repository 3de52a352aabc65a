package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

// fast is the default policy with backoffs that a test can wait for.
var fast = interceptor.RetryPolicy{InitialBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond}

// ours are the options of a client that retries by our interceptor.
func ours(policy interceptor.RetryPolicy, opts ...interceptor.ClientOption) []grpc.DialOption {
	return append(interceptor.DialOptions(append(opts, interceptor.WithRetry(policy))...), reconnectSoon)
}

// native are the options of a stock client with the generated service config, in which
// these methods are idempotent.
func native(t testing.TB, policy interceptor.RetryPolicy, idempotent ...string) []grpc.DialOption {
	t.Helper()
	js, err := interceptor.ServiceConfig{
		Services:   []string{"grpc.testing.TestService"},
		Idempotent: idempotent,
		Methods:    map[string]interceptor.MethodSettings{"/grpc.testing.TestService/": {Timeout: time.Minute}},
		Retry:      policy,
	}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return []grpc.DialOption{grpc.WithDefaultServiceConfig(js), reconnectSoon}
}

var reconnectSoon = grpc.WithConnectParams(grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1, MaxDelay: 10 * time.Millisecond},
	MinConnectTimeout: 20 * time.Second,
})

// counted is a unary service that counts its executions. Execution n, from 1, ends
// with what f(n) returns.
type counted struct {
	executions atomic.Int64
	times      []time.Time
	mu         sync.Mutex
}

func (c *counted) service(f func(ctx context.Context, n int) error) *stubtest.Service {
	return stubtest.Each(func(ctx context.Context) error {
		n := c.executions.Add(1)
		c.mu.Lock()
		c.times = append(c.times, time.Now())
		c.mu.Unlock()
		return f(ctx, int(n))
	})
}

func (c *counted) want(t *testing.T, want int) {
	t.Helper()
	if got := c.executions.Load(); got != int64(want) {
		t.Errorf("the server executed %d times, want %d", got, want)
	}
}

// wantGaps checks that between two executions there was at least this time.
func (c *counted) wantGaps(t *testing.T, least time.Duration) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 1; i < len(c.times); i++ {
		if gap := c.times[i].Sub(c.times[i-1]); gap < least {
			t.Errorf("execution %d came %v after the one before, want at least %v", i+1, gap, least)
		}
	}
}

func unaryCall(ctx context.Context, c client, opts ...grpc.CallOption) error {
	_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{}, opts...)
	return err
}

// failTimes fails the first n executions with err.
func failTimes(n int, err error) func(context.Context, int) error {
	return func(_ context.Context, execution int) error {
		if execution <= n {
			return err
		}
		return nil
	}
}

// bothClients runs a test with a stock client and with ours, both of which take the
// method for idempotent, or not.
func bothClients(t *testing.T, policy interceptor.RetryPolicy, idempotent bool, test func(t *testing.T, opts []grpc.DialOption)) {
	var methods []string
	if idempotent {
		methods = append(methods, unaryMethod)
	}
	t.Run("stock", func(t *testing.T) { test(t, native(t, policy, methods...)) })
	t.Run("ours", func(t *testing.T) { test(t, ours(policy, interceptor.WithIdempotent(methods...))) })
}

func TestRetryWaitsTheServersDelay(t *testing.T) {
	const delay = 60 * time.Millisecond
	bothClients(t, fast, true, func(t *testing.T, opts []grpc.DialOption) {
		var c counted
		addr := stubtest.Start(t, c.service(failTimes(2, sdk.InvokeRateLimited.AsError().RetryAfter(delay))), interceptor.ServerOptions()...)
		if err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, opts...)); err != nil {
			t.Errorf("got %v, want success", err)
		}
		c.want(t, 3)
		c.wantGaps(t, delay)
	})
}

func TestRetryByClass(t *testing.T) {
	noWait := func(c mapping.Code) *mapping.Error { return c.AsError().RetryAfter(0) }
	tests := []struct {
		name           string
		err            error
		idempotent     bool
		stock          bool // whether a stock client does the same; it goes by code and method alone
		wantExecutions int
	}{
		{"SAFE", noWait(sdk.InvokeRateLimited), false, false, 2},
		{"SAFE, idempotent method", noWait(sdk.InvokeRateLimited), true, true, 2},
		{"SAFE, code that gRPC does not retry", noWait(rest.SaveFileError), false, false, 2},
		{"IDEMPOTENT, idempotent method", noWait(sdk.InnerCommunication), true, true, 2},
		{"IDEMPOTENT, other method", noWait(sdk.InnerCommunication), false, true, 1},
		{"HIGHER_LEVEL", noWait(rest.TransactionFailed), true, true, 1},
		{"NEVER", sdk.InnerCommunication.AsError().DoNotRetry(), true, true, 1},
		{"NEVER, a delay that the raiser gave all the same", rest.AliasOutOfLimit.AsError().RetryAfter(time.Second), true, true, 1},
		{"no code", status.Error(codes.ResourceExhausted, "x"), false, true, 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			test := func(t *testing.T, opts []grpc.DialOption) {
				var serverOpts []interceptor.ServerOption
				if tc.idempotent {
					serverOpts = append(serverOpts, interceptor.WithIdempotent(unaryMethod))
				}
				var c counted
				addr := stubtest.Start(t, c.service(failTimes(1, tc.err)), interceptor.ServerOptions(serverOpts...)...)
				err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, opts...))
				if (err == nil) != (tc.wantExecutions == 2) {
					t.Errorf("got error %v", err)
				}
				c.want(t, tc.wantExecutions)
			}
			if tc.stock {
				bothClients(t, fast, tc.idempotent, test)
			} else {
				test(t, ours(fast))
			}
		})
	}
}

func TestRetryByCallOption(t *testing.T) {
	fails := sdk.InnerCommunication.AsError().RetryAfter(0)
	tests := []struct {
		name string
		opts []grpc.CallOption
		want int // executions
	}{
		{"none", nil, 1},
		{"idempotent", []grpc.CallOption{interceptor.CallIdempotent()}, 4},
		{"fewer attempts", []grpc.CallOption{interceptor.CallIdempotent(), interceptor.CallMaxAttempts(2)}, 2},
		{"the last one counts", []grpc.CallOption{interceptor.CallMaxAttempts(2), interceptor.CallMaxAttempts(3), interceptor.CallIdempotent()}, 3},
		{"nonsense", []grpc.CallOption{interceptor.CallIdempotent(), interceptor.CallMaxAttempts(-7)}, 1},
		{"without retry", []grpc.CallOption{interceptor.CallIdempotent(), interceptor.CallWithoutRetry()}, 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var c counted
			addr := stubtest.Start(t, c.service(failTimes(100, fails)), interceptor.ServerOptions()...)
			err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, ours(fast)...), tc.opts...)
			c.want(t, tc.want)
			if got := typed(t, err); !errors.Is(got, sdk.InnerCommunication) || got.Attempts() != tc.want {
				t.Errorf("got %v after %d attempts, want %v after %d", got, got.Attempts(), sdk.InnerCommunication, tc.want)
			}

			// Without our interceptor the options are harmless.
			if err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr), tc.opts...); status.Code(err) != codes.Unavailable {
				t.Errorf("a plain client got %v, want UNAVAILABLE", err)
			}
			c.want(t, tc.want+1)
		})
	}
}

func TestFinalErrorIsTheServers(t *testing.T) {
	var c counted
	addr := stubtest.Start(t, c.service(func(_ context.Context, n int) error {
		return sdk.InvokeRateLimited.Errorf("attempt %d", n).RetryAfter(0).With("node", "n1")
	}), interceptor.ServerOptions()...)
	var events []interceptor.Event
	conn := stubtest.Dial(t, addr, ours(fast, interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
		events = append(events, ev)
	}))...)
	e := typed(t, unaryCall(stubtest.Context(t), conn))
	if e.Code() != sdk.InvokeRateLimited || e.Message() != "attempt 4" || e.Metadata()["node"] != "n1" || e.Attempts() != 4 {
		t.Errorf("got %v with metadata %v after %d attempts, want the fourth error of the server", e, e.Metadata(), e.Attempts())
	}
	if status.Code(e) != codes.ResourceExhausted || e.Origin() != mapping.OriginPeer {
		t.Errorf("got status %v of origin %v, want RESOURCE_EXHAUSTED from the peer", status.Code(e), e.Origin())
	}

	for i, ev := range events {
		want := interceptor.Event{Side: interceptor.ClientSide, Method: unaryMethod, Attempt: i + 1, Retrying: i < 3}
		if ev.Side != want.Side || ev.Method != want.Method || ev.Attempt != want.Attempt || ev.Retrying != want.Retrying {
			t.Errorf("event %d: %+v, want %+v", i, ev, want)
		}
		if got, want := ev.Error.Message(), fmt.Sprintf("attempt %d", i+1); got != want {
			t.Errorf("event %d: error %q, want %q", i, got, want)
		}
		if ev.Retrying == (ev.Wait == 0) {
			t.Errorf("event %d: retrying %v after %v", i, ev.Retrying, ev.Wait)
		}
	}
	if len(events) != 4 {
		t.Errorf("the observer saw %d events, want 4", len(events))
	}
}

func TestGaveUp(t *testing.T) {
	limited := sdk.InvokeRateLimited.AsError().RetryAfter(0) // class Safe
	pushback := func(value string) func(context.Context) {
		return func(ctx context.Context) {
			_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", value))
		}
	}
	policy := func(change func(*interceptor.RetryPolicy)) interceptor.RetryPolicy {
		p := fast
		change(&p)
		return p
	}
	for _, tt := range []struct {
		name    string
		policy  interceptor.RetryPolicy
		err     error
		handler func(context.Context)
		dial    []grpc.DialOption
		opts    []grpc.CallOption
		cancel  bool // the call, when its first attempt has failed
		want    []interceptor.GaveUp
	}{
		{name: "the class forbids it", policy: fast, err: sdk.ParamInvalid, want: []interceptor.GaveUp{interceptor.GaveUpError}},
		{name: "the method is not idempotent", policy: fast, err: sdk.InnerCommunication, want: []interceptor.GaveUp{interceptor.GaveUpError}},
		{name: "the handler forbids it", policy: fast, err: limited, handler: pushback("-1"), want: []interceptor.GaveUp{interceptor.GaveUpServer}},
		{name: "a malformed trailer", policy: fast, err: limited, handler: pushback("x"), want: []interceptor.GaveUp{interceptor.GaveUpServer}},
		{name: "a trailer that is too large", policy: fast, err: limited, handler: pushback("9223372036854775807"), want: []interceptor.GaveUp{interceptor.GaveUpServer}},
		{name: "two attempts at most", policy: policy(func(p *interceptor.RetryPolicy) { p.MaxAttempts = 2 }), err: limited,
			want: []interceptor.GaveUp{"", interceptor.GaveUpAttempts}},
		{name: "this call once", policy: fast, err: limited, opts: []grpc.CallOption{interceptor.CallWithoutRetry()},
			want: []interceptor.GaveUp{interceptor.GaveUpAttempts}},
		{name: "two attempts, and a budget for no more", policy: policy(func(p *interceptor.RetryPolicy) { p.MaxAttempts, p.MaxTokens = 2, 3 }), err: limited,
			want: []interceptor.GaveUp{"", interceptor.GaveUpAttempts}},
		{name: "a budget for one repetition", policy: policy(func(p *interceptor.RetryPolicy) { p.MaxTokens = 3 }), err: limited,
			want: []interceptor.GaveUp{"", interceptor.GaveUpBudget}},
		{name: "a delay beyond the policy", policy: policy(func(p *interceptor.RetryPolicy) { p.MaxDelay = time.Second }), err: limited.RetryAfter(10 * time.Second),
			want: []interceptor.GaveUp{interceptor.GaveUpDelay}},
		{name: "a delay beyond what any policy allows", policy: policy(func(p *interceptor.RetryPolicy) { p.MaxDelay = 24 * time.Hour }), err: limited,
			handler: pushback("3600001"), want: []interceptor.GaveUp{interceptor.GaveUpDelay}},
		{name: "a delay beyond the deadline", policy: policy(func(p *interceptor.RetryPolicy) { p.MaxDelay = time.Hour }), err: limited.RetryAfter(time.Hour),
			want: []interceptor.GaveUp{interceptor.GaveUpServer}}, // which sees the deadline too
		{name: "a delay beyond the deadline, of which the server says nothing", policy: policy(func(p *interceptor.RetryPolicy) { p.MaxDelay = time.Hour }),
			err:  sdk.LocalSchedulerOperationError.AsError().NotExecuted().RetryAfter(time.Hour),
			want: []interceptor.GaveUp{interceptor.GaveUpDeadline}},
		{name: "cancelled during the wait", policy: fast, err: limited.RetryAfter(20 * time.Second), cancel: true,
			want: []interceptor.GaveUp{"", interceptor.GaveUpContext}},
		{name: "gRPC repeats it", policy: fast, err: limited, dial: native(t, fast, unaryMethod), want: []interceptor.GaveUp{interceptor.GaveUpOthers}},
		{name: "an interceptor inside repeats it", policy: fast, err: limited,
			dial: []grpc.DialOption{grpc.WithChainUnaryInterceptor(interceptor.UnaryClient(interceptor.WithRetry(fast)))},
			want: []interceptor.GaveUp{interceptor.GaveUpOthers}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := stubtest.Start(t, stubtest.Each(func(ctx context.Context) error {
				if tt.handler != nil {
					tt.handler(ctx)
				}
				return tt.err
			}), interceptor.ServerOptions()...)
			ctx, cancel := context.WithTimeout(stubtest.Context(t), time.Minute)
			defer cancel()
			var got []interceptor.GaveUp
			dial := ours(tt.policy, interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
				if got = append(got, ev.GaveUp); ev.Retrying != (ev.GaveUp == "") {
					t.Errorf("retrying %v, but gave up because of %q", ev.Retrying, ev.GaveUp)
				}
				if tt.cancel {
					cancel()
				}
			}))
			conn := stubtest.Dial(t, addr, append(dial, tt.dial...)...)
			if err := unaryCall(ctx, conn, tt.opts...); err == nil {
				t.Error("got success")
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("gave up because of %q, want %q", got, tt.want)
			}
		})
	}
}

// Whose context has ended does not wait, and leaves the budget to others.
func TestGaveUpBecauseTheContextHasEnded(t *testing.T) {
	var got []interceptor.GaveUp
	observer := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { got = append(got, ev.GaveUp) })
	unary := interceptor.UnaryClient(observer, interceptor.WithRetry(fast))
	call := func(ends bool) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_ = unary(ctx, unaryMethod, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			if ends {
				cancel()
			}
			return sdkStatus(sdk.InvokeRateLimited.AsError().RetryAfter(0))
		})
	}
	for range 10 {
		got = nil
		call(true)
		if !slices.Equal(got, []interceptor.GaveUp{interceptor.GaveUpContext}) {
			t.Errorf("gave up because of %q, want %q", got, interceptor.GaveUpContext)
		}
	}
	got = nil
	call(false)
	if want := []interceptor.GaveUp{"", "", "", interceptor.GaveUpAttempts}; !slices.Equal(got, want) {
		t.Errorf("then a call gave up because of %q, want %q", got, want)
	}
}

func TestObserverSeesRepeatedAttemptsOfACallThatSucceeds(t *testing.T) {
	var c counted
	addr := stubtest.Start(t, c.service(failTimes(2, sdk.InvokeRateLimited.AsError().RetryAfter(0))), interceptor.ServerOptions()...)
	retrying, final := 0, 0
	conn := stubtest.Dial(t, addr, ours(fast, interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
		if ev.Retrying {
			retrying++
		} else {
			final++
		}
	}))...)
	if err := unaryCall(stubtest.Context(t), conn); err != nil {
		t.Fatal(err)
	}
	if retrying != 2 || final != 0 {
		t.Errorf("the observer saw %d repeated attempts and %d final errors, want 2 and 0", retrying, final)
	}
}

func TestCutAfterTheRequestWasWritten(t *testing.T) {
	for _, idempotent := range []bool{false, true} {
		t.Run("idempotent "+strconv.FormatBool(idempotent), func(t *testing.T) {
			bothClients(t, fast, idempotent, func(t *testing.T, opts []grpc.DialOption) {
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
				err := unaryCall(stubtest.Context(t), stubtest.Dial(t, proxy.lis.Addr().String(), opts...))
				if idempotent {
					c.want(t, 2)
					if err != nil {
						t.Errorf("got %v, want success", err)
					}
					return
				}
				c.want(t, 1)
				e := decoded(t, err)
				if status.Code(err) != codes.Unavailable || e.Origin() != mapping.OriginTransport {
					t.Errorf("got %v of origin %v, want UNAVAILABLE of the transport", err, e.Origin())
				}
			})
		})
	}
}

func TestCutBeforeAnythingLeft(t *testing.T) {
	policy := interceptor.RetryPolicy{InitialBackoff: 100 * time.Millisecond}
	var origins []mapping.Origin
	observer := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
		origins = append(origins, ev.Error.Origin())
	})
	waits, err := interceptor.ServiceConfig{
		Services: []string{"grpc.testing.TestService"},
		Methods:  map[string]interceptor.MethodSettings{unaryMethod: {WaitForReady: true}},
	}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][]grpc.DialOption{
		"ours":                            ours(policy, observer),
		"stock, idempotent method":        native(t, policy, unaryMethod),
		"stock, other, waiting for ready": {grpc.WithDefaultServiceConfig(waits), reconnectSoon},
	}
	for name, opts := range tests {
		t.Run(name, func(t *testing.T) {
			var c counted
			addr := stubtest.Start(t, c.service(failTimes(0, nil)), interceptor.ServerOptions()...)
			proxy := startProxy(t, addr)
			proxy.refuse.Store(2)
			if err := unaryCall(stubtest.Context(t), stubtest.Dial(t, proxy.lis.Addr().String(), opts...)); err != nil {
				t.Errorf("got %v, want success", err)
			}
			c.want(t, 1)
			if proxy.refuse.Load() >= 0 {
				t.Error("the proxy cut nothing")
			}
			if name == "ours" && len(origins) == 0 {
				t.Error("no attempt failed")
			}
			for _, origin := range origins {
				if origin != mapping.OriginUnsent {
					t.Errorf("an attempt failed with origin %v, want %v", origin, mapping.OriginUnsent)
				}
			}
		})
	}
}

// With nothing but defaults on both sides, the waits are long enough for gRPC to
// connect anew to a server that was not there.
func TestRefusedConnection(t *testing.T) {
	path := socket(t)
	var c counted
	srv := grpc.NewServer(interceptor.ServerOptions()...)
	testgrpc.RegisterTestServiceServer(srv, c.service(failTimes(0, nil)))
	t.Cleanup(srv.Stop)
	serve := sync.OnceFunc(func() {
		lis, err := net.Listen("unix", path)
		if err != nil {
			t.Error(err)
			return
		}
		go func() { _ = srv.Serve(lis) }()
	})
	// gRPC connects again after this time at the latest.
	longest := time.Duration(float64(backoff.DefaultConfig.BaseDelay) * (1 + backoff.DefaultConfig.Jitter))
	var waited time.Duration
	var conn *grpc.ClientConn
	opts := interceptor.DialOptions(
		interceptor.WithRetry(interceptor.RetryPolicy{}),
		interceptor.WithObserver(func(ctx context.Context, ev interceptor.Event) {
			if ev.Error.Origin() != mapping.OriginUnsent || !ev.Retrying {
				t.Errorf("attempt %d: origin %v, retrying %v, want an unsent one that is repeated", ev.Attempt, ev.Error.Origin(), ev.Retrying)
			}
			serve()
			if waited += ev.Wait; waited > longest {
				awaitReady(ctx, conn) // on a slow machine it takes a while longer
			}
		}))
	conn, err := grpc.NewClient("unix:"+path, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := unaryCall(stubtest.Context(t), testgrpc.NewTestServiceClient(conn)); err != nil {
		t.Errorf("got %v, want success", err)
	}
	c.want(t, 1)
}

// awaitReady waits until there is a connection, but not beyond the end of the context.
func awaitReady(ctx context.Context, conn *grpc.ClientConn) {
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if !conn.WaitForStateChange(ctx, state) {
			return
		}
	}
}

// An attempt that never left says nothing about those before it.
func TestUnsentIsOfTheWholeCall(t *testing.T) {
	var c counted
	srv := grpc.NewServer(interceptor.ServerOptions()...)
	testgrpc.RegisterTestServiceServer(srv, c.service(func(ctx context.Context, _ int) error {
		if err := grpc.SetHeader(ctx, metadata.Pairs("served-by", "n1")); err != nil {
			return err
		}
		return sdk.InvokeRateLimited.AsError().RetryAfter(0)
	}))
	path := socket(t)
	lis, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(lis) }()
	t.Cleanup(srv.Stop)
	var conn *grpc.ClientConn
	opts := ours(fast, interceptor.WithObserver(func(ctx context.Context, _ interceptor.Event) {
		srv.Stop() // after the first answer
		conn.WaitForStateChange(ctx, connectivity.Ready)
	}))
	conn, err = grpc.NewClient("unix:"+path, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var header, trailer metadata.MD
	from := new(peer.Peer)
	e := typed(t, unaryCall(stubtest.Context(t), testgrpc.NewTestServiceClient(conn), grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(from)))
	c.want(t, 1)
	if e.Code() != sdk.InnerCommunication || e.Attempts() != 4 {
		t.Errorf("got %v after %d attempts, want %v after 4", e, e.Attempts(), sdk.InnerCommunication)
	}
	if e.Origin() == mapping.OriginUnsent {
		t.Error("the error says that the call never left, but its first attempt was executed")
	}
	if len(header) > 0 || len(trailer) > 0 || from.Addr != nil {
		t.Errorf("got header %v, trailer %v and peer %v, which are those of the first attempt; the last had none", header, trailer, from.Addr)
	}
}

// With nothing but default policies a call survives that its server goes down in the
// middle of it and is away for a moment.
func TestSurvivesARestart(t *testing.T) {
	bothClients(t, interceptor.RetryPolicy{}, true, func(t *testing.T, opts []grpc.DialOption) {
		var c counted
		path := socket(t)
		lis, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		serverOpts := interceptor.ServerOptions(interceptor.WithIdempotent(unaryMethod))
		stop := make(chan struct{})
		first := grpc.NewServer(serverOpts...)
		testgrpc.RegisterTestServiceServer(first, c.service(func(ctx context.Context, _ int) error {
			close(stop)
			<-ctx.Done() // the server goes down in the middle of it
			return ctx.Err()
		}))
		second := grpc.NewServer(serverOpts...)
		testgrpc.RegisterTestServiceServer(second, c.service(failTimes(0, nil)))
		t.Cleanup(second.Stop)
		go func() { _ = first.Serve(lis) }()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			<-stop
			first.Stop()
		}()
		restart := sync.OnceFunc(func() {
			lis, err := net.Listen("unix", path)
			if err != nil {
				t.Error(err)
				return
			}
			go func() { _ = second.Serve(lis) }()
		})
		// It is away until somebody has called in vain.
		opts = append(opts, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
			if err != nil {
				restart()
			}
			return conn, err
		}))
		if err := unaryCall(stubtest.Context(t), stubtest.Dial(t, "unix:"+path, opts...)); err != nil {
			t.Errorf("got %v, want success", err)
		}
		c.want(t, 2)
		<-stopped
	})
}

func TestDelayBeyondTheDeadline(t *testing.T) {
	const deadline = 20 * time.Second // which passes only for a client that waits
	bothClients(t, interceptor.RetryPolicy{}, true, func(t *testing.T, opts []grpc.DialOption) {
		var c counted
		addr := stubtest.Start(t, c.service(failTimes(100, sdk.InvokeRateLimited.AsError().RetryAfter(25*time.Second))), interceptor.ServerOptions()...)
		conn := stubtest.Dial(t, addr, opts...)
		ctx, cancel := context.WithTimeout(stubtest.Context(t), deadline)
		defer cancel()
		err := unaryCall(ctx, conn)
		if ctx.Err() != nil {
			t.Error("the error came when the deadline had passed, want it at once")
		}
		if !errors.Is(decoded(t, err), sdk.InvokeRateLimited) {
			t.Errorf("got %v, want the server's %v", err, sdk.InvokeRateLimited)
		}
		c.want(t, 1)
	})
}

func TestCancelledWhileWaiting(t *testing.T) {
	var c counted
	addr := stubtest.Start(t, c.service(failTimes(100, sdk.InvokeRateLimited.AsError().RetryAfter(20*time.Second))), interceptor.ServerOptions()...)
	ctx, cancel := context.WithCancel(stubtest.Context(t))
	defer cancel()
	var final int
	conn := stubtest.Dial(t, addr, ours(fast, interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
		if !ev.Retrying {
			final++
		}
		cancel()
	}))...)
	e := typed(t, unaryCall(ctx, conn))
	c.want(t, 1)
	if !errors.Is(e, sdk.InvokeRateLimited) || !errors.Is(e, context.Canceled) || status.Code(e) != codes.ResourceExhausted {
		t.Errorf("got %v (%v), want the server's error, in which context.Canceled is found", e, status.Code(e))
	}
	if cause := e.Unwrap(); status.Code(cause) != codes.ResourceExhausted {
		t.Errorf("the cause is %v, in which there is no error of gRPC", cause)
	}
	if e.Attempts() != 1 || final != 1 {
		t.Errorf("got %d attempts and %d final events, want 1 and 1", e.Attempts(), final)
	}
}

// What a peer writes about retries can be anything.
func TestHostileHints(t *testing.T) {
	info := func(class errorsv1.RetryClass, delay uint32) proto.Message {
		return &errorsv1.ErrorInfo{Domain: sdk.Domain, Number: 1005, Retry: &errorsv1.RetryHint{Class: class, DelayMs: delay}}
	}
	const safe, never = errorsv1.RetryClass_RETRY_CLASS_SAFE, errorsv1.RetryClass_RETRY_CLASS_NEVER
	retryInfo := func(d *durationpb.Duration) proto.Message { return &errdetails.RetryInfo{RetryDelay: d} }
	google := &errdetails.ErrorInfo{Domain: sdk.Domain, Reason: "INVOKE_RATE_LIMITED"}
	tests := []struct {
		name       string
		details    []proto.Message
		raw        *anypb.Any
		executions int
		least      time.Duration
	}{
		{name: "absurd", details: []proto.Message{info(safe, 1<<32-1), retryInfo(nil)}, executions: 1},
		{name: "longer than the bound", details: []proto.Message{info(safe, 31_000), retryInfo(nil)}, executions: 1},
		{name: "class of a later version", details: []proto.Message{info(17, 1)}, executions: 1},
		{name: "NEVER with a delay", details: []proto.Message{info(never, 1), retryInfo(durationpb.New(time.Millisecond))}, executions: 1},
		{name: "RetryInfo alone", details: []proto.Message{retryInfo(durationpb.New(time.Millisecond))}, executions: 1},
		{name: "malformed detail", raw: &anypb.Any{TypeUrl: "type.googleapis.com/yuanrong.errors.v1.ErrorInfo", Value: []byte("\x1a\xff\xff")}, executions: 1},
		{name: "malformed hint", raw: &anypb.Any{TypeUrl: "type.googleapis.com/yuanrong.errors.v1.ErrorInfo",
			Value: append([]byte("\x0a\x0c"+sdk.Domain+"\x10\xed\x07\x1a\x04\x08\x01\x10"), 0xff)}, executions: 1},
		{name: "no delay", details: []proto.Message{info(safe, 0), retryInfo(nil)}, executions: 4},
		{name: "SAFE without RetryInfo, as a service in the middle passes it on", details: []proto.Message{info(safe, 0)}, executions: 1},
		{name: "negative, by google's details", details: []proto.Message{google, retryInfo(durationpb.New(-time.Hour))}, executions: 4},
		{name: "absurd, by google's details", details: []proto.Message{google, retryInfo(&durationpb.Duration{Seconds: 1 << 62})}, executions: 1},
		{name: "no delay, by google's details", details: []proto.Message{google, retryInfo(nil)}, executions: 4},
		{name: "two RetryInfos: the first", details: []proto.Message{google, retryInfo(durationpb.New(20 * time.Millisecond)), retryInfo(durationpb.New(time.Hour))},
			executions: 4, least: 20 * time.Millisecond},
		{name: "RetryInfo against ours: ours", details: []proto.Message{info(safe, 20), retryInfo(durationpb.New(time.Hour))},
			executions: 4, least: 20 * time.Millisecond},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			st := &spb.Status{Code: int32(codes.ResourceExhausted), Message: "x"}
			for _, m := range tc.details {
				detail, err := anypb.New(m)
				if err != nil {
					t.Fatal(err)
				}
				st.Details = append(st.Details, detail)
			}
			if tc.raw != nil {
				st.Details = append(st.Details, tc.raw)
			}
			var c counted
			// The server is somebody else's: it sends what it likes.
			addr := stubtest.Start(t, c.service(failTimes(100, status.ErrorProto(st))))
			start := time.Now()
			err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, ours(fast)...))
			if status.Code(err) != codes.ResourceExhausted {
				t.Errorf("got %v, want RESOURCE_EXHAUSTED", err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("the call took %v", took)
			}
			c.want(t, tc.executions)
			c.wantGaps(t, tc.least)
		})
	}
}

func TestThrottleIsLeftAlone(t *testing.T) {
	// Codes that no policy lists, classes that forbid a retry: were they answered with
	// -1, each would take a token of a stock client.
	failing := []error{sdk.ParamInvalid, sdk.InstanceNotFound, sdk.AuthorizeFailed, sdk.InnerSystemError, rest.FunctionNameExist, sdk.UserCodeLoad}
	var c counted
	addr := stubtest.Start(t, c.service(func(_ context.Context, n int) error {
		switch {
		case n <= 20:
			return failing[n%len(failing)]
		case n == 21:
			return sdk.InvokeRateLimited.AsError().RetryAfter(0)
		}
		return nil
	}), interceptor.ServerOptions()...)
	conn := stubtest.Dial(t, addr, native(t, fast, unaryMethod)...)
	for range 20 {
		if err := unaryCall(stubtest.Context(t), conn); err == nil {
			t.Fatal("a failing call succeeded")
		}
	}
	if err := unaryCall(stubtest.Context(t), conn); err != nil {
		t.Errorf("after 20 errors that are none of the throttle's business, got %v, want a retry that succeeds", err)
	}
	c.want(t, 22)
}

func TestHandlerThatSetsHeaders(t *testing.T) {
	var c counted
	addr := stubtest.Start(t, c.service(func(ctx context.Context, n int) error {
		if err := grpc.SetHeader(ctx, metadata.Pairs("served-by", "n1")); err != nil {
			return err
		}
		return failTimes(1, sdk.InvokeRateLimited.AsError().RetryAfter(0))(ctx, n)
	}), interceptor.ServerOptions()...)

	// gRPC does not retry a call with headers. It gets the error, and no worse one.
	err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, native(t, fast, unaryMethod)...))
	if !errors.Is(decoded(t, err), sdk.InvokeRateLimited) {
		t.Errorf("a stock client got %v, want %v", err, sdk.InvokeRateLimited)
	}
	c.want(t, 1)

	c.executions.Store(0)
	var header metadata.MD
	if err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, ours(fast)...), grpc.Header(&header)); err != nil {
		t.Errorf("our client got %v, want success", err)
	}
	c.want(t, 2)
	if got := header.Get("served-by"); len(got) != 1 || got[0] != "n1" {
		t.Errorf("header served-by = %q, want that of the last attempt alone", got)
	}
}

func TestNativeRetriesAndOursNeverMultiply(t *testing.T) {
	policy := interceptor.RetryPolicy{MaxAttempts: 3, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond}
	var c counted
	addr := stubtest.Start(t, c.service(failTimes(100, sdk.InvokeRateLimited.AsError().RetryAfter(0))), interceptor.ServerOptions()...)
	both := append(ours(policy), native(t, policy, unaryMethod)...)
	e := typed(t, unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, both...)))
	c.want(t, 3)
	if e.Code() != sdk.InvokeRateLimited || e.Attempts() != 0 {
		t.Errorf("got %v after %d attempts, want %v and no number", e, e.Attempts(), sdk.InvokeRateLimited)
	}

	// A service config without a policy for the method is no obstacle.
	c.executions.Store(0)
	both = append(ours(policy), native(t, policy, "/grpc.testing.TestService/EmptyCall")...)
	if err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, both...)); err == nil {
		t.Error("got success")
	}
	c.want(t, 3)
}

// The policy of an xDS route is in no service config that an interceptor could look at.
// What gRPC returns when such retries have run out is all that there is to see.
func TestRetriesThatNoServiceConfigTells(t *testing.T) {
	limited := status.Convert(sdk.InvokeRateLimited.AsError().RetryAfter(0)).Err()
	ranOut := fmt.Errorf("max retries exhausted: failed after 3 attempts: %w", limited)
	for _, tt := range []struct {
		err  error
		want int
	}{
		{limited, 4},
		{ranOut, 1},
		{fmt.Errorf("inside: %w", ranOut), 1},
	} {
		var last interceptor.Event
		observer := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { last = ev })
		calls := 0
		invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			calls++
			return tt.err
		}
		err := interceptor.UnaryClient(observer, interceptor.WithRetry(fast))(stubtest.Context(t), unaryMethod, nil, nil, idle(t, "{}"), invoker)
		if calls != tt.want || !errors.Is(err, sdk.InvokeRateLimited) {
			t.Errorf("%v: got %v after %d calls, want %v after %d", tt.err, err, calls, sdk.InvokeRateLimited, tt.want)
		}
		if others := last.GaveUp == interceptor.GaveUpOthers; others != (tt.want == 1) || others && last.Attempt != 0 {
			t.Errorf("%v: gave up because of %q, after %d attempts", tt.err, last.GaveUp, last.Attempt)
		}
	}
}

// The words by which gRPC tells it are gRPC's own. Where it wraps what its last attempt came
// to, as it does since version 1.81, they have to be those that the client knows.
func TestRetriesOfGRPCBehindTheClient(t *testing.T) {
	policy := interceptor.RetryPolicy{MaxAttempts: 3, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond, MaxTokens: -1}
	var c counted
	addr := stubtest.Start(t, c.service(failTimes(100, sdk.InvokeRateLimited.AsError().RetryAfter(0))), interceptor.ServerOptions()...)
	stock := stubtest.Dial(t, addr, native(t, policy, unaryMethod)...)
	wraps := false
	invoker := func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		err := unaryCall(ctx, stock, opts...)
		_, direct := err.(interface{ GRPCStatus() *status.Status })
		wraps = !direct
		return err
	}
	err := interceptor.UnaryClient(interceptor.WithRetry(policy))(stubtest.Context(t), unaryMethod, nil, nil, idle(t, "{}"), invoker)
	if e := typed(t, err); e.Code() != sdk.InvokeRateLimited {
		t.Errorf("got %v, want %v", e, sdk.InvokeRateLimited)
	}
	if wraps {
		c.want(t, 3)
	} else {
		c.want(t, 3*3)
	}
}

func TestCallersOptionsKeepWorking(t *testing.T) {
	var c counted
	addr := stubtest.Start(t, c.service(func(ctx context.Context, n int) error {
		if err := grpc.SetTrailer(ctx, metadata.Pairs("n", strconv.Itoa(n))); err != nil {
			return err
		}
		return failTimes(1, sdk.InvokeRateLimited.AsError().RetryAfter(0))(ctx, n)
	}), interceptor.ServerOptions()...)
	var trailer metadata.MD
	var from peer.Peer
	opts := []grpc.CallOption{grpc.Trailer(&trailer), grpc.Peer(&from), grpc.WaitForReady(true), interceptor.CallIdempotent(), grpc.UseCompressor("")}
	if err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, ours(fast)...), opts[:2:5]...); err != nil {
		t.Fatal(err)
	}
	if got := trailer.Get("n"); len(got) != 1 || got[0] != "2" {
		t.Errorf("trailer n = %q, want that of the second attempt", got)
	}
	if from.Addr == nil || from.Addr.String() != addr {
		t.Errorf("peer = %v, want %s", from.Addr, addr)
	}
	if _, ok := opts[2].(grpc.FailFastCallOption); !ok {
		t.Error("the caller's slice of options was written to")
	}
}

// What an attempt has left in the caller's variables does not outlive it.
func TestCallersOptionsAreOfTheLastAttempt(t *testing.T) {
	attempts := 0
	invoker := func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		if attempts++; attempts > 1 {
			return nil // and nothing is filled in
		}
		for _, o := range opts {
			switch o := o.(type) {
			case grpc.HeaderCallOption:
				*o.HeaderAddr = metadata.Pairs("k", "v")
			case grpc.TrailerCallOption:
				*o.TrailerAddr = metadata.Pairs("k", "v")
			case grpc.PeerCallOption:
				*o.PeerAddr = peer.Peer{Addr: new(net.TCPAddr), LocalAddr: new(net.TCPAddr)}
			}
		}
		return sdkStatus(sdk.InvokeRateLimited.AsError().RetryAfter(0))
	}
	var header, trailer metadata.MD
	var server peer.Peer
	err := interceptor.UnaryClient(interceptor.WithRetry(fast))(context.Background(), unaryMethod, nil, nil, nil, invoker,
		grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&server))
	if err != nil || attempts != 2 {
		t.Errorf("got %v after %d attempts, want success after 2", err, attempts)
	}
	if header != nil || trailer != nil || server != (peer.Peer{}) {
		t.Errorf("of the first attempt there is the header %v, the trailer %v, the peer %v", header, trailer, server.Addr)
	}
}

// TestRetryObeysPushback: what a server says by the trailer about repeating the call counts
// more than what its error, or the lack of one, lets a client think.
func TestRetryObeysPushback(t *testing.T) {
	down := status.Error(codes.Unavailable, "down")
	for _, test := range []struct {
		name    string
		trailer []string
		err     error
		server  []grpc.ServerOption
		want    int // attempts
	}{
		{"none", nil, sdk.InvokeRateLimited.AsError().RetryAfter(0).GRPCStatus().Err(), nil, 4},
		{"a stock server forbids", []string{"-1"}, down, nil, 1},
		{"a stock server asks for less than is guessed", []string{"0"}, down, nil, 4},
		{"a stock server asks for too much", []string{"31000"}, down, nil, 1},
		{"malformed", []string{"soon"}, down, nil, 1},
		{"beyond 32 bits", []string{"2147483648"}, down, nil, 1},
		{"twice", []string{"0", "0"}, down, nil, 1},
		{"a handler forbids", []string{"-1"}, sdk.InvokeRateLimited, interceptor.ServerOptions(), 1},
		{"a handler asks for less than the catalogue", []string{"0"}, sdk.InvokeRateLimited, interceptor.ServerOptions(), 4},
		{"a handler forbids what may have been executed by a malformed one", []string{"no"}, sdk.InnerCommunication.AsError().RetryAfter(0), interceptor.ServerOptions(), 1},
		{"a handler of a method that the server knows to be idempotent", []string{"-1"}, sdk.InvokeRateLimited.AsError().RetryAfter(0), interceptor.ServerOptions(interceptor.WithIdempotent(unaryMethod)), 1},
		{"a server of ours that passed on what is safe", nil, sentByPeer(sdk.InvokeRateLimited.AsError().RetryAfter(0).GRPCStatus()), interceptor.ServerOptions(), 4},
		{"a server of ours that does not know the method", nil, sdk.InnerCommunication.AsError().RetryAfter(0), interceptor.ServerOptions(), 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c counted
			addr := stubtest.Start(t, c.service(func(ctx context.Context, _ int) error {
				for _, value := range test.trailer {
					if err := grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", value)); err != nil {
						return err
					}
				}
				return test.err
			}), test.server...)
			err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, ours(fast)...), interceptor.CallIdempotent())
			if e := typed(t, err); e.Attempts() != test.want {
				t.Errorf("got %v after %d attempts, want %d", e, e.Attempts(), test.want)
			}
			c.want(t, test.want)
		})
	}
}

// Interceptors of another transport than gRPC's do not say whether a call left.
func TestAnotherTransportMayHaveExecuted(t *testing.T) {
	calls := 0
	invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		calls++
		return status.Error(codes.Unavailable, "cut")
	}
	err := interceptor.UnaryClient(interceptor.WithRetry(fast))(context.Background(), unaryMethod, nil, nil, nil, invoker)
	if e := typed(t, err); calls != 1 || e.Origin() == mapping.OriginUnsent {
		t.Errorf("the call was made %d times, and its error has origin %v", calls, e.Origin())
	}
}

// statusAround wraps an error into one with a status of its own.
type statusAround struct{ error }

func (e statusAround) GRPCStatus() *status.Status { return status.Convert(e.error) }
func (e statusAround) Unwrap() error              { return e.error }

// Two of ours do not multiply, whatever stands between them.
func TestRetryAroundAWrappedRetry(t *testing.T) {
	var c counted
	addr := stubtest.Start(t, c.service(failTimes(100, sdk.InvokeRateLimited.AsError().RetryAfter(0))), interceptor.ServerOptions()...)
	between := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return statusAround{invoker(ctx, method, req, reply, cc, opts...)}
	}
	var observed []int
	observer := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { observed = append(observed, ev.Attempt) })
	dial := append(ours(fast, observer), grpc.WithChainUnaryInterceptor(between))
	err := unaryCall(stubtest.Context(t), stubtest.Dial(t, addr, append(dial, ours(fast)...)...))
	if !errors.Is(err, sdk.InvokeRateLimited) {
		t.Errorf("got %v", err)
	}
	c.want(t, 4)
	if !slices.Equal(observed, []int{4}) {
		t.Errorf("the outer observer saw attempts %v, want the fourth alone", observed)
	}
}

// A server that forbids it does not know what is declared on this side alone. What the
// descriptor says it knows, and has another reason.
func TestNoRetryOfAServerThatKnowsTheMethod(t *testing.T) {
	linkStoreService(t)
	for name, tt := range map[string]struct {
		opts []interceptor.ClientOption
		want int
	}{
		"by its descriptor":       {nil, 1},
		"declared on this side":   {[]interceptor.ClientOption{interceptor.WithIdempotent("acme.Store/Get")}, 2},
		"another one is declared": {[]interceptor.ClientOption{interceptor.WithIdempotent("acme.Store/Put")}, 1},
	} {
		attempts := 0
		invoker := func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
			if attempts++; attempts > 1 {
				return nil
			}
			for _, o := range opts {
				if o, ok := o.(grpc.TrailerCallOption); ok {
					*o.TrailerAddr = metadata.Pairs("grpc-retry-pushback-ms", "-1")
				}
			}
			return sdkStatus(sdk.InnerCommunication.AsError().RetryAfter(0))
		}
		unary := interceptor.UnaryClient(append(tt.opts, interceptor.WithRetry(fast))...)
		_ = unary(context.Background(), "/acme.Store/Get", nil, nil, nil, invoker)
		if attempts != tt.want {
			t.Errorf("%s: %d attempts, want %d", name, attempts, tt.want)
		}
	}
}

// What an interceptor inside has wrapped around an error is found in it, with and without
// retries.
func TestWrappedInside(t *testing.T) {
	errBreaker := errors.New("breaker")
	for _, inner := range []error{sdk.InstanceNotFound, sdk.InstanceNotFound.Errorf("x"), statusWith(codes.NotFound, "x", ourInfo).Err()} {
		for name, opts := range map[string][]interceptor.ClientOption{"plain": nil, "retries": {interceptor.WithRetry(fast)}} {
			invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				return fmt.Errorf("%w: %w", errBreaker, inner)
			}
			err := interceptor.UnaryClient(opts...)(context.Background(), unaryMethod, nil, nil, nil, invoker)
			if !errors.Is(err, errBreaker) || !errors.Is(err, sdk.InstanceNotFound) || status.Code(err) != codes.NotFound {
				t.Errorf("%s: of %T the caller got %v (%v), in which the breaker is found: %t", name, inner, err, status.Code(err), errors.Is(err, errBreaker))
			}
		}
	}
}

// A failed attempt may have filled in the reply.
func TestReplyOfAFailedAttempt(t *testing.T) {
	attempt := 0
	invoker := func(_ context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		attempt++
		r := reply.(*testgrpc.SimpleResponse)
		if attempt == 1 {
			r.Username = "of the failed attempt"
			return sdkStatus(sdk.InvokeRateLimited.AsError().RetryAfter(0))
		}
		proto.Merge(r, &testgrpc.SimpleResponse{Hostname: "h"})
		return nil
	}
	reply := new(testgrpc.SimpleResponse)
	err := interceptor.UnaryClient(interceptor.WithRetry(fast))(context.Background(), unaryMethod, nil, reply, nil, invoker)
	if err != nil || reply.GetUsername() != "" || reply.GetHostname() != "h" {
		t.Errorf("got reply %v and error %v, want that of the second attempt alone", reply, err)
	}
}

// sdkStatus is an error as gRPC returns it to a client.
func sdkStatus(e *mapping.Error) error { return e.GRPCStatus().Err() }

func TestStreamsAreLeftToGRPC(t *testing.T) {
	for _, shape := range stubtest.Shapes()[1:] {
		var c counted
		service := readFirst(c.service(failTimes(1, sdk.InvokeRateLimited.AsError().RetryAfter(0))))
		addr := stubtest.Start(t, service, interceptor.ServerOptions()...)
		if err := shape.Call(stubtest.Context(t), stubtest.Dial(t, addr, ours(fast)...)); !errors.Is(err, sdk.InvokeRateLimited) {
			t.Errorf("%s: got %v, want %v", shape.Name, err, sdk.InvokeRateLimited)
		}
		c.want(t, 1)

		c.executions.Store(0)
		opts := append(ours(fast), native(t, fast, shape.Method)...)
		if err := shape.Call(stubtest.Context(t), stubtest.Dial(t, addr, opts...)); err != nil {
			t.Errorf("%s: with the generated config, got %v, want success", shape.Name, err)
		}
		c.want(t, 2)
	}
}

// readFirst makes streams be read to their end before they are answered. When gRPC
// repeats a stream that the server answers sooner, it may lose the answer.
func readFirst(s *stubtest.Service) *stubtest.Service {
	clientStream, bidiStream := s.ClientStream, s.BidiStream
	s.ClientStream = func(stream testgrpc.TestService_StreamingInputCallServer) error {
		for {
			if _, err := stream.Recv(); err != nil {
				return clientStream(stream)
			}
		}
	}
	s.BidiStream = func(stream testgrpc.TestService_FullDuplexCallServer) error {
		for {
			if _, err := stream.Recv(); err != nil {
				return bidiStream(stream)
			}
		}
	}
	return s
}

func TestBudgetIsPerConnection(t *testing.T) {
	var c counted
	var healthy atomic.Bool
	addr := stubtest.Start(t, c.service(func(context.Context, int) error {
		if healthy.Load() {
			return nil
		}
		return sdk.InvokeRateLimited.AsError().RetryAfter(0)
	}), interceptor.ServerOptions()...)
	opts := ours(fast) // shared
	first, second := stubtest.Dial(t, addr, opts...), stubtest.Dial(t, addr, opts...)
	for range 10 {
		_ = unaryCall(stubtest.Context(t), first)
	}
	// The four attempts of the first call leave 6 tokens of 10, that of the second
	// leaves half, and nothing is repeated any more.
	c.want(t, 4+9)
	c.executions.Store(0)
	_ = unaryCall(stubtest.Context(t), second)
	c.want(t, 4)

	// Ten calls have left no token, 80 successes bring back 8, and a failure takes one.
	healthy.Store(true)
	for range 80 {
		if err := unaryCall(stubtest.Context(t), first); err != nil {
			t.Fatal(err)
		}
	}
	healthy.Store(false)
	c.executions.Store(0)
	_ = unaryCall(stubtest.Context(t), first)
	if got := c.executions.Load(); got < 2 {
		t.Errorf("after 80 successes a failure was not repeated")
	}
}

// A call that is never repeated could not use a token, and takes none.
func TestBudgetIsForCallsThatMayBeRepeated(t *testing.T) {
	once := fast
	once.MaxAttempts = -1
	for _, tt := range []struct {
		name   string
		policy interceptor.RetryPolicy
		opts   []grpc.CallOption
	}{
		{"this call once", fast, []grpc.CallOption{interceptor.CallWithoutRetry()}},
		{"this call less than once", fast, []grpc.CallOption{interceptor.CallMaxAttempts(-1)}},
		{"every call less than once", once, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c counted
			addr := stubtest.Start(t, c.service(failTimes(100, sdk.InvokeRateLimited.AsError().RetryAfter(0))), interceptor.ServerOptions()...)
			conn := stubtest.Dial(t, addr, ours(tt.policy)...)
			for range 10 {
				_ = unaryCall(stubtest.Context(t), conn, tt.opts...)
			}
			c.want(t, 10)
			_ = unaryCall(stubtest.Context(t), conn, interceptor.CallMaxAttempts(3))
			c.want(t, 10+3)
		})
	}
}

type stormResult struct {
	calls, executions int64 // while the server failed
	after, succeeded  int   // once it had recovered
}

// storm has many clients call for a while, each of them 20 times a second or as fast
// as it can and at least so many times, on a server that fails everything and says that
// it may be repeated. Then the server recovers, and each client calls once more.
func storm(t testing.TB, clients int, length time.Duration, least int, policy interceptor.RetryPolicy, shared bool) stormResult {
	t.Helper()
	var executions, calls atomic.Int64
	var recovered atomic.Bool
	handler := stubtest.Each(func(context.Context) error {
		executions.Add(1)
		if recovered.Load() {
			return nil
		}
		return sdk.InvokeRateLimited.AsError().RetryAfter(10 * time.Millisecond)
	})
	addr := stubtest.Start(t, handler, interceptor.ServerOptions()...)
	opts := ours(policy)
	ctx := stubtest.Context(t)
	conns := make([]client, clients)
	for i := range conns {
		if shared && i > 0 {
			conns[i] = conns[0]
			continue
		}
		conns[i] = stubtest.Dial(t, addr, opts...)
		_ = unaryCall(ctx, conns[i], grpc.WaitForReady(true), interceptor.CallWithoutRetry()) // connects
	}
	executions.Store(0)
	end := time.Now().Add(length)
	var failing sync.WaitGroup
	for _, conn := range conns {
		failing.Add(1)
		go func() {
			defer failing.Done()
			pace := time.NewTicker(50 * time.Millisecond)
			defer pace.Stop()
			for n := 0; n < least || time.Now().Before(end); n++ {
				calls.Add(1)
				_ = unaryCall(ctx, conn)
				<-pace.C
			}
		}()
	}
	failing.Wait()
	r := stormResult{calls: calls.Load(), executions: executions.Load(), after: clients}

	recovered.Store(true)
	for _, conn := range conns {
		if unaryCall(ctx, conn) == nil {
			r.succeeded++
		}
	}
	return r
}

// The figures of an outage in which everything fails and may be repeated.
func TestStorm(t *testing.T) {
	const clients, length = 50, time.Second
	unbounded := interceptor.RetryPolicy{MaxTokens: -1, InitialBackoff: 10 * time.Millisecond}
	bounded := interceptor.RetryPolicy{InitialBackoff: 10 * time.Millisecond}
	for _, shared := range []bool{true, false} {
		name := "a connection each"
		if shared {
			name = "one connection"
		}
		t.Run(name, func(t *testing.T) {
			without := storm(t, clients, length, 0, unbounded, shared)
			// On a busy machine a second may be too short for the repetitions that a
			// full budget has room for to be few.
			with := storm(t, clients, length, 30, bounded, shared)
			ratio := func(r stormResult) float64 { return float64(r.executions) / float64(r.calls) }
			t.Logf("%d clients, %v: %.2f executions per call with the budget (%d calls), %.2f without (%d calls)",
				clients, length, ratio(with), with.calls, ratio(without), without.calls)
			if ratio(with) > 1.15 {
				t.Errorf("%.2f executions per call with the budget, want at most 1.15", ratio(with))
			}
			if ratio(without) < 2 {
				t.Errorf("%.2f executions per call without the budget: there was no storm to bound", ratio(without))
			}
			if with.succeeded != with.after {
				t.Errorf("after the recovery %d of %d calls succeeded, want all", with.succeeded, with.after)
			}
		})
	}
}

func TestRetryAllocations(t *testing.T) {
	measure := func(n int, opts ...interceptor.ClientOption) float64 {
		unary := interceptor.UnaryClient(opts...)
		invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
		callOpts := make([]grpc.CallOption, n)
		for i := range callOpts {
			callOpts[i] = grpc.WaitForReady(true)
		}
		return testing.AllocsPerRun(100, func() {
			_ = unary(context.Background(), unaryMethod, nil, nil, nil, invoker, callOpts...)
		})
	}
	for _, n := range []int{0, 1, 3, 4, 8, 20} {
		if got := measure(n); got != 0 {
			t.Errorf("a call with %d options that succeeds costs %v allocations with retry off, want none", n, got)
		}
		if got := measure(n, interceptor.WithRetry(interceptor.RetryPolicy{})); got > 2 {
			t.Errorf("a call with %d options that succeeds costs %v allocations with retry on, want at most 2", n, got)
		}
	}
}
