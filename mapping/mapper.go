package mapping

import (
	"context"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// A Mapper decides what a client gets for the error that a handler returned. The
// zero value is ready to use. Its fields must not change after the first use; then
// it is safe for concurrent use.
type Mapper struct {
	// Rules claim errors of others, in order.
	Rules []Rule
	// Relay decides about errors that another service sent and our client
	// interceptor decoded; nil means [Relay]. Where it returns nil the client gets
	// 3003.
	Relay func(*Error) *Error
}

// Map returns the error that the client gets for err, nil only for nil. The errors
// in err are looked at one by one, outermost first and depth first through
// [errors.Join], and the first that matches decides:
//
//   - a platform error or bare code: that code, with its public message or the
//     catalogue's text;
//   - an error that a rule claims: the rule's code with the catalogue's text;
//   - an error that our client decoded from another service: what Relay says;
//   - a gRPC status error: that status, with its own message;
//   - context.Canceled and context.DeadlineExceeded: CANCELLED and
//     DEADLINE_EXCEEDED.
//
// Everything else is 3003 with the catalogue's text: plain errors, typed nils,
// statuses that are nil or OK, errors whose methods panic. So is what lies deeper
// than 1000 errors.
//
// The context is the one of the call: when it has ended, a downstream call that
// failed with CANCELLED or DEADLINE_EXCEEDED has the same cause, and counts as
// the context's error. It may be nil.
//
// The result unwraps to err, unless it is err itself, so that outer code still finds
// everything in it. Nothing of that is sent.
func (m *Mapper) Map(ctx context.Context, err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok && e != nil && e.Origin() == OriginLocal {
		return e
	}
	if c, ok := err.(Code); ok && !c.IsZero() {
		return c.AsError()
	}
	var found *Error
	rpcerr.Walk(err, func(err error) bool {
		found = m.match(ctx, err)
		return found == nil
	})
	if found == nil {
		return sdk.InnerSystemError.Wrap(err)
	}
	return found.WithCause(err)
}

// match returns what a single error of the tree means, nil if it means nothing.
func (m *Mapper) match(ctx context.Context, err error) *Error {
	switch x := err.(type) {
	case *Error:
		if x == nil {
			return nil
		}
		if x.Origin() == OriginLocal {
			return x
		}
	case Code:
		if !x.IsZero() {
			return x.AsError()
		}
	}
	for _, rule := range m.Rules {
		if rule == nil {
			continue
		}
		if c, ok := rule(err); ok && !c.IsZero() {
			return c.AsError()
		}
	}
	switch x := err.(type) {
	case *Error:
		return m.relay(ctx, x)
	case interface{ GRPCStatus() *status.Status }:
		if e, ok := new(Decoder).FromStatus(x.GRPCStatus()); ok {
			return e
		}
	}
	return fromContext(err)
}

// relay decides about a received error.
func (m *Mapper) relay(ctx context.Context, e *Error) *Error {
	if ctx != nil && ctx.Err() != nil && !hasOwnCode(e) {
		switch e.GRPCCode() {
		case codes.Canceled, codes.DeadlineExceeded:
			return fromContext(ctx.Err())
		}
	}
	if m.Relay == nil {
		return Relay(e)
	}
	if relayed := m.Relay(e); relayed != nil {
		return relayed
	}
	return sdk.InnerSystemError.AsError()
}

// Relay is the policy for errors of other services unless a [Mapper] has its own:
//
//   - one with a platform code passes as it is, with its details, except
//     google.rpc.DebugInfo;
//   - one without becomes 3002 if the other service could not be reached or did
//     not answer in time, else 3003, with the original gRPC code in metadata under
//     "grpc_code". Its text is not passed on. A NOT_FOUND that a dependency means
//     for us would mislead our own client, which asked for something else.
func Relay(e *Error) *Error {
	if hasOwnCode(e) {
		return e.WithoutDebugInfo()
	}
	c := sdk.InnerSystemError
	switch e.GRPCCode() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		c = sdk.InnerCommunication
	}
	return c.Wrap(e).With("grpc_code", code.Code(e.GRPCCode()).String())
}

// hasOwnCode reports whether the peer itself said a platform code.
func hasOwnCode(e *Error) bool { return !e.Code().IsZero() && !e.Inferred() }

// fromContext returns the error of a context, nil if err is none.
func fromContext(err error) *Error {
	switch {
	case is(err, context.Canceled):
		return rpcerr.Plain(codes.Canceled, context.Canceled.Error())
	case is(err, context.DeadlineExceeded):
		return rpcerr.Plain(codes.DeadlineExceeded, context.DeadlineExceeded.Error())
	}
	return nil
}

// is is errors.Is for a single error.
func is(err, target error) bool {
	if err == target {
		return true
	}
	x, ok := err.(interface{ Is(error) bool })
	return ok && x.Is(target)
}
