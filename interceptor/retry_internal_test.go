package interceptor

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// waits returns how long a client with this policy waits between attempts that all
// fail with err, when chance always says random.
func waits(policy RetryPolicy, random float64, err error) []time.Duration {
	c := newClient([]ClientOption{WithRetry(policy)})
	var waited []time.Duration
	c.retry.random = func() float64 { return random }
	c.retry.sleep = func(_ context.Context, d time.Duration) error {
		waited = append(waited, d)
		return nil
	}
	_ = c.retryUnary(context.Background(), "/a.B/C", nil, nil, new(grpc.ClientConn), func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		return err
	})
	return waited
}

func TestBackoff(t *testing.T) {
	const ms = time.Millisecond
	asks := func(d time.Duration) error { return sdk.InvokeRateLimited.AsError().RetryAfter(d).GRPCStatus().Err() }
	tests := []struct {
		name   string
		policy RetryPolicy
		random float64
		err    error
		want   []time.Duration
	}{
		{"defaults, the least", RetryPolicy{}, 0, asks(0), []time.Duration{0, 0, 0}},
		{"defaults, half", RetryPolicy{}, 0.5, asks(0), []time.Duration{50 * ms, 100 * ms, 200 * ms}},
		{"the server's delay is a floor", RetryPolicy{}, 0, asks(time.Second), []time.Duration{time.Second, time.Second, time.Second}},
		{"backoff above the floor", RetryPolicy{}, 0.5, asks(time.Second), []time.Duration{1050 * ms, 1100 * ms, 1200 * ms}},
		{"no more than MaxBackoff", RetryPolicy{MaxAttempts: 5, MaxBackoff: 150 * ms}, 0.5, asks(0), []time.Duration{50 * ms, 75 * ms, 75 * ms, 75 * ms}},
		{"another multiplier", RetryPolicy{Multiplier: 3, MaxTokens: -1}, 0.5, asks(0), []time.Duration{50 * ms, 150 * ms, 450 * ms}},
		{"a delay of MaxDelay", RetryPolicy{MaxAttempts: 2}, 0, asks(30 * time.Second), []time.Duration{30 * time.Second}},
		{"a delay above the default of MaxDelay", RetryPolicy{}, 0, asks(30*time.Second + ms), nil},
		{"no delay at all", RetryPolicy{MaxDelay: -1}, 0, asks(0), []time.Duration{0, 0, 0}},
		{"a first backoff above the default of MaxBackoff", RetryPolicy{InitialBackoff: 8 * time.Second}, 0.5, asks(0), []time.Duration{4 * time.Second, 4 * time.Second, 4 * time.Second}},
		{"a first backoff above MaxBackoff", RetryPolicy{InitialBackoff: time.Second, MaxBackoff: ms}, 0.5, asks(0), []time.Duration{500 * ms, 500 * ms, 500 * ms}},
		{"a delay above MaxDelay", RetryPolicy{MaxDelay: time.Second}, 0, asks(1001 * ms), nil},
		{"one attempt", RetryPolicy{MaxAttempts: 1}, 0, asks(0), nil},
		{"budget", RetryPolicy{MaxAttempts: 9}, 0, asks(0), make([]time.Duration, 4)},
		{"no more than 1000 tokens", RetryPolicy{MaxAttempts: 2000, MaxTokens: 5000}, 0, asks(0), make([]time.Duration, 499)},
		{"no budget", RetryPolicy{MaxAttempts: 9, MaxTokens: -1}, 0, asks(0), make([]time.Duration, 8)},
		{"never left: as after a broken connection", RetryPolicy{}, 0, status.Error(codes.Unavailable, "x"), []time.Duration{500 * ms, 500 * ms, 500 * ms}},
		{"never left, as there is no token", RetryPolicy{}, 0, status.Error(codes.Unauthenticated, "no token"), nil},
		{"never left, as it cannot be sent", RetryPolicy{}, 0, status.Error(codes.Internal, "header key"), nil},
		{"never left, but the connection is closed", RetryPolicy{}, 0, status.Error(codes.Canceled, "x"), nil},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if got := waits(tc.policy, tc.random, tc.err); !slices.Equal(got, tc.want) {
				t.Errorf("waited %v, want %v", got, tc.want)
			}
		})
	}
}

// Whatever somebody writes into a policy, waits are neither negative nor endless.
func TestAbsurdPolicies(t *testing.T) {
	err := sdk.InvokeRateLimited.AsError().RetryAfter(time.Millisecond).GRPCStatus().Err()
	for _, policy := range []RetryPolicy{
		{MaxAttempts: -1, MaxTokens: -1},
		{InitialBackoff: -time.Hour, MaxBackoff: -time.Hour, MaxDelay: -time.Hour}, {InitialBackoff: -time.Hour},
		{InitialBackoff: math.MaxInt64, MaxBackoff: math.MaxInt64, MaxDelay: math.MaxInt64},
		{Multiplier: math.Inf(1)}, {Multiplier: math.NaN()}, {Multiplier: math.Inf(-1)}, {Multiplier: -3},
		{TokenRatio: math.NaN()}, {TokenRatio: math.Inf(1), MaxTokens: math.MaxInt}, {MaxTokens: math.MinInt},
	} {
		for _, wait := range waits(policy, 0.999, err) {
			if wait < 0 || wait > 2*rpcerr.MaxRetryDelay {
				t.Errorf("%+v: waited %v", policy, wait)
			}
		}
	}
}

// Whatever somebody gives a success for, a thousand of them give back a token.
func TestAbsurdTokenRatios(t *testing.T) {
	for _, ratio := range []float64{-1, 1e-9, 1e300, math.Inf(1), math.NaN()} {
		c := newClient([]ClientOption{WithRetry(RetryPolicy{MaxTokens: 3, TokenRatio: ratio})})
		c.retry.sleep = func(context.Context, time.Duration) error { return nil }
		failures := 0
		call := func() error {
			return c.retryUnary(context.Background(), "/a.B/C", nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				if failures > 0 {
					failures--
					return sdk.InvokeRateLimited.AsError().RetryAfter(0).GRPCStatus().Err()
				}
				return nil
			})
		}
		for range 2 {
			failures = 1
			if err := call(); err != nil {
				t.Errorf("TokenRatio %v: %v, want a repetition", ratio, err)
			}
			for range 1000 {
				if err := call(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestWaitThatDoesNotFitTheDeadline(t *testing.T) {
	c := newClient([]ClientOption{WithRetry(RetryPolicy{})})
	c.retry.sleep = func(context.Context, time.Duration) error {
		t.Error("waited")
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		return sdk.InvokeRateLimited.AsError().RetryAfter(30 * time.Second).GRPCStatus().Err()
	}
	c.retry.policy.MaxDelay = time.Hour
	c.retry.policy.InitialBackoff, c.retry.policy.MaxBackoff = time.Hour, time.Hour
	c.retry.random = func() float64 { return 0.75 } // the delay fits, what is above it does not
	err := c.retryUnary(ctx, "/a.B/C", nil, nil, nil, invoker)
	if e, ok := err.(*mapping.Error); !ok || e.Code() != sdk.InvokeRateLimited || e.Attempts() != 1 {
		t.Errorf("got %v, want the server's error after one attempt", err)
	}
}

func TestBudget(t *testing.T) {
	b := &budget{max: 4 * token, refill: token / 2}
	b.tokens.Store(b.max)
	take := func(want ...bool) {
		t.Helper()
		for i, w := range want {
			if got := b.take(); got != w {
				t.Errorf("failure %d: may be repeated: %v, want %v", i+1, got, w)
			}
		}
	}
	refund := func(n int) {
		for range n {
			b.refund()
		}
	}
	take(true, false, false, false, false, false) // 3, 2, 1, 0, 0, 0 tokens
	refund(6)                                     // 3
	take(false)                                   // 2
	refund(1000)                                  // 4, no more
	take(true, false)
}

func TestBudgetsForgetClosedConnections(t *testing.T) {
	dial := func() *grpc.ClientConn {
		cc, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cc.Close() })
		return cc
	}
	b := budgets{max: 10 * token, refill: token}
	open := []*grpc.ClientConn{nil, dial()}
	for _, cc := range open {
		b.take(cc)
	}
	for range 10 * fewBudgets {
		cc := dial()
		b.take(cc)
		_ = cc.Close()
		if n := b.count.Load(); n > 2*fewBudgets {
			t.Fatalf("%d budgets are kept, of which %d are needed", n, len(open))
		}
	}
	for _, cc := range open {
		if b.find(cc) == nil {
			t.Error("the budget of an open connection is lost")
		}
	}
}

func TestMethodsAreLookedUpOnce(t *testing.T) {
	m := new(methods)
	m.declare([]string{"a.B/Declared", "/a.B/AlsoDeclared"})
	for method, want := range map[string]bool{
		"/a.B/Declared": true, "/a.B/AlsoDeclared": true, "/a.B/Other": false, "": false,
		"/grpc.testing.TestService/UnaryCall": false,
	} {
		if got := m.idempotent(method); got != want {
			t.Errorf("idempotent(%q) = %v, want %v", method, got, want)
		}
		if allocs := testing.AllocsPerRun(10, func() { m.idempotent(method) }); allocs != 0 {
			t.Errorf("idempotent(%q) costs %v allocations the second time: it looks the method up again", method, allocs)
		}
	}
	before := m.known.len()
	if before != 5 {
		t.Errorf("%d methods are remembered, want all 5", before)
	}
	if m.idempotent("/invented.Service/" + strings.Repeat("M", maxUndescribedName)) {
		t.Error("a method that does not exist is idempotent")
	}
	if got := m.known.len(); got != before {
		t.Error("a method that does not exist is remembered by a very long name")
	}
	for i := range 2 * maxUndescribed {
		m.idempotent(fmt.Sprintf("/invented.Service/M%d", i))
	}
	if got := m.known.len(); got > maxUndescribed {
		t.Errorf("%d methods are remembered that do not exist, want at most %d", got, maxUndescribed)
	}
}
