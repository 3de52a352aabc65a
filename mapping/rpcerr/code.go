package rpcerr

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

// A Code names one error of one domain. It is a comparable value of one word: a
// switch case, a map key, a target of [errors.Is], and itself an error that a
// handler may return. Returning or comparing one allocates nothing.
//
// Errorf, Wrap, Wrapf and With make an [Error] of it. Methods of Error set everything else,
// such as NotExecuted, RetryAfter, DoNotRetry, WithDetails and WithRequestID. On a bare
// code they need AsError first, as in sdk.ParamInvalid.AsError().WithDetails(badRequest).
//
// Two codes are equal when domain and number are. [errors.Is] always agrees. The operator ==
// agrees for codes from catalogues, and for codes decoded by a [Decoder] that knows these
// catalogues.
//
// The zero Code is no code. There is no code for success: a non-nil error cannot
// mean it.
type Code struct{ row *Row }

// CodeOf returns the code that a generated row describes; only generated code
// should call it.
func CodeOf(row *Row) Code { return Code{row} }

// IsZero reports whether c is the zero Code, which names no error.
func (c Code) IsZero() bool { return c.row == nil }

// Listed reports whether c comes from a catalogue. A code that a newer peer sent
// is not listed: it has a domain and a number, and nothing else.
func (c Code) Listed() bool { return c.row != nil && c.row.Reason != "" }

// Domain returns the domain in which the number has its meaning, or "" for the zero Code.
func (c Code) Domain() string {
	if c.row == nil {
		return ""
	}
	return c.row.Domain
}

// Number returns the number of the error in its domain, or 0 for the zero Code.
func (c Code) Number() int32 {
	if c.row == nil {
		return 0
	}
	return c.row.Number
}

// Reason returns the name of the error, such as INSTANCE_NOT_FOUND, or "" if c is
// not listed.
func (c Code) Reason() string {
	if c.row == nil {
		return ""
	}
	return c.row.Reason
}

// GRPCCode returns the gRPC code that the error travels with, Unknown if c is not
// listed, or if its row has none.
func (c Code) GRPCCode() codes.Code {
	if !c.Listed() || c.row.GRPC == codes.OK {
		return codes.Unknown
	}
	return c.row.GRPC
}

// Retry returns the catalogue's retry hint, class [Never] if c is not listed.
func (c Code) Retry() Retry {
	if !c.Listed() {
		return Retry{Class: Never}
	}
	return c.row.Retry
}

// DocumentedMessage returns the short text by which the platform documents the
// code, or "" if it gives none.
func (c Code) DocumentedMessage() string {
	if c.row == nil {
		return ""
	}
	return c.row.DocumentedMessage
}

// Description says what happened, in the language of a BCP 47 tag or a POSIX locale.
// Every tag whose primary language is zh or cmn, whatever script or region follows and
// in whatever case, gets Chinese: "zh", "zh-Hant-TW", "ZH_cn.UTF-8". All others get
// English, as Chinese ones do where the catalogue has no Chinese. It is empty if c is
// not listed.
func (c Code) Description(tag string) string {
	if c.row == nil {
		return ""
	}
	return c.row.text(tag).Description
}

// Remedy says what to do about the error, in the same language as Description. It
// is empty where the catalogue gives no advice.
func (c Code) Remedy(tag string) string {
	if c.row == nil {
		return ""
	}
	return c.row.text(tag).Remedy
}

// Describe returns [Code.Description] and [Code.Remedy] in one line.
func (c Code) Describe(tag string) string {
	description, remedy := c.Description(tag), c.Remedy(tag)
	if remedy == "" {
		return description
	}
	return description + " " + remedy
}

// String returns reason and number, "INSTANCE_NOT_FOUND (1003)". A code that is not listed
// gives domain and number, "sdk.yuanrong 9999". Package fmt prints errors by their method
// Error, so %v of a Code includes the text.
func (c Code) String() string {
	switch {
	case c.row == nil:
		return "no code"
	case !c.Listed():
		return oneLine(c.row.Domain) + " " + strconv.Itoa(int(c.row.Number))
	}
	return c.row.Reason + " (" + strconv.Itoa(int(c.row.Number)) + ")"
}

// Error returns the code and the catalogue's English text, as Error of [Code.AsError] does.
func (c Code) Error() string {
	if c.row == nil {
		return c.String()
	}
	return c.bare().Error()
}

// Is reports whether target is a Code of the same domain and number.
func (c Code) Is(target error) bool {
	t, ok := target.(Code)
	return ok && c.same(t)
}

func (c Code) same(d Code) bool {
	if c.row == d.row {
		return c.row != nil
	}
	return c.row != nil && d.row != nil && c.row.Number == d.row.Number && c.row.Domain == d.row.Domain
}

// GRPCStatus returns the status by which gRPC sends the code when a handler
// returns it: the catalogue's gRPC code, English text and details. It is made at
// first use and shared from then on. For the zero Code it is nil, which gRPC
// sends as Unknown.
func (c Code) GRPCStatus() *status.Status {
	if c.row == nil {
		return nil
	}
	return c.bare().GRPCStatus()
}

// LogValue returns domain, number and reason as a group; see [slog.LogValuer].
func (c Code) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("domain", c.Domain()),
		slog.Int("number", int(c.Number())),
		slog.String("reason", c.Reason()),
	)
}

// bare returns the error that c alone stands for, the same one at every call.
func (c Code) bare() *Error {
	if e := c.row.bare.Load(); e != nil {
		return e
	}
	c.row.bare.CompareAndSwap(nil, c.newError())
	return c.row.bare.Load()
}

// AsError returns the error that c alone stands for, with the catalogue's text, for
// the methods that only an [Error] has: c.AsError().RetryAfter(d). It returns nil for
// the zero Code.
func (c Code) AsError() *Error {
	if c.row == nil {
		return nil
	}
	return c.bare()
}

func (c Code) newError() *Error {
	e := &Error{facts: facts{code: c, grpc: c.GRPCCode()}}
	e.setRetry(c.Retry())
	return e
}

// Errorf returns an error with this code and a message for the peer, formatted as by
// [fmt.Sprintf]. The message is sent, so do not use %w in it: go vet reports it, and at run
// time the error gets the catalogue's text, and what was formatted becomes its cause. For a
// cause that stays in the process there are [Code.Wrap] and [Code.Wrapf].
func (c Code) Errorf(format string, args ...any) *Error {
	e := new(Error) // inlined, so that one which is only changed further needs no heap
	e.raise(c, nil, format, args...)
	return e
}

// Wrap returns an error with this code and the catalogue's text. The cause stays
// in the process: [errors.Is] and [errors.As] find it there, the peer never sees
// it. With a nil cause it still returns an error.
func (c Code) Wrap(cause error) *Error {
	e := c.newError()
	e.cause, e.around = cause, cause != nil
	return e
}

// Wrapf returns an error with this code, a cause that stays in the process and a message
// for the peer, as by [Code.Errorf]. With %w in it there is no message, as there, and what
// was formatted joins the cause.
func (c Code) Wrapf(cause error, format string, args ...any) *Error {
	e := new(Error)
	e.raise(c, cause, format, args...)
	return e
}

// raise fills in e, which is new, as an error of that code.
func (e *Error) raise(c Code, cause error, format string, args ...any) {
	e.code, e.grpc, e.cause, e.around = c, c.GRPCCode(), cause, cause != nil
	e.setRetry(c.Retry())
	switch {
	case wraps(format):
		// A copy of the format, because vet is to take this for a Sprintf.
		err := fmt.Errorf(strings.Clone(format), args...)
		if cause != nil {
			err = fmt.Errorf("%w: %w", err, cause) // which, unlike a join, outlasts a text that panics
		}
		e.cause, e.around = err, true
	case len(args) > 0 || strings.Contains(format, "%"): // Sprintf copies what it need not format
		e.message = str.Valid(fmt.Sprintf(format, args...))
	default:
		e.message = str.Valid(format)
	}
}

// wraps reports whether a format has the verb %w.
func wraps(format string) bool {
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			return false
		}
		format = strings.TrimLeft(format[i+1:], "+-# 0123456789.*[]")
		if strings.HasPrefix(format, "w") {
			return true
		}
		if format != "" {
			format = format[1:] // the verb, which may be another %
		}
	}
}

// With returns an error with this code, the catalogue's text and one entry of metadata
// for the peer, or several; see [Error.With].
func (c Code) With(key, value string, more ...string) *Error {
	return c.newError().With(key, value, more...)
}
