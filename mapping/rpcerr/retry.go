package rpcerr

import (
	"strconv"
	"time"
)

// A RetryClass says who may repeat a failed call. The numbers are those of
// yuanrong.errors.v1.RetryClass. 0 and unknown numbers count as Never.
type RetryClass uint8

const (
	// Never: the same call cannot succeed until somebody changes something.
	Never RetryClass = 1
	// Safe: nothing was executed, so any call may be repeated after the delay.
	Safe RetryClass = 2
	// Idempotent: the call may have been executed, so only a method that is
	// declared idempotent may be repeated.
	Idempotent RetryClass = 3
	// HigherLevel: this call is over. The caller's code has to fetch a new
	// instance, session or revision and start again from there.
	HigherLevel RetryClass = 4
)

// String returns the name of the class as in the proto enum, without its prefix.
func (c RetryClass) String() string {
	switch c {
	case Never:
		return "NEVER"
	case Safe:
		return "SAFE"
	case Idempotent:
		return "IDEMPOTENT"
	case HigherLevel:
		return "HIGHER_LEVEL"
	}
	return "RetryClass(" + strconv.Itoa(int(c)) + ")"
}

// MaxRetryDelay bounds every retry delay, those of catalogues, those that a
// handler sets and those that a peer sends: longer ones are cut to it.
const MaxRetryDelay = time.Hour

// Retry tells who may repeat a failed call, and when. It is comparable.
type Retry struct {
	// Class says who may repeat the call.
	Class RetryClass
	// Delay is the least time to wait before the call is repeated: 0 to
	// [MaxRetryDelay], in whole milliseconds. It is 0 where Class is Never.
	Delay time.Duration
}

// String returns the class, and the delay if there is one: "SAFE after 1s".
func (r Retry) String() string {
	if r.Delay == 0 {
		return r.Class.String()
	}
	return r.Class.String() + " after " + r.Delay.String()
}

// normal brings r within its documented bounds. Milliseconds are rounded up,
// because a delay is the least time to wait.
func (r Retry) normal() Retry {
	if r.Class < Never || r.Class > HigherLevel {
		r.Class = Never
	}
	if r.Class == Never || r.Delay <= 0 {
		r.Delay = 0
		return r
	}
	if r.Delay >= MaxRetryDelay {
		r.Delay = MaxRetryDelay
		return r
	}
	if rest := r.Delay % time.Millisecond; rest != 0 {
		r.Delay += time.Millisecond - rest
	}
	return r
}
