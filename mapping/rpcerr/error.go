package rpcerr

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"
)

// An Origin tells where an error was born.
type Origin uint8

const (
	// OriginLocal: raised in this process.
	OriginLocal Origin = iota
	// OriginPeer: sent by the peer's application. The call reached it.
	OriginPeer
	// OriginTransport: made by gRPC, by a proxy, or by an application that sends
	// plain statuses; the status alone does not tell. Whether the call was
	// executed is unknown.
	OriginTransport
	// OriginUnsent: made on this side before any attempt had a stream. The call
	// provably never left. Only a client interceptor with retries on finds that out,
	// because it costs each call an allocation; elsewhere it is OriginTransport.
	OriginUnsent
)

// String returns "local", "peer", "transport" or "unsent".
func (o Origin) String() string {
	switch o {
	case OriginLocal:
		return "local"
	case OriginPeer:
		return "peer"
	case OriginTransport:
		return "transport"
	case OriginUnsent:
		return "unsent"
	}
	return "Origin(" + strconv.Itoa(int(o)) + ")"
}

// An Error is one occurrence of a [Code]: with a message and metadata for the
// peer, a retry hint, and a cause that stays in the process. It comes from the
// constructors of Code or out of a received status.
//
// An Error is immutable: methods that seem to change it return a changed copy. It
// is safe for concurrent use. All methods of a nil *Error return zero values.
type Error struct {
	code    Code
	grpc    codes.Code
	retry   Retry
	message string // "": the catalogue's text, unless received
	reason  string // of an unlisted code, as received

	requestID string
	metadata  []pair
	details   []*anypb.Any // attached by others; nothing of ours
	cause     error

	origin   Origin
	inferred bool
	parsed   bool
	trimmed  bool
	hinted   bool // the received status has the retry hint in our detail
	passedOn bool // came as Safe without RetryInfo
	sealed   bool // status was made for one call
	attempts int

	// received is the status that a decoded error came in, nil for others; info is
	// the encoded google.rpc.ErrorInfo in it, from which metadata is read on demand.
	received *spb.Status
	info     []byte

	// status is what GRPCStatus returns: set from the start for received and sealed
	// errors, made at first use for others.
	status atomic.Pointer[status.Status]
	// cut tells that status had to leave something out.
	cut atomic.Bool
}

// Plain returns an error without a platform code: a gRPC code and a message for
// the peer. Details cross with it; metadata and request id do not, for they have no
// place in a plain status. A grpcCode that is not one of gRPC's 16 error codes becomes Unknown.
func Plain(grpcCode codes.Code, message string) *Error {
	if !isErrorCode(grpcCode) {
		grpcCode = codes.Unknown
	}
	return &Error{grpc: grpcCode, retry: Retry{Class: Never}, message: validUTF8(message)}
}

// copy returns a copy of e without its encoded form.
func (e *Error) copy() *Error {
	return &Error{
		code: e.code, grpc: e.grpc, retry: e.retry, message: e.message, reason: e.reason,
		requestID: e.requestID, metadata: e.metadata, details: e.details, cause: e.cause,
		origin: e.origin, inferred: e.inferred, parsed: e.parsed, trimmed: e.trimmed, passedOn: e.passedOn, attempts: e.attempts,
	}
}

// derive returns a copy of e to be changed: what is read from the received status
// on demand is read now, because the status will be another.
func (e *Error) derive() *Error {
	d := e.copy()
	if e.received != nil {
		d.metadata = scanMetadata(e.info)
		var damaged bool
		d.details, damaged = foreignDetails(e.received, e.code)
		d.trimmed = d.trimmed || damaged
	}
	return d
}

// relabel returns a copy of e that keeps the status it came in.
func (e *Error) relabel() *Error {
	d := e.copy()
	d.received, d.info, d.hinted = e.received, e.info, e.hinted
	d.status.Store(e.status.Load())
	d.cut.Store(e.cut.Load())
	return d
}

// With returns a copy of e with one more metadata entry for the peer, or with
// another value where the key is there already. Keys have the form that AIP-193
// asks for, [a-z][a-zA-Z0-9-_]+ of at most 64 characters; others are brought into
// it and are found under the new name: "user id" becomes user_id, "Function" becomes
// function, "k" becomes k_. Invalid UTF-8 in the value is replaced.
func (e *Error) With(key, value string) *Error {
	if e == nil {
		return nil
	}
	d := e.derive()
	d.metadata = with(d.metadata, validKey(key), validUTF8(value))
	return d
}

// WithRequestID returns a copy of e that carries the id by which the request is
// found in logs. An id longer than 128 bytes is cut.
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
	if len(id) > maxRequestID {
		id = strings.Clone(cut(id, maxRequestID)) // not to keep the rest
	}
	return cut(validUTF8(id), maxRequestID)
}

// RetryAfter returns a copy of e with another delay: at least 0, at most
// [MaxRetryDelay], rounded up to milliseconds. On an error of class [Never] it has
// no effect.
func (e *Error) RetryAfter(delay time.Duration) *Error {
	if e == nil {
		return nil
	}
	d := e.derive()
	d.retry = Retry{d.retry.Class, delay}.normal()
	return d
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
	if d.retry.Class == Idempotent {
		d.retry.Class = Safe
	}
	return d
}

// DoNotRetry returns a copy of e of class [Never].
func (e *Error) DoNotRetry() *Error {
	if e == nil {
		return nil
	}
	d := e.derive()
	d.retry = Retry{Class: Never}
	return d
}

// WithDetails returns a copy of e with further details for the peer, such as
// google.rpc.BadRequest. There is at most one detail of each type: a later one
// replaces an earlier. The details that the package writes itself (both ErrorInfo
// and RetryInfo), nil, and a message that cannot be marshalled are left out, and
// the error counts as trimmed.
func (e *Error) WithDetails(details ...proto.Message) *Error {
	if e == nil {
		return nil
	}
	d := e.derive()
	d.details = slices.Clone(d.details)
	for _, m := range details {
		detail := new(anypb.Any)
		if m == nil || anypb.MarshalFrom(detail, m, proto.MarshalOptions{Deterministic: true}) != nil ||
			!d.code.IsZero() && isOurs(detail.TypeUrl) {
			d.trimmed = true
			continue
		}
		same := func(a *anypb.Any) bool { return typeName(a.TypeUrl) == typeName(detail.TypeUrl) }
		if i := slices.IndexFunc(d.details, same); i >= 0 {
			d.details[i] = detail
		} else {
			d.details = append(d.details, detail)
		}
	}
	return d
}

// WithoutDebugInfo returns e without a google.rpc.DebugInfo, whose stack traces are
// for the team that wrote the service, not for its callers. Everything else stays,
// byte for byte.
func (e *Error) WithoutDebugInfo() *Error {
	if e == nil {
		return nil
	}
	isDebug := func(a *anypb.Any) bool { return typeName(a.GetTypeUrl()) == debugInfoType }
	switch {
	case e.received != nil && slices.ContainsFunc(e.received.Details, isDebug):
		d := e.relabel()
		d.received = proto.Clone(e.received).(*spb.Status)
		d.received.Details = slices.DeleteFunc(d.received.Details, isDebug)
		d.status.Store(status.FromProto(d.received))
		return d
	case e.received == nil && slices.ContainsFunc(e.details, isDebug):
		d := e.derive()
		d.details = slices.DeleteFunc(slices.Clone(d.details), isDebug)
		return d
	}
	return e
}

// WithOrigin returns a copy of e that was born elsewhere, for those who know more
// than the status tells. The status stays as received.
func (e *Error) WithOrigin(o Origin) *Error {
	if e == nil || e.origin == o {
		return e
	}
	d := e.relabel()
	d.origin = o
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
	if e == nil || e.attempts == n {
		return e
	}
	d := e.relabel()
	d.attempts = n
	return d
}

// Code returns the code of e. It is the zero Code for a received status that
// carries no platform code.
func (e *Error) Code() Code {
	if e == nil {
		return Code{}
	}
	return e.code
}

// GRPCCode returns the gRPC code: the catalogue's, or the one received. It is
// Unknown for a nil *Error.
func (e *Error) GRPCCode() codes.Code {
	if e == nil || e.grpc == codes.OK { // OK: the zero Error
		return codes.Unknown
	}
	return e.grpc
}

// Reason returns the name of the error: the catalogue's for a listed code, what
// the peer sent for others.
func (e *Error) Reason() string {
	if e == nil {
		return ""
	}
	if e.code.Listed() {
		return e.code.Reason()
	}
	return e.reason
}

// Message returns the text for the peer: the one given, else the catalogue's in
// English, or the text of the received status.
func (e *Error) Message() string {
	if e == nil {
		return ""
	}
	if e.message == "" && e.received == nil && e.code.row != nil {
		return e.code.row.EN.Description
	}
	return e.message
}

// Metadata returns a copy of the metadata, nil if there is none.
func (e *Error) Metadata() map[string]string {
	if e == nil {
		return nil
	}
	if e.received != nil {
		return metadataMap(e.info)
	}
	if len(e.metadata) == 0 {
		return nil
	}
	m := make(map[string]string, len(e.metadata))
	for _, p := range e.metadata {
		m[p.key] = p.value
	}
	return m
}

// Retry returns who may repeat the call, and when. Class [Never] is also returned
// where the sender said nothing: nobody knows then that repeating would help.
func (e *Error) Retry() Retry {
	if e == nil || e.retry.Class == 0 {
		return Retry{Class: Never}
	}
	return e.retry
}

// Repeatable reports whether this very call may be repeated as it is, where the method
// is idempotent or not. Class [Safe] allows it for any method, with one exception: an
// error that a service in the middle passed on tells that the last service executed
// nothing, and nothing of what the one in the middle did before it called.
func (e *Error) Repeatable(idempotent bool) bool {
	switch e.Retry().Class {
	case Safe:
		return idempotent || !e.passedOn
	case Idempotent:
		return idempotent
	}
	return false
}

// RequestID returns the id by which the request is found in the server's logs, or
// "".
func (e *Error) RequestID() string {
	if e == nil {
		return ""
	}
	return e.requestID
}

// Origin tells where the error was born.
func (e *Error) Origin() Origin {
	if e == nil {
		return OriginLocal
	}
	return e.origin
}

// Inferred reports whether the code was guessed from a plain gRPC code, because
// the status had no platform code.
func (e *Error) Inferred() bool { return e != nil && e.inferred }

// Parsed reports whether the code was read out of the text of the status, because the
// status carried it nowhere else.
func (e *Error) Parsed() bool { return e != nil && e.parsed }

// Trimmed reports whether something was left out to fit the wire budget, at the
// sender, or here when the error got its status.
func (e *Error) Trimmed() bool { return e != nil && (e.trimmed || e.cut.Load()) }

// Attempts returns how many times the client tried the call, 0 where nobody
// counted.
func (e *Error) Attempts() int {
	if e == nil {
		return 0
	}
	return e.attempts
}

// maxErrorText bounds what Error returns, for it ends up in log lines.
const maxErrorText = 512

// Error returns the code, the message for the peer and the request id, if there is
// one, in one line of at most 512 bytes. The cause is not in it, so that an error wrapped with %w leaks no more
// than the peer may know.
func (e *Error) Error() string {
	if e == nil {
		return "<nil>"
	}
	var b strings.Builder
	switch reason := e.Reason(); {
	case e.code.IsZero():
		b.WriteString(e.GRPCCode().String())
	case !e.code.Listed() && reason != "":
		b.WriteString(reason + " (" + strconv.Itoa(int(e.code.Number())) + ")")
	default:
		b.WriteString(e.code.String())
	}
	if message := e.Message(); message != "" {
		b.WriteString(": ")
		b.WriteString(cut(message, maxErrorText))
	}
	text, id := b.String(), ""
	if e.requestID != "" {
		id = " (request " + e.requestID + ")"
	}
	if room := maxErrorText - len(id); len(text) > room {
		text = cut(text, room-len("…")) + "…"
	}
	// A peer may have chosen any of it.
	return oneLine(text + id)
}

// oneLine replaces control characters, line breaks among them, by spaces.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// Is reports whether target is a [Code] of the same domain and number, or, for an
// error that came over the wire, the context error of its gRPC code.
func (e *Error) Is(target error) bool {
	if e == nil {
		return false
	}
	if c, ok := target.(Code); ok {
		return e.code.same(c)
	}
	if e.origin == OriginLocal {
		return false
	}
	return target == context.DeadlineExceeded && e.grpc == codes.DeadlineExceeded ||
		target == context.Canceled && e.grpc == codes.Canceled
}

// As sets target to the code of e if it is a *[Code] and e has one; see [errors.As].
func (e *Error) As(target any) bool {
	c, ok := target.(*Code)
	if !ok || e == nil || e.code.IsZero() {
		return false
	}
	*c = e.code
	return true
}

// Unwrap returns the cause: of a raised error the one given, of a received one
// the gRPC error it was decoded from.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.cause
}

// GRPCStatus returns the status that e travels as: for a received error the one
// received, so that relaying it loses nothing. It is nil for a nil *Error only.
func (e *Error) GRPCStatus() *status.Status {
	if e == nil {
		return nil
	}
	if s := e.status.Load(); s != nil {
		return s
	}
	st, cut := e.encode(Wire{})
	if cut {
		e.cut.Store(true)
	}
	e.status.CompareAndSwap(nil, st)
	return e.status.Load()
}

// LogValue returns everything that e knows, the cause included, as a group; see
// [slog.LogValuer].
func (e *Error) LogValue() slog.Value {
	if e == nil {
		return slog.Value{}
	}
	attrs := make([]slog.Attr, 0, 12)
	if !e.code.IsZero() {
		attrs = append(attrs,
			slog.String("domain", e.code.Domain()),
			slog.Int("number", int(e.code.Number())),
			slog.String("reason", e.Reason()))
	}
	attrs = append(attrs,
		slog.String("grpc", e.grpc.String()),
		slog.String("message", e.Message()),
		slog.String("retry", e.retry.String()))
	if e.origin != OriginLocal {
		attrs = append(attrs, slog.String("origin", e.origin.String()))
	}
	if e.requestID != "" {
		attrs = append(attrs, slog.String("request_id", e.requestID))
	}
	if e.attempts > 0 {
		attrs = append(attrs, slog.Int("attempts", e.attempts))
	}
	if e.inferred {
		attrs = append(attrs, slog.Bool("inferred", true))
	}
	if e.parsed {
		attrs = append(attrs, slog.Bool("parsed", true))
	}
	if e.Trimmed() {
		attrs = append(attrs, slog.Bool("trimmed", true))
	}
	if m := e.Metadata(); len(m) > 0 {
		attrs = append(attrs, slog.Any("metadata", m))
	}
	if e.cause != nil && e.received == nil {
		attrs = append(attrs, slog.String("cause", e.cause.Error()))
	}
	return slog.GroupValue(attrs...)
}
