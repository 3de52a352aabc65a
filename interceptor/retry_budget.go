package interceptor

import (
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

	known sync.Map     // *grpc.ClientConn → *budget
	count atomic.Int64 // of known

	cleaning sync.Mutex
	cleanAt  int64 // the count at which closed connections are forgotten
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
	if b.count.Load() == 0 {
		return nil
	}
	bucket, _ := b.known.Load(cc)
	found, _ := bucket.(*budget)
	return found
}

func (b *budgets) add(cc *grpc.ClientConn) *budget {
	bucket := &budget{max: b.max, refill: b.refill}
	bucket.tokens.Store(b.max)
	known, there := b.known.LoadOrStore(cc, bucket)
	if !there {
		b.count.Add(1)
		b.clean()
	}
	return known.(*budget)
}

// fewBudgets are not worth looking for closed connections among them.
const fewBudgets = 16

// clean forgets the budgets of closed connections once there are twice as many as when
// it did so last. So a new connection costs the same however many there are.
func (b *budgets) clean() {
	if !b.cleaning.TryLock() {
		return
	}
	defer b.cleaning.Unlock()
	if b.count.Load() < max(b.cleanAt, fewBudgets) {
		return
	}
	b.known.Range(func(key, _ any) bool {
		if cc, _ := key.(*grpc.ClientConn); cc != nil && cc.GetState() == connectivity.Shutdown {
			b.known.Delete(cc)
			b.count.Add(-1)
		}
		return true
	})
	b.cleanAt = 2 * b.count.Load()
}
