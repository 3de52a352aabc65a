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
// it is safe for concurrent use, as long as the rules and Relay are.
type Mapper struct {
	// Rules claim errors of others, in order. A nil rule claims nothing, and neither does
	// one that panics.
	Rules []Rule
	// Fallback is the code for errors that nothing else decides about; the zero Code
	// means 3003 (sdk.InnerSystemError).
	Fallback Code
	// Relay decides about errors that another service sent and our client interceptor
	// decoded; nil means [Relay]. If it returns nil or panics, the client gets the
	// Fallback. A guessed code of what it returns is not sent (see
	// [rpcerr.Error.Guessed]).
	Relay func(*Error) *Error
	// DebugInfo lets google.rpc.DebugInfo cross. By default it is removed from whatever
	// has it, a handler's own error included: stack traces are for the team that wrote
	// the service, which finds them by its observers.
	DebugInfo bool
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
// Everything else is the Fallback, 3003 by default, with the catalogue's text: plain
// errors, typed nils, statuses that are nil or OK. So is what lies deeper than 1000
// errors. An error whose method panics does not match, and the search goes on behind it.
//
// The context is that of the call, and may be nil. Once it has ended, a downstream call
// that failed with CANCELLED or DEADLINE_EXCEEDED has the same cause, and counts as the
// context's error.
//
// If err itself is a code, or an error raised from one in this process, the result takes its
// place; else the result unwraps to err. So outer code still finds everything in err, but for
// an io.EOF among the 1000, which logs and metrics take for the good end of a stream. Nothing
// of that is sent.
func (m *Mapper) Map(ctx context.Context, err error) *Error {
	switch x := err.(type) { // what handlers mostly return, without the cost of a walk
	case nil:
		return nil
	case *Error:
		if x != nil && x.Origin() == OriginLocal {
			return m.public(hideEOF(x))
		}
	case Code:
		if !x.IsZero() {
			return x.AsError()
		}
	}
	var found *Error
	eof := false
	rpcerr.Walk(err, func(node error) bool {
		is, _ := node.(isser)
		eof = eof || isEOF(node, is) // first, because match may panic
		if found == nil {
			found = m.match(ctx, node, is)
		}
		return found == nil || !eof
	})
	if eof {
		err = &notEOF{err}
	}
	if found == nil {
		return m.fallback().Wrap(err)
	}
	return m.public(found).WithCause(err)
}

// public returns e without what is not for its peer.
func (m *Mapper) public(e *Error) *Error {
	if m.DebugInfo {
		return e
	}
	return e.WithoutDebugInfo()
}

// An isser is an error that says what else it is. Which errors do is asked once for each
// error of a tree, because it takes as long as the rest.
type isser interface{ Is(error) bool }

// match returns what a single error of the tree means, nil if it means nothing. It is given
// as is too if it has that method. It panics if a method of the error does.
func (m *Mapper) match(ctx context.Context, err error, is isser) *Error {
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
		if c, ok := claim(rule, err); ok && !c.IsZero() {
			return c.AsError()
		}
	}
	switch x := err.(type) {
	case *Error:
		return m.relay(ctx, x)
	case interface{ GRPCStatus() *status.Status }:
		// Without inference: what a handler says plainly stays plain.
		if e, ok := (&Decoder{Catalogs: platform[:]}).FromStatus(x.GRPCStatus()); ok {
			// One with a platform code came over a wire somewhere, for handlers raise
			// errors and codes. A plain one is the handler's own word: another mapper
			// around this one must not take it for that of another service.
			if hasOwnCode(e) {
				return e
			}
			return e.WithOrigin(OriginLocal)
		}
	}
	return fromContext(ctx, err, is)
}

// claim asks a rule. One that panics, as nil does, or whose error does, claims nothing, and
// the search goes on: a mistake in a rule must not cost the codes that lie deeper.
func claim(rule Rule, err error) (c Code, ok bool) {
	defer func() {
		if recover() != nil {
			c, ok = Code{}, false
		}
	}()
	return rule(err)
}

// relay decides about a received error.
func (m *Mapper) relay(ctx context.Context, e *Error) *Error {
	if ctx != nil && ctx.Err() != nil && !hasOwnCode(e) {
		switch e.GRPCCode() {
		case codes.Canceled, codes.DeadlineExceeded:
			return fromContext(ctx, ctx.Err(), nil)
		}
	}
	if m.Relay == nil {
		return Relay(e)
	}
	if relayed := decide(m.Relay, e); relayed != nil {
		return relayed
	}
	return m.fallback().AsError()
}

// decide asks a policy. One that panics has decided nothing, and the search must not go
// on: it would find the status that the policy is there to hold back.
func decide(policy func(*Error) *Error, e *Error) (relayed *Error) {
	defer func() {
		if recover() != nil {
			relayed = nil
		}
	}()
	return policy(e)
}

func (m *Mapper) fallback() Code {
	if m.Fallback.IsZero() {
		return sdk.InnerSystemError
	}
	return m.Fallback
}

// Relay is the policy for errors of other services unless a [Mapper] has its own:
//
//   - one with a platform code passes as it is, with its details. So does one that was
//     read out of a reply (package inband), whose message was written for clients;
//   - if the code was parsed out of the text, only the code passes: the text was not
//     written for our clients;
//   - one without a platform code becomes 3002 (sdk.InnerCommunication) if it is
//     UNAVAILABLE, DEADLINE_EXCEEDED or CANCELLED, else 3003 (sdk.InnerSystemError), with
//     the original gRPC code in metadata under "grpc_code". Its text is not passed on: a
//     NOT_FOUND that a dependency means for us would mislead our own client, which asked
//     for something else.
//
// The retry hint passes too, and so does metadata that was added on this side. Class [Safe]
// of another service says nothing about what was done here before it was called. So
// RetryInfo goes along only if our method is idempotent, and without it no client repeats
// the call by itself (see [rpcerr.Error.Repeatable]).
func Relay(e *Error) *Error {
	if hasOwnCode(e) && !e.Parsed() {
		return e
	}
	var relayed *Error
	switch grpc := e.GRPCCode(); {
	case e.Parsed():
		relayed = e.Code().Wrap(e)
	case grpc == codes.Unavailable, grpc == codes.DeadlineExceeded, grpc == codes.Canceled:
		relayed = sdk.InnerCommunication.Wrap(e).With("grpc_code", code.Code(grpc).String())
	default:
		relayed = sdk.InnerSystemError.Wrap(e).With("grpc_code", code.Code(grpc).String())
	}
	for key, value := range e.Metadata() {
		relayed = relayed.With(key, value)
	}
	if e.Parsed() || e.Retry().Class == Safe {
		// It is another's word still, which RetryInfo depends on.
		relayed = relayed.WithOrigin(e.Origin())
	}
	return relayed.WithRetry(e.Retry())
}

// hasOwnCode reports whether the peer itself said a platform code.
func hasOwnCode(e *Error) bool { return !e.Code().IsZero() && !e.Inferred() }

// fromContext returns the error of a context, nil if err is none. An error that only
// says to be one, as the timeouts of package net do, counts when the call's own
// context has ended. It is given as x too if it has that method.
func fromContext(ctx context.Context, err error, x isser) *Error {
	ended := x != nil && ctx != nil && ctx.Err() != nil
	switch {
	case err == context.Canceled || ended && x.Is(context.Canceled):
		return rpcerr.Plain(codes.Canceled, context.Canceled.Error())
	case err == context.DeadlineExceeded || ended && x.Is(context.DeadlineExceeded):
		return rpcerr.Plain(codes.DeadlineExceeded, context.DeadlineExceeded.Error())
	}
	return nil
}
