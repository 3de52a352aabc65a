package interceptor

import (
	"cmp"
	"math"
	"time"

	"google.golang.org/grpc"

	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// A RetryPolicy says how calls are repeated; the error and the method decide which calls
// are, see [WithRetry]. A field that is zero has its default. WithRetry brings values
// outside the bounds inside; [ServiceConfig] tells which it refuses.
type RetryPolicy struct {
	// MaxAttempts bounds the attempts of one call, the first included. The default is 4,
	// the least 1, which repeats nothing. WithRetry has no upper bound. gRPC itself makes
	// no more than 5, so a service config cannot ask for more.
	MaxAttempts int

	// Before the n-th repetition of a call, the client waits for what the server asks for,
	// plus a random part of InitialBackoff × Multiplier^(n-1), which is at most
	// MaxBackoff. The defaults are 100 ms, 2, and 5 s or InitialBackoff, whichever is
	// longer. InitialBackoff is at least 1 ms, Multiplier at least 1, and MaxBackoff at
	// least InitialBackoff, but never more than [rpcerr.MaxRetryDelay].
	InitialBackoff time.Duration
	Multiplier     float64
	MaxBackoff     time.Duration

	// MaxDelay bounds the delay that a server can impose: if an error asks for more, the
	// call is not repeated, and the error is returned at once. Coming back earlier than
	// asked would not help anybody. The default is 30 s, the most [rpcerr.MaxRetryDelay].
	// A negative value allows no delay at all, so only errors that ask for none are
	// repeated. A service config has no such bound.
	MaxDelay time.Duration

	// MaxTokens and TokenRatio are the retry budget of a connection, which keeps an outage
	// from being multiplied. The budget begins with MaxTokens tokens. A failed attempt
	// that could be repeated takes one, a call that succeeds gives TokenRatio back, and
	// calls are repeated only while more than half of MaxTokens are left. The defaults are
	// 10 and 0.1: in the long run one repetition for ten successes. So after one call that
	// fails four times, the next that fails is not repeated. Both are at most 1000, and
	// TokenRatio is at least 0.001. With 1 or 2 tokens nothing is ever repeated, and a
	// service config cannot have them. Negative MaxTokens mean that there is no budget.
	MaxTokens  int
	TokenRatio float64
}

const (
	maxTokens     = 1000
	minTokenRatio = 0.001
)

// withDefaults returns p with every zero field replaced by its default.
func (p RetryPolicy) withDefaults() RetryPolicy {
	p.MaxAttempts = cmp.Or(p.MaxAttempts, 4)
	p.InitialBackoff = cmp.Or(p.InitialBackoff, 100*time.Millisecond)
	p.Multiplier = cmp.Or(p.Multiplier, 2)
	p.MaxBackoff = cmp.Or(p.MaxBackoff, max(5*time.Second, p.InitialBackoff))
	p.MaxDelay = cmp.Or(p.MaxDelay, 30*time.Second)
	p.MaxTokens = cmp.Or(p.MaxTokens, 10)
	p.TokenRatio = cmp.Or(p.TokenRatio, 0.1)
	return p
}

// bounded returns p with every field inside its bounds.
func (p RetryPolicy) bounded() RetryPolicy {
	p = p.withDefaults()
	p.MaxAttempts = max(p.MaxAttempts, 1)
	p.InitialBackoff = max(p.InitialBackoff, time.Millisecond)
	p.MaxBackoff = min(max(p.MaxBackoff, p.InitialBackoff), rpcerr.MaxRetryDelay)
	p.MaxDelay = min(max(p.MaxDelay, 0), rpcerr.MaxRetryDelay)
	p.MaxTokens = min(p.MaxTokens, maxTokens)
	if !(p.Multiplier >= 1) { // or it is no number
		p.Multiplier = 1
	}
	if !(p.TokenRatio >= minTokenRatio) {
		p.TokenRatio = minTokenRatio
	}
	p.TokenRatio = min(p.TokenRatio, maxTokens)
	return p
}

// tokens returns the budget in thousandths of a token, 0 for none.
func (p RetryPolicy) tokens() (maximum, refill int64) {
	if p.MaxTokens < 0 {
		return 0, 0
	}
	return int64(p.MaxTokens) * token, int64(math.Round(p.TokenRatio * token))
}

// WithRetry makes the client repeat unary calls that failed, by what their errors say
// rather than by their gRPC codes:
//
//   - class Safe, nothing was executed: any call, unless a service in the middle passed the
//     error on, which counts as class Idempotent;
//   - class Idempotent, it may have been executed: calls of methods that are declared
//     idempotent, by the idempotency_level in their descriptors, [WithIdempotent] or
//     [CallIdempotent];
//   - a call that provably never left, because no attempt had a stream: any call that
//     failed with UNAVAILABLE, whatever the class. Its error has the origin OriginUnsent.
//     To find that out, interceptors between this one and the network must pass the call
//     options on, and return only when the attempt has ended;
//   - classes HigherLevel and Never: none. [mapping.Advise] helps the caller's own loop.
//
// The trailer grpc-retry-pushback-ms, which a server may set, counts more: a valid value
// replaces the delay of the hint. A value that is negative, malformed or there twice
// forbids to repeat the call. There is one exception: where the peer has sent a platform
// code, and the call may have been executed but is declared idempotent on this side, by
// [CallIdempotent] or [WithIdempotent], a negative value only means that the peer does not
// know this.
//
// The wait follows the policy and never goes past the deadline of the context: if it does
// not fit, the server's error is returned at once, and also if attempts or budget are used
// up. The error returned is that of the last attempt, and its Attempts tell how many there
// were. Event.GaveUp tells observers why there is no further one. If the context ends
// during a wait, errors.Is finds the context's error in it too.
//
// Where a service config turns on gRPC's own retries for a method, gRPC repeats its calls
// and this does not, so that the two never multiply. What gRPC leaves alone, such as a call
// whose server has set headers, nobody repeats. With grpc.WithDisableRetry, a method with
// such a policy is repeated by neither. Streams are left to gRPC altogether: see
// [ServiceConfig].
//
// The policy of an xDS route cannot be seen from here. Once it has used up its attempts the
// call is over, but only gRPC 1.81 and newer tell so. With older versions, and where it has
// attempts left, the two multiply. Calls that xDS drops, or has no route for, count as
// never left: they are repeated within the budget, although gRPC itself would not.
//
// Attempts are made one after the other, with the same context and metadata. What stands
// inside must not run several of them at once, as hedging does. The reply is reset before
// each. grpc.Header, grpc.Trailer and grpc.Peer return those of the last attempt;
// grpc.OnFinish runs for each. The timeout of a service config or of an xDS route, unlike
// the deadline of a context, bounds each attempt alone. Servers take it for the caller's
// deadline, and forbid to repeat the call if the delay is longer.
func WithRetry(policy RetryPolicy) ClientOption {
	return clientOption(func(c *client) { c.retry = newRetrier(policy) })
}

// callOption is a per-call setting. gRPC ignores it, and so do clients that do not
// have our interceptor.
type callOption struct {
	grpc.EmptyCallOption
	callSettings
}

// callSettings is what the options of one call say about retries.
type callSettings struct {
	maxAttempts int // 0: nothing
	idempotent  bool
}

func settingsOf(opts []grpc.CallOption, maxAttempts int) callSettings {
	s := callSettings{maxAttempts: maxAttempts}
	for _, o := range opts {
		if o, ok := o.(callOption); ok {
			s.maxAttempts = cmp.Or(o.maxAttempts, s.maxAttempts)
			s.idempotent = s.idempotent || o.idempotent
		}
	}
	return s
}

// CallIdempotent declares one call idempotent, whatever its method is: running it
// twice has the effect of running it once. Without [WithRetry] it does nothing.
func CallIdempotent() grpc.CallOption {
	return callOption{callSettings: callSettings{idempotent: true}}
}

// CallMaxAttempts sets how many attempts one call may have, the first included, in place of
// the policy's MaxAttempts. Values below 1 count as 1, which repeats nothing; there is no
// upper bound. Without [WithRetry] it does nothing.
func CallMaxAttempts(n int) grpc.CallOption {
	return callOption{callSettings: callSettings{maxAttempts: max(n, 1)}}
}

// CallWithoutRetry is [CallMaxAttempts] with 1.
func CallWithoutRetry() grpc.CallOption { return CallMaxAttempts(1) }
