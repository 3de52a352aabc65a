package interceptor

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// retrier is what the calls of a client with retries share.
type retrier struct {
	policy  RetryPolicy // every field set, and inside its bounds
	budgets budgets

	random func() float64 // in [0, 1)
	sleep  func(context.Context, time.Duration) error
}

func newRetrier(policy RetryPolicy) *retrier {
	r := &retrier{policy: policy.bounded(), random: rand.Float64, sleep: sleep}
	r.budgets.max, r.budgets.refill = r.policy.tokens()
	return r
}

// unaryCall is one call that may be repeated. It is the one allocation that a call
// with few options costs.
type unaryCall struct {
	client     *client
	ctx        context.Context
	method     string
	req, reply any
	cc         *grpc.ClientConn
	invoker    grpc.UnaryInvoker
	opts       []grpc.CallOption
	start      time.Time // set if somebody observes

	attempts int
	sent     bool // an attempt before this one had a stream
	last     peer.Peer
	trailer  metadata.MD        // of the last attempt
	space    [4]grpc.CallOption // for opts
}

// noStream is the peer's address before an attempt. gRPC replaces the peer if, and only
// if, the attempt had a stream; not every connection has an address, so that nil would
// not tell.
type noStream struct{}

func (noStream) Network() string { return "" }
func (noStream) String() string  { return "" }

// retryUnary makes a call, and repeats it while that is allowed and useful.
func (c *client) retryUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	call := &unaryCall{client: c, ctx: ctx, method: method, req: req, reply: reply, cc: cc, invoker: invoker}
	call.last.Addr = noStream{}
	call.opts = call.space[:0]
	if n := len(opts) + 2; n > len(call.space) {
		call.opts = make([]grpc.CallOption, 0, n)
	}
	call.opts = slices.Clip(append(append(call.opts, opts...), grpc.Peer(&call.last), grpc.Trailer(&call.trailer)))
	call.start = c.now()
	return call.run()
}

func (c *unaryCall) run() error {
	for {
		err := c.invoker(c.ctx, c.method, c.req, c.reply, c.cc, c.opts...)
		c.attempts++
		typed, e, err := c.client.settle(c.ctx, c.cc, c.method, c.reply, err)
		if typed == nil {
			c.client.retry.budgets.refund(c.cc)
			return nil
		}
		if e == nil {
			return typed
		}
		if n := attemptsIn(err); n > 0 { // an interceptor inside has repeated it
			c.attempts = n
			c.observe(e, err, 0, GaveUpOthers)
			return typed
		}
		if typed != error(e) { // an interceptor inside has wrapped it
			e = e.WithCause(typed)
		}
		unsent := c.cc != nil && c.last.Addr == net.Addr(noStream{}) && e.Origin() == mapping.OriginTransport
		if unsent {
			e = e.WithOrigin(mapping.OriginUnsent)
		}
		wait, gaveUp := c.next(e, err)
		e = c.label(e, unsent)
		if gaveUp != "" {
			c.observe(e, err, 0, gaveUp)
			return e
		}
		if kept := c.keepReply(err); kept != nil {
			err, e = kept, e.WithCause(kept)
		}
		c.observe(e, err, wait, "")
		if ended := c.client.retry.sleep(c.ctx, wait); ended != nil {
			e = e.WithCause(errors.Join(err, ended))
			c.observe(e, e.Unwrap(), 0, GaveUpContext)
			return e
		}
		c.reset()
	}
}

// attemptsIn returns how many attempts an interceptor inside has made, 0 if none has
// counted them.
func attemptsIn(err error) (n int) {
	rpcerr.Walk(err, func(err error) bool {
		if e, ok := err.(*mapping.Error); ok {
			n = e.Attempts()
		}
		return n == 0
	})
	return n
}

// keepReply returns a copy of the reply that an error was in, for observers to keep:
// the next attempt fills the caller's again.
func (c *unaryCall) keepReply(cause error) error {
	inBand, ok := cause.(*inband.Reply)
	if !ok || len(c.client.observers) == 0 {
		return nil
	}
	reply, ok := inBand.Reply.(proto.Message)
	if !ok {
		return nil
	}
	return &inband.Reply{Reply: proto.Clone(reply), RetryReason: inBand.RetryReason}
}

// next returns how long to wait before the call is repeated, or why it is not, after an
// attempt that failed with e, made of cause.
func (c *unaryCall) next(e *mapping.Error, cause error) (time.Duration, GaveUp) {
	// The policy of an xDS route is not seen before it has run to its end.
	if repeatsItself(c.cc, c.method) || isExhausted(cause) {
		c.attempts = 0 // gRPC made them, and does not tell how many
		return 0, GaveUpOthers
	}
	policy := &c.client.retry.policy
	settings := settingsOf(c.opts, policy.MaxAttempts)
	idempotent := settings.idempotent ||
		e.Repeatable(true) && !e.Repeatable(false) && c.client.methods.idempotent(c.method)
	next, delay := mapping.Advise(e, idempotent)
	switch {
	case next != mapping.Repeat:
		return 0, GaveUpError
	case c.ctx.Err() != nil:
		return 0, GaveUpContext
	case settings.maxAttempts == 1: // such calls have no part in the budget
		return 0, GaveUpAttempts
	}
	switch asked, wait := askedFor(c.trailer); asked {
	case forWait:
		delay = wait
	case forNothing: // it is no word to go by
		return 0, GaveUpServer
	case forNoRetry:
		// Servers of ours forbid what may have been executed if they do not know that the
		// method is idempotent. What is declared on this side they do not know.
		declared := settings.idempotent || c.client.methods.declared[c.method]
		if !declared || e.Repeatable(false) || e.Code().IsZero() || e.Guessed() {
			return 0, GaveUpServer
		}
	}
	inBudget := c.client.retry.budgets.take(c.cc)
	wait := policy.backoff(c.attempts, delay, c.client.retry.random())
	switch {
	case c.attempts >= settings.maxAttempts:
		return 0, GaveUpAttempts
	case delay > policy.MaxDelay:
		return 0, GaveUpDelay
	case !inBudget:
		return 0, GaveUpBudget
	case !fits(c.ctx, wait):
		return 0, GaveUpDeadline
	}
	return wait, ""
}

// label returns e with what is known about the call as a whole: that it never left is
// true only if it is of every attempt.
func (c *unaryCall) label(e *mapping.Error, unsent bool) *mapping.Error {
	if unsent && c.sent {
		e = e.WithOrigin(mapping.OriginTransport)
	}
	c.sent = c.sent || !unsent
	return e.WithAttempts(c.attempts)
}

// reset clears what the last attempt has left in the caller's variables, which the
// next one does not touch if it comes to nothing.
func (c *unaryCall) reset() {
	if m, ok := c.reply.(proto.Message); ok {
		proto.Reset(m)
	}
	for _, o := range c.opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			*o.HeaderAddr = nil
		case grpc.TrailerCallOption:
			*o.TrailerAddr = nil
		case grpc.PeerCallOption:
			*o.PeerAddr = peer.Peer{}
			if o.PeerAddr == &c.last {
				c.last.Addr = noStream{}
			}
		}
	}
}

// observe tells the observers about an attempt that failed.
func (c *unaryCall) observe(e *mapping.Error, cause error, wait time.Duration, gaveUp GaveUp) {
	if len(c.client.observers) == 0 {
		return
	}
	ev := c.client.event(c.method, c.start, e, cause)
	ev.Attempt, ev.Retrying, ev.Wait, ev.GaveUp = c.attempts, gaveUp == "", wait, gaveUp
	c.client.observers.notify(c.ctx, ev)
}
