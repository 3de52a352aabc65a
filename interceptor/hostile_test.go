package interceptor_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// A hostile case is something that no well-behaved program does, and what the client
// makes of it: nothing panics, the code is defined, and it ends in bounded time.
type hostile struct {
	name string
	// returned is what a handler behind our interceptors returns.
	returned error
	// sent is the status that a peer without our interceptors sends. It is decoded,
	// and then relayed by a server of ours.
	sent *spb.Status
	// want is the code (domain/number, "-" for none, "~" in front if inferred), the
	// gRPC code and the retry hint that the client sees.
	want string
	// relayed is what the client of the relaying server sees, "" for the same.
	relayed string
	// text, if set, is the message.
	text string
}

const (
	is1003 = "sdk.yuanrong/1003 NotFound HIGHER_LEVEL after 100ms"
	is3003 = "sdk.yuanrong/3003 Internal IDEMPOTENT after 1s"
	isNo   = "- NotFound NEVER"
	// What a NOT_FOUND without a code becomes when it is relayed: the same request would
	// fail again.
	never3003 = "sdk.yuanrong/3003 Internal NEVER"
	noError   = "no error"
	unknown   = "~sdk.yuanrong/3003 Unknown NEVER"
)

func summary(e *mapping.Error) string {
	if e == nil {
		return noError
	}
	code := "-"
	if !e.Code().IsZero() {
		code = e.Code().Domain() + "/" + strconv.Itoa(int(e.Code().Number()))
	}
	if e.Inferred() {
		code = "~" + code
	}
	return fmt.Sprintf("%s %v %v", code, e.GRPCCode(), e.Retry())
}

// Errors that misbehave.
type (
	cyclic      struct{ next error }
	cyclicJoin  struct{ next []error }
	panicsIn    struct{ method string }
	isAnything  struct{}
	boxed       struct{ any }
	nilElements struct{}
)

func (*cyclic) Error() string         { return errSecret.Error() }
func (c *cyclic) Unwrap() error       { return c.next }
func (*cyclicJoin) Error() string     { return errSecret.Error() }
func (c *cyclicJoin) Unwrap() []error { return c.next }
func (isAnything) Error() string      { return errSecret.Error() }
func (isAnything) Is(error) bool      { return true }
func (boxed) Error() string           { return errSecret.Error() }
func (nilElements) Error() string     { return errSecret.Error() }
func (nilElements) Unwrap() []error   { return []error{nil, sdk.InstanceNotFound, nil} }

func (p panicsIn) in(method string) {
	if p.method == method {
		panic(errSecret)
	}
}
func (p panicsIn) Error() string              { p.in("Error"); return errSecret.Error() }
func (p panicsIn) Is(error) bool              { p.in("Is"); return false }
func (p panicsIn) As(any) bool                { p.in("As"); return false }
func (p panicsIn) Unwrap() error              { p.in("Unwrap"); return nil }
func (p panicsIn) GRPCStatus() *status.Status { p.in("GRPCStatus"); return nil }

func newCyclic() error {
	c := new(cyclic)
	c.next = fmt.Errorf("x: %w", error(c))
	return c
}

func newCyclicJoin() error {
	c := new(cyclicJoin)
	c.next = []error{c, c, sdk.InstanceNotFound}
	return c
}

// wrapped wraps err n times. The layers are of a type of their own: fmt.Errorf would
// take n² bytes for their texts.
func wrapped(err error, n int) error {
	for range n {
		err = &cyclic{err}
	}
	return err
}

func joined(n int, last error) error {
	errs := make([]error, n, n+1)
	for i := range errs {
		errs[i] = errSecret
	}
	return &cyclicJoin{append(errs, last)}
}

// sends returns a status of code NOT_FOUND with these details: messages, or [anypb.Any]
// for what no message says.
func sends(details ...proto.Message) *spb.Status {
	st := &spb.Status{Code: int32(codes.NotFound), Message: "m"}
	for _, d := range details {
		if a, ok := d.(*anypb.Any); ok {
			st.Details = append(st.Details, a)
		} else {
			st.Details = append(st.Details, anyOf(d))
		}
	}
	return st
}

func (h hostile) code(c int32) hostile {
	h.sent = proto.Clone(h.sent).(*spb.Status)
	h.sent.Code = c
	return h
}

func rawDetail(name string, value []byte) *anypb.Any {
	return &anypb.Any{TypeUrl: "type.googleapis.com/" + name, Value: value}
}

// cutOff returns the detail without its last bytes.
func cutOff(m proto.Message, bytes int) *anypb.Any {
	a := anyOf(m)
	a.Value = a.Value[:len(a.Value)-bytes]
	return a
}

// own returns our detail of number 1003 with the changes that a hostile peer makes.
func own(change func(*errorsv1.ErrorInfo)) *errorsv1.ErrorInfo {
	m := proto.Clone(ourInfo).(*errorsv1.ErrorInfo)
	change(m)
	return m
}

func retryIn(d *durationpb.Duration) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: d}
}

func manyDetails(n int) *spb.Status {
	st := sends(ourInfo, googleInfo)
	for range n {
		st.Details = append(st.Details, &anypb.Any{TypeUrl: "a/b"})
	}
	return st
}

func manyEntries(n int) *errdetails.ErrorInfo {
	m := proto.Clone(googleInfo).(*errdetails.ErrorInfo)
	for i := range n {
		m.Metadata["k"+strconv.Itoa(i)] = "v"
	}
	return m
}

func longMessage(c codes.Code) *spb.Status {
	st := sends(ourInfo, googleInfo)
	st.Message, st.Code = strings.Repeat("错", 1<<16), int32(c)
	return st
}

func hostileCases() []hostile {
	const hint70 = "sdk.yuanrong/1003 NotFound SAFE after 70ms" // of ourInfo
	const hostileText = "a\x00b\r\nc%zz%41 d\u2028"
	var many *mapping.Error
	{
		many = sdk.InstanceNotFound.Errorf("m")
		for i := range 1000 {
			many = many.With("key"+strconv.Itoa(i), strings.Repeat("值", 100))
		}
	}
	badURL := &anypb.Any{TypeUrl: "example.com/\xff"}
	unmarshalable := func(message string, details ...*anypb.Any) *spb.Status {
		return &spb.Status{Code: int32(codes.NotFound), Message: message, Details: details}
	}
	asError := func(st *spb.Status) error { return status.FromProto(st).Err() }
	overlong := strings.Repeat("d", 64)
	return []hostile{
		// What a handler says.
		{name: "invalid UTF-8 in a message", returned: sdk.InstanceNotFound.Errorf("bad \xff\xfe byte"), want: is1003, text: "bad \uFFFD byte"},
		{name: "invalid UTF-8 in a metadata key", returned: sdk.InstanceNotFound.Errorf("m").With("k\xff", "v"), want: is1003, text: "m"},
		{name: "invalid UTF-8 in a metadata value", returned: sdk.InstanceNotFound.Errorf("m").With("key", "v\xff"), want: is1003, text: "m"},
		{name: "invalid UTF-8 in a request id", returned: sdk.InstanceNotFound.Errorf("m").WithRequestID("\xff"), want: is1003, text: "m"},
		{name: "invalid UTF-8 in a detail", returned: sdk.InstanceNotFound.Errorf("m").WithDetails(&errdetails.ResourceInfo{Description: "\xff"}), want: is1003, text: "m"},
		{name: "control characters and percent signs", returned: sdk.InstanceNotFound.Errorf("%s", hostileText), want: is1003, text: hostileText},
		{name: "a message of 1 MiB", returned: sdk.InstanceNotFound.Errorf("%s", strings.Repeat("x", 1<<20)), want: is1003},
		{name: "1000 metadata entries of 300 bytes", returned: many, want: is1003},
		{name: "a metadata value of 1 MiB", returned: sdk.InstanceNotFound.Errorf("m").With("key", strings.Repeat("%", 1<<20)), want: is1003, text: "m"},
		{name: "a metadata key of 1 MiB", returned: sdk.InstanceNotFound.Errorf("m").With(strings.Repeat("键", 1<<18), "v"), want: is1003, text: "m"},
		{name: "a detail of 1 MiB", returned: sdk.InstanceNotFound.Errorf("m").WithDetails(&errdetails.ResourceInfo{Description: strings.Repeat("x", 1<<20)}), want: is1003, text: "m"},
		{name: "nil details", returned: sdk.InstanceNotFound.Errorf("m").WithDetails(nil, (*errdetails.DebugInfo)(nil)), want: is1003, text: "m"},
		{name: "a delay of 292 years", returned: sdk.ResourceNotEnough.Errorf("m").RetryAfter(math.MaxInt64), want: "sdk.yuanrong/1002 ResourceExhausted SAFE after 1h0m0s"},
		{name: "a negative delay", returned: sdk.ResourceNotEnough.Errorf("m").RetryAfter(-1), want: "sdk.yuanrong/1002 ResourceExhausted SAFE"},
		{name: "a code whose row says OK", returned: rpcerr.CodeOf(&rpcerr.Row{Domain: "x", Number: 1, Reason: "R_R"}), want: "x/1 Unknown NEVER"},
		{name: "a code whose row says gRPC code 99", returned: rpcerr.CodeOf(&rpcerr.Row{Domain: "x", Number: 1, Reason: "R_R", GRPC: 99}), want: "x/1 Unknown NEVER"},

		// Errors of odd shapes.
		{name: "cyclic Unwrap", returned: newCyclic(), want: is3003},
		{name: "cyclic join", returned: newCyclicJoin(), want: is3003},
		{name: "wrapped 900 times", returned: wrapped(sdk.InstanceNotFound, 900), want: is1003},
		{name: "wrapped 100,000 times", returned: wrapped(sdk.InstanceNotFound, 100_000), want: is3003},
		{name: "100,000 errors joined, a code behind them", returned: joined(100_000, sdk.InstanceNotFound), want: is3003},
		{name: "100,000 errors joined behind a code", returned: errors.Join(sdk.InstanceNotFound, joined(100_000, errSecret)), want: is1003},
		{name: "a join with nil elements", returned: nilElements{}, want: is1003},
		{name: "Error panics", returned: panicsIn{"Error"}, want: is3003},
		{name: "Is panics", returned: panicsIn{"Is"}, want: is3003},
		{name: "As panics", returned: panicsIn{"As"}, want: is3003},
		{name: "Unwrap panics", returned: panicsIn{"Unwrap"}, want: is3003},
		{name: "GRPCStatus panics", returned: panicsIn{"GRPCStatus"}, want: is3003},
		{name: "GRPCStatus panics behind a code", returned: errors.Join(sdk.InstanceNotFound, panicsIn{"GRPCStatus"}), want: is1003},
		{name: "GRPCStatus panics before a code", returned: errors.Join(panicsIn{"GRPCStatus"}, sdk.InstanceNotFound), want: is1003},
		{name: "Is agrees to anything", returned: isAnything{}, want: "sdk.yuanrong/1001 InvalidArgument NEVER"},
		{name: "an uncomparable type", returned: uncomparable{"other"}, want: is3003},
		{name: "an uncomparable value in a comparable type", returned: boxed{[]string{"x"}}, want: is3003},
		{name: "typed nil of ours", returned: (*mapping.Error)(nil), want: is3003},
		{name: "typed nil that panics", returned: (*net.OpError)(nil), want: is3003},
		{name: "a nil status", returned: nilStatusError{}, want: is3003},
		{name: "a nil status before a code", returned: errors.Join(nilStatusError{}, sdk.InstanceNotFound), want: is1003},
		{name: "a status of code OK with our detail", returned: okStatusError{[]proto.Message{ourInfo}}, want: is3003},
		{name: "the zero code before a code", returned: errors.Join(mapping.Code{}, sdk.InstanceNotFound), want: is1003},

		// Statuses that a handler returns.
		{name: "a returned status with invalid UTF-8", returned: asError(unmarshalable("m\xff")), want: isNo, text: "m\uFFFD"},
		{name: "a returned status with invalid UTF-8 and details", returned: asError(unmarshalable("m\xff", anyOf(ourInfo))), want: hint70, text: "m\uFFFD"},
		{name: "a returned status with an invalid type URL", returned: asError(unmarshalable("m", anyOf(ourInfo), badURL, anyOf(quota))), want: hint70, text: "m"},
		{name: "a returned status with an empty type URL", returned: asError(sends(ourInfo, &anypb.Any{})), want: hint70, text: "m"},
		{name: "a returned status with a nil detail", returned: asError(unmarshalable("m", anyOf(ourInfo), nil)), want: hint70, text: "m"},
		{name: "a returned status of code 17", returned: asError(hostile{sent: sends(quota)}.code(17).sent), want: unknown, text: "m"},
		{name: "a returned status of code -1", returned: asError(hostile{sent: sends(ourInfo)}.code(-1).sent), want: "sdk.yuanrong/1003 Unknown SAFE after 70ms", text: "m"},
		{name: "a returned status of 192 KiB", returned: asError(longMessage(codes.NotFound)), want: hint70},
		{name: "a returned status of 30,000 details", returned: asError(manyDetails(30_000)), want: hint70, text: "m"},
		{name: "a returned status of 30,000 metadata entries", returned: asError(sends(ourInfo, manyEntries(30_000))), want: hint70, text: "m"},

		// What a peer sends.
		{name: "number 0", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Number = 0 })), want: isNo, relayed: never3003},
		{name: "number 0, but a known reason", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Number = 0 }), googleInfo), want: is1003},
		{name: "a negative number", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Number = -1003 })), want: isNo, relayed: never3003},
		{name: "the greatest number", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Number = math.MaxInt32 })), want: "sdk.yuanrong/2147483647 NotFound SAFE after 70ms"},
		{name: "no domain", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Domain = "" })), want: isNo, relayed: never3003},
		{name: "an overlong domain", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Domain = overlong })), want: isNo, relayed: never3003},
		{name: "a domain with a line break", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Domain = "a\nb" })), want: "a\nb/1003 NotFound SAFE after 70ms"},
		{name: "invalid UTF-8 in a domain", sent: sends(rawDetail(ourDetail, []byte("\x0a\x02\xffx\x10\x07"))), want: "\uFFFDx/7 NotFound NEVER"},
		{name: "invalid UTF-8 in a received request id", sent: sends(rawDetail(ourDetail, []byte("\x0a\x01x\x10\x07\x22\x01\xff"))), want: "x/7 NotFound NEVER"},
		{name: "invalid UTF-8 in a reason", sent: sends(rawDetail(ourDetail, []byte("\x0a\x01x\x10\x07")), rawDetail(googleDetail, []byte("\x0a\x01\xff\x12\x01x"))), want: "x/7 NotFound NEVER"},
		{name: "invalid UTF-8 in received metadata", sent: sends(ourInfo, rawDetail(googleDetail, []byte("\x12\x0csdk.yuanrong\x1a\x06\x0a\x01\xff\x12\x01\xfe"))), want: hint70},
		{name: "no retry hint", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Retry = nil })), want: is1003},
		{name: "no retry hint for an unknown number", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Retry, m.Number = nil, 9999 })), want: "sdk.yuanrong/9999 NotFound NEVER"},
		{name: "no retry class", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Retry.Class = 0 })), want: "sdk.yuanrong/1003 NotFound NEVER"},
		{name: "an unknown retry class", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Retry.Class = 5 })), want: "sdk.yuanrong/1003 NotFound NEVER"},
		{name: "a retry class that is 2 in its last byte", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Retry.Class = 0x7f02 })), want: "sdk.yuanrong/1003 NotFound NEVER"},
		{name: "a negative retry class", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Retry.Class = -2 })), want: "sdk.yuanrong/1003 NotFound NEVER"},
		{name: "a delay of 49 days", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Retry.DelayMs = math.MaxUint32 })), want: "sdk.yuanrong/1003 NotFound SAFE after 1h0m0s"},
		{name: "a delay for what is never retried", sent: sends(own(func(m *errorsv1.ErrorInfo) { m.Retry.Class = errorsv1.RetryClass_RETRY_CLASS_NEVER })), want: "sdk.yuanrong/1003 NotFound NEVER"},
		{name: "our detail cut off behind the number", sent: sends(rawDetail(ourDetail, []byte("\x0a\x0csdk.yuanrong\x10\xeb\x07\x1a\x09\x08"))), want: is1003},
		{name: "our detail cut off in its domain", sent: sends(rawDetail(ourDetail, []byte("\x0a\x0csdk.yua"))), want: isNo, relayed: never3003},
		{name: "our detail cut off in its domain, but a known reason", sent: sends(rawDetail(ourDetail, []byte("\x0a\x0csdk.yua")), googleInfo), want: is1003},
		{name: "our detail cut off in its request id", sent: sends(cutOff(ourInfo, 1)), want: hint70},
		{name: "our detail with fields of wrong types", sent: sends(rawDetail(ourDetail, protowire.AppendVarint([]byte("\x08\x07\x12\x01x\x18"), math.MaxUint64))), want: isNo, relayed: never3003},
		{name: "our detail is garbage", sent: sends(rawDetail(ourDetail, bytes.Repeat([]byte{0xff}, 100))), want: isNo, relayed: never3003},
		{name: "our detail is empty", sent: sends(rawDetail(ourDetail, nil)), want: isNo, relayed: never3003},
		{name: "our detail twice", sent: sends(ourInfo, own(func(m *errorsv1.ErrorInfo) { m.Number = 1001 }), googleInfo), want: hint70},
		{name: "our detail under a URL without a host", sent: sends(&anypb.Any{TypeUrl: ourDetail, Value: anyOf(ourInfo).Value}), want: hint70},
		{name: "our detail as the last of many", sent: sends(quota, debugInfo, googleInfo, ourInfo), want: hint70},
		{name: "two reasons", sent: sends(googleInfo, &errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "PARAM_INVALID"}), want: is1003},
		{name: "a reason that contradicts the number", sent: sends(ourInfo, &errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "PARAM_INVALID"}), want: hint70},
		{name: "a domain that contradicts the number's", sent: sends(ourInfo, &errdetails.ErrorInfo{Domain: "rest.yuanrong", Reason: "KV_NOT_FOUND"}), want: hint70},
		{name: "a reason in small letters", sent: sends(&errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "instance_not_found"}), want: isNo, relayed: never3003},
		{name: "an empty reason", sent: sends(&errdetails.ErrorInfo{Domain: "sdk.yuanrong"}), want: isNo, relayed: never3003},
		{name: "a reason of 1 MiB", sent: sends(&errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: strings.Repeat("A", 1<<20)}), want: isNo, relayed: never3003},
		{name: "a standard detail that is garbage", sent: sends(ourInfo, rawDetail(googleDetail, []byte{0xff, 0xff})), want: hint70},
		{name: "two RetryInfos", sent: sends(googleInfo, retryIn(durationpb.New(time.Second)), retryIn(durationpb.New(time.Minute))), want: "sdk.yuanrong/1003 NotFound HIGHER_LEVEL after 1s"},
		{name: "a RetryInfo without a delay", sent: sends(googleInfo, retryIn(nil)), want: "sdk.yuanrong/1003 NotFound HIGHER_LEVEL"},
		{name: "a negative RetryInfo", sent: sends(googleInfo, retryIn(durationpb.New(-time.Hour))), want: "sdk.yuanrong/1003 NotFound HIGHER_LEVEL"},
		{name: "a RetryInfo of 292 years", sent: sends(googleInfo, retryIn(&durationpb.Duration{Seconds: math.MaxInt64 / 1_000_000_000, Nanos: math.MaxInt32})), want: "sdk.yuanrong/1003 NotFound HIGHER_LEVEL after 1h0m0s"},
		{name: "a RetryInfo just before that", sent: sends(googleInfo, retryIn(&durationpb.Duration{Seconds: math.MaxInt64/1_000_000_000 - 1, Nanos: math.MaxInt32})), want: "sdk.yuanrong/1003 NotFound HIGHER_LEVEL after 1h0m0s"},
		{name: "a RetryInfo beyond all time", sent: sends(googleInfo, retryIn(&durationpb.Duration{Seconds: math.MaxInt64})), want: "sdk.yuanrong/1003 NotFound HIGHER_LEVEL after 1h0m0s"},
		{name: "a RetryInfo that is garbage", sent: sends(googleInfo, rawDetail(retryDetail, []byte{0x0a, 0x7f})), want: "sdk.yuanrong/1003 NotFound HIGHER_LEVEL"},
		{name: "a RetryInfo alone", sent: sends(retryIn(durationpb.New(time.Second))), want: isNo, relayed: never3003},
		{name: "a detail with an empty type URL", sent: sends(&anypb.Any{Value: []byte("x")}, ourInfo), want: hint70},
		{name: "a detail with nothing but a slash", sent: sends(&anypb.Any{TypeUrl: "/"}, ourInfo), want: hint70},
		{name: "a detail of garbage", sent: sends(&anypb.Any{TypeUrl: "example.com/x", Value: []byte{0xff}}, ourInfo), want: hint70},
		{name: "a known detail of garbage", sent: sends(rawDetail("google.rpc.BadRequest", []byte{0xff}), ourInfo), want: hint70},
		{name: "30,000 details", sent: manyDetails(30_000), want: hint70, text: "m"},
		{name: "30,000 metadata entries", sent: sends(ourInfo, manyEntries(30_000)), want: hint70, text: "m"},
		{name: "a message of 192 KiB", sent: longMessage(codes.NotFound), want: hint70},
		{name: "a message with invalid UTF-8", sent: unmarshalable("m\xff"), want: isNo, relayed: never3003},
		{name: "a message with invalid UTF-8 beside our detail", sent: unmarshalable("m\xff", anyOf(ourInfo)), want: hint70, text: "m\uFFFD"},
		{name: "a type URL with invalid UTF-8", sent: unmarshalable("m", anyOf(ourInfo), badURL), want: hint70, text: "m"},
		hostile{name: "code OK with our detail", sent: sends(ourInfo, googleInfo), want: noError}.code(0),
		hostile{name: "code 17 with our detail", sent: sends(ourInfo), want: "sdk.yuanrong/1003 Code(17) SAFE after 70ms", relayed: "sdk.yuanrong/1003 Unknown SAFE after 70ms"}.code(17),
		hostile{name: "code 17", sent: sends(), want: "- Code(17) NEVER", relayed: never3003}.code(17),
		hostile{name: "the greatest code", sent: sends(), want: "- Code(2147483647) NEVER", relayed: never3003}.code(math.MaxInt32),
		hostile{name: "code -1 with our detail", sent: sends(ourInfo), want: "sdk.yuanrong/1003 Code(4294967295) SAFE after 70ms", relayed: "sdk.yuanrong/1003 Unknown SAFE after 70ms"}.code(-1),
	}
}

func TestHostile(t *testing.T) {
	var returned error
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return returned }), interceptor.ServerOptions(
		interceptor.WithRules(
			mapping.WhenIs(uncomparable{"x"}, sdk.ParamInvalid),
			mapping.WhenIs(boxed{[]string{"x"}}, sdk.ParamInvalid),
			mapping.WhenIs(sql.ErrNoRows, rest.AliasNameNotFound),
			mapping.WhenAs[*net.AddrError](sdk.ParamInvalid),
		), interceptor.WithRecovery(), interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
			if ev.Panic != nil {
				t.Errorf("a panic reached the recovery: %v\n%s", ev.Panic, ev.Stack)
			}
		}))...)
	ours := stubtest.Dial(t, addr, interceptor.DialOptions()...)

	// call returns what the client gets for what a handler returns, before the deadline of
	// the context: what takes too long arrives as DEADLINE_EXCEEDED.
	call := func(t *testing.T, err error) *mapping.Error {
		returned = err
		var e *mapping.Error
		for _, shape := range []stubtest.Shape{stubtest.Shapes()[0], stubtest.Shapes()[3]} {
			e = typed(t, shape.Call(stubtest.Context(t), ours))
		}
		return e
	}
	seen := map[string]bool{}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("A table of %d hostile cases", len(hostileCases())); !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not say %q", want)
	}
	for _, h := range hostileCases() {
		t.Run(h.name, func(t *testing.T) {
			if seen[h.name] {
				t.Fatal("another case has this name")
			}
			seen[h.name] = true
			if h.sent == nil {
				checkHostile(t, "returned", call(t, h.returned), h.want, h.text)
				return
			}
			st := status.FromProto(h.sent)
			e, ok := mapping.FromStatus(st)
			checkHostile(t, "decoded", e, h.want, h.text)
			if !ok {
				return
			}
			if got := status.Convert(e).Proto(); !proto.Equal(got, h.sent) {
				t.Errorf("GRPCStatus of the decoded error has changed to %v", got)
			}
			relayed := h.want
			if h.relayed != "" {
				relayed = h.relayed
			}
			checkHostile(t, "relayed", call(t, e.WithCause(st.Err())), relayed, "")
			sentByStock(t, h)
		})
	}
}

// sentByStock lets a stock server send the status to our client, where it can.
func sentByStock(t *testing.T, h hostile) {
	if _, err := proto.Marshal(h.sent); err != nil || h.sent.Code < 0 {
		return // gRPC itself sends something else
	}
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return status.FromProto(h.sent).Err() }))
	err := stubtest.Shapes()[0].Call(stubtest.Context(t), stubtest.Dial(t, addr, interceptor.DialOptions()...))
	checkHostile(t, "received", typed(t, err), h.want, h.text)
}

func checkHostile(t *testing.T, how string, e *mapping.Error, want, text string) {
	t.Helper()
	if got := summary(e); got != want {
		t.Errorf("%s: got %q, want %q", how, got, want)
	}
	if e == nil {
		return
	}
	if text != "" && e.Message() != text {
		t.Errorf("%s: message %q, want %q", how, e.Message(), text)
	}
	for _, s := range []string{e.Message(), e.Error(), e.Reason(), e.RequestID(), e.Code().Domain(), e.Code().Error()} {
		if !utf8.ValidString(s) {
			t.Errorf("%s: %q is invalid UTF-8", how, s)
		}
	}
	for k, v := range e.Metadata() {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			t.Errorf("%s: the entry %q: %q is invalid UTF-8", how, k, v)
		}
	}
	_ = e.LogValue().Resolve()
	_ = e.Code().Describe("zh")
}
