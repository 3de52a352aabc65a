package rpcerr

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

// derive returns a copy of e to be changed, which will have another status: what is
// read from a received one on demand is read now.
func (e *Error) derive() *Error {
	d := new(Error)
	d.deriveFrom(e)
	return d
}

func (e *Error) deriveFrom(from *Error) {
	e.facts = from.facts
	if from.received != nil {
		e.message = from.Message()
		e.metadata = scanMetadata(from.googleInfo())
		details, lost := foreignDetails(from.received, from.said())
		e.trimmed = e.trimmed || lost
		reason := ""
		if !from.code.Listed() {
			reason = from.Reason()
		}
		if len(details) > 0 || reason != "" {
			*e.uncommon() = rare{details: details, reason: reason, attempts: from.Attempts()}
		}
	}
}

// relabel returns a copy of e that keeps its status.
func (e *Error) relabel() *Error {
	d := &Error{facts: e.facts, sealed: e.sealed, received: e.received}
	if made := e.lazy.Load(); made != nil {
		d.lazy.Store(made)
	}
	return d
}

// uncommon gives e, which nobody else knows yet, a rare of its own, and returns it.
func (e *Error) uncommon() *rare {
	own := new(rare)
	if e.rare != nil {
		*own = *e.rare
	}
	e.rare = own
	return own
}

// With sets metadata for the peer: it returns a copy of e with one more entry, or with
// another value where the key is there already. Keys have the form that AIP-193
// asks for, [a-z][a-zA-Z0-9-_]+ of at most 64 characters; others are brought into
// it and are found under the new name: "user id" becomes user_id, "Function" becomes
// function, "k" becomes k_. Invalid UTF-8 in the value is replaced.
//
// Further entries may follow, each as a key and its value; a last key without a value
// has the empty one.
func (e *Error) With(key, value string, more ...string) *Error {
	if e == nil {
		return nil
	}
	d := new(Error) // inlined, as Code.Errorf
	d.deriveWith(e, key, value, more)
	return d
}

func (e *Error) deriveWith(from *Error, key, value string, more []string) {
	e.deriveFrom(from)
	e.metadata = with(e.metadata, key, value, more)
}

// WithRequestID returns a copy of e that carries the id by which the request is
// found in logs. An id longer than 128 bytes is cut; "" removes the id.
func (e *Error) WithRequestID(id string) *Error {
	if e == nil {
		return nil
	}
	d := e.derive()
	d.requestID = validRequestID(id)
	return d
}

// maxRequestID bounds the request id, which is sent even when the rest is trimmed.
const maxRequestID = 128

func validRequestID(id string) string {
	// Bytes are cut before characters: invalid ones may go on for long.
	if n := maxRequestID + utf8.UTFMax; len(id) > n {
		id = strings.Clone(id[:n]) // not to keep the rest
	}
	return str.Cut(str.Valid(id), maxRequestID)
}

// WithRetry returns a copy of e with that retry hint. It is for code that passes on what
// another error says, as policies for relayed errors do; to raise an error, use
// [Error.RetryAfter], [Error.NotExecuted] or [Error.DoNotRetry]. An unknown class becomes
// [Never], and the delay is brought within its bounds as by RetryAfter. An error that is
// passed on still counts as passed on, whatever the hint ([Error.Repeatable]); only
// NotExecuted says that nothing was executed on this side either. But class [Safe] of an
// error that is raised here, even around a received one, is this service's own word, unless
// [Error.WithOrigin] says whose it is.
func (e *Error) WithRetry(hint Retry) *Error {
	if e == nil {
		return nil
	}
	d := e.derive()
	d.setRetry(hint)
	return d
}

// RetryAfter returns a copy of e with another delay: at least 0, at most
// [MaxRetryDelay], rounded up to milliseconds. On an error of class [Never] it has
// no effect.
func (e *Error) RetryAfter(delay time.Duration) *Error {
	return e.WithRetry(Retry{e.Retry().Class, delay})
}

// NotExecuted returns a copy of e that says that nothing was executed: class
// [Idempotent] becomes [Safe]. The other classes stay, because a call that can
// never succeed, or needs another instance, is not helped by having been refused
// early.
func (e *Error) NotExecuted() *Error {
	if e == nil {
		return nil
	}
	d := e.derive()
	if d.class == Idempotent {
		d.class = Safe
	}
	if d.arrival == passedOn {
		d.arrival = hinted
	}
	return d
}

// DoNotRetry returns a copy of e of class [Never].
func (e *Error) DoNotRetry() *Error { return e.WithRetry(Retry{Class: Never}) }

// WithDetails returns a copy of e with further details for the peer, such as
// google.rpc.BadRequest. There is at most one detail of each type: a later one replaces an
// earlier. Nil and messages that cannot be marshalled are left out, and the error counts as
// trimmed. The same holds for the details that this package writes itself, which are both
// kinds of ErrorInfo and RetryInfo. It writes none for an error without a code or with a
// guessed one, so there the author may attach them.
func (e *Error) WithDetails(details ...proto.Message) *Error {
	if e == nil {
		return nil
	}
	d := e.derive()
	all := slices.Clone(d.details())
	for _, m := range details {
		detail := new(anypb.Any)
		if m == nil || anypb.MarshalFrom(detail, m, proto.MarshalOptions{Deterministic: true}) != nil ||
			!d.said().IsZero() && isOurs(detail.TypeUrl) {
			d.trimmed = true
			continue
		}
		same := func(a *anypb.Any) bool { return typeName(a.TypeUrl) == typeName(detail.TypeUrl) }
		if i := slices.IndexFunc(all, same); i >= 0 {
			all[i] = detail
		} else {
			all = append(all, detail)
		}
	}
	d.uncommon().details = all
	return d
}

// WithoutDebugInfo returns e without a google.rpc.DebugInfo, whose stack traces are
// for the team that wrote the service, not for its callers. Everything else stays,
// byte for byte.
func (e *Error) WithoutDebugInfo() *Error {
	if e == nil {
		return nil
	}
	isDebug := func(a *anypb.Any) bool { return isType(a.GetTypeUrl(), debugInfoType) }
	switch {
	case e.received != nil && slices.ContainsFunc(e.received.Details, isDebug):
		st := proto.Clone(e.received).(*spb.Status)
		st.Details = slices.DeleteFunc(st.Details, isDebug)
		return e.receivedAs(st)
	case e.received == nil && slices.ContainsFunc(e.details(), isDebug):
		d := e.derive()
		d.uncommon().details = slices.DeleteFunc(slices.Clone(d.details()), isDebug)
		return d
	}
	return e
}

// WithOrigin returns a copy of e with another origin, for callers that know more than the
// status tells. The status stays as received.
func (e *Error) WithOrigin(o Origin) *Error {
	if e == nil || e.origin == o {
		return e
	}
	d := e.relabel()
	d.origin = o
	d.lazy.Store(nil) // RetryInfo depends on the origin
	return d
}

// WithCause returns a copy of e that unwraps to another error, which stays in the
// process. The status stays as received.
func (e *Error) WithCause(cause error) *Error {
	if e == nil {
		return nil
	}
	d := e.relabel()
	d.cause = cause
	return d
}

// WithAttempts returns a copy of e that tells how many times the call was tried.
// The status stays as received.
func (e *Error) WithAttempts(n int) *Error {
	if e == nil || e.Attempts() == n {
		return e
	}
	d := e.relabel()
	d.uncommon().attempts = n
	return d
}

// receivedAs returns a copy of e that came in another status.
func (e *Error) receivedAs(st *spb.Status) *Error {
	d := e.relabel()
	d.received, d.sealed = st, status.FromProto(st)
	return d
}

// details returns the details that others attached to an error that was not received.
func (e *Error) details() []*anypb.Any {
	if e.rare == nil {
		return nil
	}
	return e.rare.details
}
