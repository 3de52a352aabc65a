package rpcerr

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

// An Error is one occurrence of a [Code]: with a message and metadata for the
// peer, a retry hint, and a cause that stays in the process. It comes from the
// constructors of Code or out of a received status.
//
// An Error is immutable: methods that seem to change it return a changed copy. It is safe
// for concurrent use. A nil *Error says nothing: it has no code and is of class [Never].
type Error struct {
	facts

	// sealed is the status of an error whose status is fixed: the one that it was
	// received in, whose content is received, or the one that it was sealed in.
	sealed   *status.Status
	received *spb.Status
	// lazy is the status of any other error, made at first use.
	lazy atomic.Pointer[encoded]
}

// facts are what an error says, however it is encoded.
type facts struct {
	code    Code
	grpc    codes.Code
	delay   uint32 // of the retry hint, in milliseconds
	class   RetryClass
	origin  Origin
	guess   guess
	arrival arrival
	trimmed bool
	around  bool // raised around a cause

	message   string // "": the catalogue's text; of a received error it is in its status
	requestID string
	metadata  []pair // of a received error it is read from its status, on demand
	cause     error
	rare      *rare // nil: nothing
}

// rare is what few errors have. It keeps the others small, for one is made on every
// failing call, on both sides.
type rare struct {
	details  []*anypb.Any // attached by others; nothing of ours
	reason   string       // of an unlisted code that was received
	attempts int
}

// An encoded is a status and whether something had to be cut for it.
type encoded struct {
	status *status.Status
	cut    bool
}

// A guess tells how a code was found that the status does not carry in a detail. It is
// never sent, because nobody could tell it from what somebody said; see said.
type guess uint8

const (
	certain  guess = iota // it was not guessed
	inferred              // from the gRPC code
	parsed                // out of the text
)

// An arrival tells what a received status says about repeating the call.
type arrival uint8

const (
	unhinted arrival = iota // our detail has no hint, or there is none
	hinted                  // it has one
	passedOn                // it has class Safe, without RetryInfo: a service in the middle passed it on
)

// Plain returns an error without a platform code: a gRPC code and a message for the peer.
// Its details cross the wire. Its metadata does not, because a plain status has no place
// for it, and its request id only does over HTTP. It is for policies such as
// mapping.Mapper's Relay; a handler may as well return a status error. A grpcCode that is
// not one of gRPC's 16 error codes becomes Unknown.
func Plain(grpcCode codes.Code, message string) *Error {
	if !isErrorCode(grpcCode) {
		grpcCode = codes.Unknown
	}
	return &Error{facts: facts{grpc: grpcCode, class: Never, message: str.Valid(message)}}
}

// Code returns the code of e. It is the zero Code for a received status that
// carries no platform code.
func (e *Error) Code() Code {
	if e == nil {
		return Code{}
	}
	return e.code
}

// Guessed reports whether the code is a guess, because the peer did not send one:
// [Error.Inferred] or [Error.Parsed]. A guess is not sent, whatever is changed in the
// error: only gRPC code, message and details cross, as for an error by [Plain].
func (e *Error) Guessed() bool { return e != nil && e.guess != certain }

// said returns the code that somebody has said, the zero Code where it is a guess. It is
// what the error is sent with.
func (e *Error) said() Code {
	if e.guess != certain {
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
	switch {
	case e.code.Listed():
		return e.code.Reason()
	case e.received != nil:
		return e.receivedReason()
	case e.rare != nil:
		return e.rare.reason
	}
	return ""
}

// Message returns the text for the peer: the one given, or else the catalogue's English
// text; for a received error, the text of its status.
func (e *Error) Message() string {
	if e == nil {
		return ""
	}
	if e.received != nil {
		return str.Valid(e.received.GetMessage())
	}
	if c := e.said(); e.message == "" && c.row != nil {
		return c.row.EN.Description
	}
	return e.message
}

// Metadata returns a copy of the metadata, nil if there is none.
func (e *Error) Metadata() map[string]string {
	if e == nil {
		return nil
	}
	if e.received != nil {
		return metadataMap(e.googleInfo())
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

// MetadataValue returns the metadata entry of that key, "" if there is none. It is faster
// than Metadata.
func (e *Error) MetadataValue(key string) string {
	if e == nil {
		return ""
	}
	value, _ := e.entry(key)
	return value
}

// entry returns the value of the metadata entry of that key, and whether there is one.
func (e *Error) entry(key string) (value string, ok bool) {
	if e.received != nil {
		return metadataValue(e.googleInfo(), key)
	}
	if i, ok := search(e.metadata, key); ok {
		return e.metadata[i].value, true
	}
	return "", false
}

// Retry returns who may repeat the call, and when: for an error of this process the hint of
// its code, unless the error was given another; for a received one what its sender said,
// else the hint of its code. It is also of class [Never] if neither says anything, because
// then nobody knows whether repeating would help. The same holds for an inferred code,
// except from UNAVAILABLE, whose hint is that of the code. Class [Safe] of a parsed code
// counts as [Idempotent].
func (e *Error) Retry() Retry {
	if e == nil || e.class == 0 {
		return Retry{Class: Never}
	}
	return Retry{e.class, time.Duration(e.delay) * time.Millisecond}
}

// setRetry sets the hint of an error that nobody else knows yet.
func (e *Error) setRetry(r Retry) {
	r = r.normal()
	e.class, e.delay = r.Class, uint32(r.Delay/time.Millisecond)
}

// Repeatable reports whether this very call may be repeated as it is, given whether the
// method is idempotent. Class [Safe] allows it for any method, with one exception: an error
// that a service in the middle passed on says that the last service executed nothing, but
// not what the one in the middle did before it called.
func (e *Error) Repeatable(idempotent bool) bool {
	switch {
	case e == nil:
		return false
	case idempotent:
		return e.class == Safe || e.class == Idempotent
	}
	return e.class == Safe && e.arrival != passedOn
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

// Inferred reports whether the code was guessed from a plain gRPC code, because the status
// had no platform code. The field Infer of a Decoder decides which codes are inferred:
// those of package mapping infer from UNAVAILABLE, INTERNAL, UNKNOWN and DATA_LOSS, see
// mapping.FromStatus.
func (e *Error) Inferred() bool { return e != nil && e.guess == inferred }

// Parsed reports whether the code was read out of the text of the status, because the
// status carried it nowhere else.
func (e *Error) Parsed() bool { return e != nil && e.guess == parsed }

// Trimmed reports whether something was left out to fit the wire budget, at the
// sender, or here when the error got its status.
func (e *Error) Trimmed() bool {
	if e == nil || e.trimmed {
		return e != nil
	}
	made := e.lazy.Load()
	return made != nil && made.cut
}

// Attempts returns how many times the client tried the call, 0 where nobody
// counted.
func (e *Error) Attempts() int {
	if e == nil || e.rare == nil {
		return 0
	}
	return e.rare.attempts
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

// HidesCause reports whether the error was raised around a cause, by [Code.Wrap] or
// [Code.Wrapf], which its peer is not told. It is also true for errors derived from such an
// error, and false for received ones.
func (e *Error) HidesCause() bool { return e != nil && e.around }

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
	if e.sealed != nil {
		return e.sealed
	}
	if made := e.lazy.Load(); made != nil {
		return made.status
	}
	made := new(encoded)
	made.status, made.cut = e.encode(&Wire{})
	e.lazy.CompareAndSwap(nil, made)
	return e.lazy.Load().status
}
