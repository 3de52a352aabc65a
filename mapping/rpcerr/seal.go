package rpcerr

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"
)

// Wire says what is added to an error for one call. The zero value adds nothing.
type Wire struct {
	// RequestID identifies the request in logs. An error that has an id keeps it, and one
	// that was received is not given any.
	RequestID string
	// Idempotent says that the method is declared idempotent, so that RetryInfo
	// goes with errors of class [Idempotent] too.
	Idempotent bool
	// Budget bounds the status on the wire, in bytes as counted by [Size]: 0 for
	// DefaultBudget; values outside MinBudget…MaxBudget are brought inside.
	Budget int
	// Details are attached behind the error's own, unless it has one of their type.
	Details []proto.Message
	// CodeInMetadata repeats the number of the code in the metadata, as the entry "code",
	// for readers that know google.rpc.ErrorInfo and not the detail of the platform. An
	// entry of that name that the error already has is kept.
	CodeInMetadata bool
}

func (w *Wire) budget() int {
	switch {
	case w.Budget == 0:
		return DefaultBudget
	case w.Budget < MinBudget:
		return MinBudget
	case w.Budget > MaxBudget:
		return MaxBudget
	}
	return w.Budget
}

// Seal returns e as it is sent for one call: its GRPCStatus is made now and fits
// the budget. A received error keeps the status it came in, byte for byte, as long
// as that fits and is valid UTF-8. Seal returns e itself where nothing is to be
// added.
func (e *Error) Seal(w Wire) *Error {
	if e == nil {
		return nil
	}
	if w.CodeInMetadata {
		e = e.withCodeInMetadata()
	}
	if len(w.Details) > 0 {
		e = e.withMissing(w.Details)
	}
	if e.received != nil {
		return e.sealReceived(&w)
	}
	id := e.requestID
	if id == "" && w.RequestID != "" {
		id = validRequestID(w.RequestID)
	}
	if id == e.requestID && e.sealed == nil && w.budget() == DefaultBudget {
		switch {
		case !w.Idempotent || e.SendsRetryInfo(true) == e.SendsRetryInfo(false):
			e.GRPCStatus() // just that
			return e
		case e.isBare():
			return e.code.repeatable()
		}
	}
	d := e.derive()
	d.requestID = id
	return d.seal(&w)
}

// SendsRetryInfo reports whether google.rpc.RetryInfo goes with e when a method that is
// idempotent, or not, returns it: only where repeating this very call is safe. An error
// that another service sent knows what that service did, and nothing of what was done on
// the way to it. It is false for a guessed code, about which nobody has said anything, and
// for nil.
func (e *Error) SendsRetryInfo(idempotent bool) bool {
	return e.Repeatable(idempotent) && (idempotent || e.origin == OriginLocal) && !e.said().IsZero()
}

// seal gives e, which nobody else knows yet, its status, and returns it.
func (e *Error) seal(w *Wire) *Error {
	if !isErrorCode(e.grpc) { // a peer's: it is not passed on
		e.grpc = codes.Unknown
	}
	var cut bool
	e.sealed, cut = e.encode(w)
	e.trimmed = e.trimmed || cut
	return e
}

// isBare reports whether e is what its code alone stands for.
func (e *Error) isBare() bool { return e.code.row != nil && e == e.code.row.bare.Load() }

// repeatable returns what the code alone stands for when an idempotent method
// raises it, the same error at every call.
func (c Code) repeatable() *Error {
	if e := c.row.repeatable.Load(); e != nil {
		return e
	}
	c.row.repeatable.CompareAndSwap(nil, c.newError().seal(&Wire{Idempotent: true}))
	return c.row.repeatable.Load()
}

// codeKey is the metadata key of the number.
const codeKey = "code"

// withCodeInMetadata adds the number to the metadata. To a received status it adds
// just that; the rest stays, byte for byte.
func (e *Error) withCodeInMetadata() *Error {
	if e.said().IsZero() {
		return e
	}
	if _, taken := e.entry(codeKey); taken {
		return e
	}
	number := strconv.Itoa(int(e.code.Number()))
	if e.received == nil || e.googleInfo() == nil || !isWhole(e.googleInfo()) {
		return e.With(codeKey, number)
	}
	st := proto.Clone(e.received).(*spb.Status)
	i := slices.IndexFunc(st.Details, func(a *anypb.Any) bool { return isType(a.GetTypeUrl(), googleInfoType) })
	st.Details[i].Value = appendEntry(st.Details[i].Value, pair{codeKey, number})
	return e.receivedAs(st)
}

// withMissing attaches those details of whose type e has none yet.
func (e *Error) withMissing(details []proto.Message) *Error {
	existing := e.details()
	if e.received != nil {
		existing = e.received.GetDetails()
	}
	var missing []proto.Message
	for _, m := range details {
		if m == nil {
			continue
		}
		name := string(m.ProtoReflect().Descriptor().FullName())
		if !slices.ContainsFunc(existing, func(a *anypb.Any) bool { return isType(a.GetTypeUrl(), name) }) {
			missing = append(missing, m)
		}
	}
	if len(missing) == 0 {
		return e
	}
	return e.WithDetails(missing...)
}

// sealReceived passes a received status on as it is, or, where it is too large or
// damaged, what of it can be sent.
func (e *Error) sealReceived(w *Wire) *Error {
	if !isValid(e.received) || Size(e.received) > w.budget() {
		return e.derive().seal(w)
	}
	if e.said().IsZero() {
		return e
	}
	// Whether RetryInfo goes with it depends on the method, which is another here.
	sends, came := e.SendsRetryInfo(w.Idempotent), e.detail(retryInfoType) != nil
	if e.arrival == unhinted && (e.class == Safe || sends != came) {
		return e.derive().seal(w) // the hint is in no detail of ours yet
	}
	if sends == came {
		return e
	}
	if relayed := e.withRetryInfo(sends); Size(relayed.received) <= w.budget() {
		return relayed
	}
	return e.derive().seal(w)
}

// withRetryInfo returns e with or without google.rpc.RetryInfo in the status it came
// in. The other details stay, byte for byte.
func (e *Error) withRetryInfo(with bool) *Error {
	st := proto.Clone(e.received).(*spb.Status)
	st.Details = slices.DeleteFunc(st.Details, func(a *anypb.Any) bool { return isType(a.GetTypeUrl(), retryInfoType) })
	if with {
		detail := &anypb.Any{TypeUrl: retryInfoURL, Value: appendRetryInfo(nil, e.Retry().Delay)}
		i := 0
		for i < len(st.Details) && isOurs(st.Details[i].GetTypeUrl()) {
			i++
		}
		st.Details = slices.Insert(st.Details, i, detail)
	}
	return e.receivedAs(st)
}

// isValid reports whether gRPC will send the status whole.
func isValid(st *spb.Status) bool {
	if !isErrorCode(codes.Code(st.GetCode())) || !utf8.ValidString(st.GetMessage()) {
		return false
	}
	for _, d := range st.GetDetails() {
		if !utf8.ValidString(d.GetTypeUrl()) {
			return false
		}
	}
	return true
}

// isErrorCode reports whether c is one of the 16 codes that gRPC defines for
// errors.
func isErrorCode(c codes.Code) bool { return c > codes.OK && c <= codes.Unauthenticated }
