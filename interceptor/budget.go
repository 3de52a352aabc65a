package interceptor

import (
	"maps"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// budget is a bucket of tokens that bounds how much an outage is multiplied: a failure
// takes a token, a success gives back a part of one, and calls are repeated only while
// the bucket is more than half full.
// https://github.com/grpc/proposal/blob/master/A6-client-retries.md#throttling-retry-attempts-and-hedged-rpcs
type budget struct {
	max, refill int64 // in thousandths of a token
	tokens      atomic.Int64
}

const token = 1000

// take takes a token for a failed attempt and reports whether it may be repeated.
func (b *budget) take() bool {
	for {
		before := b.tokens.Load()
		after := max(before-token, 0)
		if before == after || b.tokens.CompareAndSwap(before, after) {
			return after > b.max/2
		}
	}
}

// refund gives back for a call that succeeded. A full bucket is only read.
func (b *budget) refund() {
	for {
		before := b.tokens.Load()
		after := min(before+b.refill, b.max)
		if before == after || b.tokens.CompareAndSwap(before, after) {
			return
		}
	}
}

// budgets holds the budget of each connection that has seen a failure. One without
// an entry has a full budget, so that healthy connections cost next to nothing.
type budgets struct {
	max, refill int64 // max 0: no budget, everything may be repeated

	known atomic.Pointer[map[*grpc.ClientConn]*budget]
	mu    sync.Mutex // held to replace known
}

func (b *budgets) take(cc *grpc.ClientConn) bool {
	if b.max == 0 {
		return true
	}
	bucket := b.find(cc)
	if bucket == nil {
		bucket = b.add(cc)
	}
	return bucket.take()
}

func (b *budgets) refund(cc *grpc.ClientConn) {
	if bucket := b.find(cc); bucket != nil {
		bucket.refund()
	}
}

func (b *budgets) find(cc *grpc.ClientConn) *budget {
	if known := b.known.Load(); known != nil {
		return (*known)[cc]
	}
	return nil
}

// add makes the budget of a connection, and forgets those of closed connections.
func (b *budgets) add(cc *grpc.ClientConn) *budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bucket := b.find(cc); bucket != nil {
		return bucket
	}
	known := map[*grpc.ClientConn]*budget{}
	if old := b.known.Load(); old != nil {
		known = maps.Clone(*old)
		maps.DeleteFunc(known, func(cc *grpc.ClientConn, _ *budget) bool {
			return cc != nil && cc.GetState() == connectivity.Shutdown
		})
	}
	bucket := &budget{max: b.max, refill: b.refill}
	bucket.tokens.Store(b.max)
	known[cc] = bucket
	b.known.Store(&known)
	return bucket
}
