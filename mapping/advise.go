package mapping

import (
	"time"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// A Next is what a caller may do after a failed call.
type Next uint8

const (
	// GiveUp: pass the error on. Another try cannot help, or could execute twice what
	// must be executed once.
	GiveUp Next = iota
	// Repeat: make the same call again.
	Repeat
	// StartOver: this call is over. Fetch a new instance, session or revision, then
	// start again from there.
	StartOver
)

// String returns "give up", "repeat" or "start over".
func (n Next) String() string {
	switch n {
	case Repeat:
		return "repeat"
	case StartOver:
		return "start over"
	}
	return "give up"
}

// Advise tells what a caller may do after a call that failed with err, and how long to wait
// first, 0 to [rpcerr.MaxRetryDelay]. The call is idempotent if running it twice has the
// effect of running it once.
//
//   - a call that never left ([OriginUnsent]): Repeat if it failed with UNAVAILABLE,
//     else GiveUp;
//   - class [Safe]: Repeat, unless a service in the middle passed the error on and the
//     call is not idempotent ([rpcerr.Error.Repeatable]);
//   - class [Idempotent]: Repeat if the call is idempotent, else GiveUp;
//   - class [HigherLevel]: StartOver. The call may have had effects before it ended, and the
//     caller has to know whether it may have them again;
//   - class [Never], an error without a retry hint, nil: GiveUp.
//
// The wait is what the sender asks for, without backoff: a loop adds its own, bounds the
// number of rounds, and ends with its context. No interceptor is needed, except that only
// our client interceptor with retry on finds out that a call never left.
func Advise(err error, idempotent bool) (Next, time.Duration) {
	e, ok := FromError(err)
	if !ok {
		return GiveUp, 0
	}
	hint, unsent := e.Retry(), e.Origin() == OriginUnsent
	switch {
	case unsent && e.GRPCCode() != codes.Unavailable:
		// The reason does not get better by itself: a context that has ended, a token that
		// is refused, metadata that cannot be sent.
		return GiveUp, 0
	case unsent, e.Repeatable(idempotent): // a connection that is being made again takes a while
		return Repeat, hint.Delay
	case hint.Class == rpcerr.HigherLevel:
		return StartOver, hint.Delay
	}
	return GiveUp, 0
}
