package interceptor

import (
	"context"
	"math"
	"time"
)

// backoff returns how long to wait before the n-th repetition of a call, n from 1:
// floor, which is what the server asks for, and on top of it a random part of a bound
// that grows with every repetition. The random part lies above the floor because all
// clients of an overloaded server are told the same delay.
func (p *RetryPolicy) backoff(n int, floor time.Duration, random float64) time.Duration {
	bound := float64(p.InitialBackoff) * math.Pow(p.Multiplier, float64(n-1))
	bound = min(bound, float64(p.MaxBackoff))
	return floor + time.Duration(random*bound)
}

// sleep waits, but not beyond the end of the context, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
