package mapping_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// A handler that returns a platform status by itself, without our types, says the code
// all the same: it is known, has its hint, and survives a tight budget.
func TestMapPlatformStatus(t *testing.T) {
	t.Parallel()
	full := func(message string, hint *errorsv1.RetryHint, googleOnly bool) error {
		st := status.New(codes.ResourceExhausted, message)
		details := &errorsv1.ErrorInfo{Domain: sdk.Domain, Number: 1002, Retry: hint}
		var err error
		if googleOnly {
			st, err = st.WithDetails(&errdetails.DebugInfo{Detail: strings.Repeat("x", 5000)}, &errdetails.ErrorInfo{Reason: "RESOURCE_NOT_ENOUGH", Domain: sdk.Domain})
		} else {
			st, err = st.WithDetails(details)
		}
		if err != nil {
			t.Fatal(err)
		}
		return st.Err()
	}
	for name, err := range map[string]error{
		"our detail without a hint":    full("full", nil, false),
		"too long":                     full(strings.Repeat("x", 5000), nil, false),
		"google's detail behind a big": full("full", nil, true),
	} {
		e := new(mapping.Mapper).Map(context.Background(), err)
		if e.Code() != sdk.ResourceNotEnough || e.Retry() != sdk.ResourceNotEnough.Retry() {
			t.Errorf("%s: mapped to %v, %v", name, e.Code(), e.Retry())
		}
		got, _ := mapping.FromStatus(e.Seal(rpcerr.Wire{}).GRPCStatus())
		if got.Code() != sdk.ResourceNotEnough || got.Retry() != sdk.ResourceNotEnough.Retry() {
			t.Errorf("%s: the client gets %v, %v", name, got.Code(), got.Retry())
		}
	}
}

// What a dependency's plain status says about retries is passed on, no more.
func TestRelayPassesTheHint(t *testing.T) {
	t.Parallel()
	withDelay, err := status.New(codes.Unavailable, "x").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(30 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	decode := func(st *status.Status) *mapping.Error {
		e, _ := mapping.FromStatus(st)
		return e
	}
	down := decode(status.New(codes.Unavailable, "x"))
	for _, test := range []struct {
		name string
		e    *mapping.Error
		code mapping.Code
		want mapping.Retry
	}{
		{"UNAVAILABLE", down, sdk.InnerCommunication, sdk.InnerCommunication.Retry()},
		{"UNAVAILABLE with RetryInfo", decode(withDelay), sdk.InnerCommunication, mapping.Retry{Class: mapping.Idempotent, Delay: 30 * time.Second}},
		{"UNAVAILABLE that the handler knows to be final", down.DoNotRetry(), sdk.InnerCommunication, mapping.Retry{Class: mapping.Never}},
		{"UNAVAILABLE that the handler knows to be not executed", down.NotExecuted(), sdk.InnerCommunication, mapping.Retry{Class: mapping.Safe, Delay: sdk.InnerCommunication.Retry().Delay}},
		{"INTERNAL", decode(status.New(codes.Internal, "x")), sdk.InnerSystemError, mapping.Retry{Class: mapping.Never}},
		{"DATA_LOSS", decode(status.New(codes.DataLoss, "x")), sdk.InnerSystemError, mapping.Retry{Class: mapping.Never}},
		{"NOT_FOUND", decode(status.New(codes.NotFound, "x")), sdk.InnerSystemError, mapping.Retry{Class: mapping.Never}},
		{"CANCELLED", decode(status.New(codes.Canceled, "x")), sdk.InnerCommunication, mapping.Retry{Class: mapping.Never}},
		{"DEADLINE_EXCEEDED", decode(status.New(codes.DeadlineExceeded, "x")), sdk.InnerCommunication, mapping.Retry{Class: mapping.Never}},
	} {
		got := mapping.Relay(test.e)
		if got.Code() != test.code || got.Retry() != test.want {
			t.Errorf("Relay(%s) = %v, %v, want %v, %v", test.name, got.Code(), got.Retry(), test.code, test.want)
		}
	}
	// Nothing was executed there, which says nothing about what was done here before.
	for _, idempotent := range []bool{false, true} {
		again, _ := mapping.FromStatus(mapping.Relay(down.NotExecuted()).Seal(rpcerr.Wire{Idempotent: idempotent}).GRPCStatus())
		if got := again.Repeatable(false); got != idempotent || again.Retry().Class != mapping.Safe {
			t.Errorf("not executed there, relayed by a method that is idempotent: %v: %v, to be repeated by all: %v", idempotent, again.Retry(), got)
		}
	}
	if got := mapping.Relay(down.With("shard", "7")).Metadata()["shard"]; got != "7" {
		t.Errorf("metadata added on this side is %q after Relay, want 7", got)
	}
}

func TestFallback(t *testing.T) {
	t.Parallel()
	m := &mapping.Mapper{Fallback: sdk.ParamInvalid}
	if got := m.Map(context.Background(), errors.New("x")).Code(); got != sdk.ParamInvalid {
		t.Errorf("Map of an unknown error = %v, want the fallback", got)
	}
	if got := m.Map(context.Background(), fmt.Errorf("x: %w", sdk.InstanceNotFound)).Code(); got != sdk.InstanceNotFound {
		t.Errorf("Map of a platform error = %v, want its code", got)
	}
}

// A rule with a mistake does not cost the codes that lie deeper.
func TestPanickingRule(t *testing.T) {
	t.Parallel()
	m := &mapping.Mapper{Rules: []mapping.Rule{
		func(error) (mapping.Code, bool) { panic("a mistake") },
		mapping.WhenIs(os.ErrNotExist, sdk.ParamInvalid),
	}}
	for err, want := range map[error]mapping.Code{
		fmt.Errorf("x: %w", sdk.InstanceNotFound): sdk.InstanceNotFound,
		fmt.Errorf("x: %w", os.ErrNotExist):       sdk.ParamInvalid,
	} {
		if got := m.Map(context.Background(), err).Code(); got != want {
			t.Errorf("Map(%v) = %v, want %v", err, got, want)
		}
	}
}

// A timeout of package net calls itself a deadline. It is the caller's only when the
// caller's time is over.
func TestNetTimeoutIsNotTheCallersDeadline(t *testing.T) {
	t.Parallel()
	timeout := &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	called := &net.DNSError{Err: "timed out", IsTimeout: true, UnwrapErr: context.DeadlineExceeded}
	ended, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	says, saysCanceled := saysToBe{context.DeadlineExceeded}, saysToBe{context.Canceled}
	for _, test := range []struct {
		name string
		ctx  context.Context
		err  error
		want codes.Code
	}{
		{"a net timeout", context.Background(), timeout, codes.Internal},
		{"an error that says so", context.Background(), says, codes.Internal},
		{"an error that says so, at the end of the call", ended, says, codes.DeadlineExceeded},
		{"an error that says to be a cancellation", context.Background(), saysCanceled, codes.Internal},
		{"an error that says so, without a context", nil, saysCanceled, codes.Internal},
		{"an error that says so, at the end of the call", ended, saysCanceled, codes.Canceled},
		{"an error that wraps the context's", context.Background(), called, codes.DeadlineExceeded},
		{"the context's error", context.Background(), context.DeadlineExceeded, codes.DeadlineExceeded},
	} {
		if got := new(mapping.Mapper).Map(test.ctx, test.err).GRPCCode(); got != test.want {
			t.Errorf("%s: Map gives %v, want %v", test.name, got, test.want)
		}
	}
}

type saysToBe struct{ err error }

func (saysToBe) Error() string          { return "i/o timeout" }
func (s saysToBe) Is(target error) bool { return target == s.err }

// At the end of the call a code that another service has said is one still.
func TestPlatformCodeAtTheEndOfTheCall(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	received, _ := mapping.FromStatus(sdk.GetOperationFailed.Errorf("too slow").GRPCStatus())
	if got := new(mapping.Mapper).Map(ended, received); got.Code() != sdk.GetOperationFailed || got.Message() != "too slow" {
		t.Errorf("Map = %v, want it as received", got)
	}
}

// A rule that says nothing, one that is nil, and one with nothing to go by, claim nothing.
func TestRulesThatClaimNothing(t *testing.T) {
	t.Parallel()
	errs := uncomparable{errors.New("x")}
	if c, ok := mapping.WhenIs(os.ErrNotExist, mapping.Code{})(os.ErrNotExist); ok {
		t.Errorf("WhenIs with the zero Code claims %v", c)
	}
	for name, rule := range map[string]mapping.Rule{
		"nil":                  nil,
		"the zero Code":        func(error) (mapping.Code, bool) { return mapping.Code{}, true },
		"WhenIs, zero Code":    mapping.WhenIs(errs, mapping.Code{}),
		"WhenIs, nil":          mapping.WhenIs(nil, sdk.ParamInvalid),
		"WhenIs, uncomparable": mapping.WhenIs(errs, sdk.ParamInvalid),
		"WhenAs, zero Code":    mapping.WhenAs[uncomparable](mapping.Code{}),
	} {
		if rule != nil && name != "the zero Code" {
			if c, ok := rule(errs); ok {
				t.Errorf("%s: claims %v", name, c)
			}
		}
		m := &mapping.Mapper{Rules: []mapping.Rule{rule, mapping.WhenIs(os.ErrNotExist, sdk.InstanceNotFound)}}
		if got := m.Map(context.Background(), status.Error(codes.NotFound, "nf")); !got.Code().IsZero() || got.GRPCCode() != codes.NotFound {
			t.Errorf("%s: a status becomes %v", name, got)
		}
		if got := m.Map(context.Background(), os.ErrNotExist); got.Code() != sdk.InstanceNotFound {
			t.Errorf("%s: what the next rule claims becomes %v", name, got)
		}
	}
}

// uncomparable is an error that the operator == panics on.
type uncomparable []error

func (uncomparable) Error() string { return "uncomparable" }

// A decoder that knows more than the one before it finds the code and its hint.
func TestDecoderResolves(t *testing.T) {
	t.Parallel()
	st, err := status.New(codes.ResourceExhausted, "x").WithDetails(&errorsv1.ErrorInfo{Domain: sdk.Domain, Number: 1002})
	if err != nil {
		t.Fatal(err)
	}
	unresolved, _ := new(mapping.Decoder).FromStatus(st)
	if unresolved.Code().Listed() || unresolved.Retry().Class != mapping.Never {
		t.Fatalf("a decoder without catalogues lists %v, %v", unresolved.Code(), unresolved.Retry())
	}
	got, _ := mapping.FromError(unresolved.WithAttempts(3))
	if got.Code() != sdk.ResourceNotEnough || got.Retry() != sdk.ResourceNotEnough.Retry() || got.Attempts() != 3 {
		t.Errorf("resolved to %v, %v, %d attempts", got.Code(), got.Retry(), got.Attempts())
	}
	if got, _ := mapping.FromError(unresolved.WithOrigin(mapping.OriginLocal)); got.Code() != sdk.ResourceNotEnough || got.Origin() != mapping.OriginLocal {
		t.Errorf("resolved to %v of origin %v, want the one it had", got.Code(), got.Origin())
	}
	for _, withNil := range []*mapping.Decoder{{Catalogs: []*mapping.Catalog{nil, sdk.Catalog()}}, mapping.NewDecoder(nil, nil)} {
		if e, ok := withNil.FromStatus(st); !ok || e.Code() != sdk.ResourceNotEnough {
			t.Errorf("with a nil catalogue: %v, %v", e, ok)
		}
	}
}

// Two catalogues may be of one domain, if two runs of the plugin made them: a code of
// either is found by its number and by its reason.
func TestCataloguesOfOneDomain(t *testing.T) {
	t.Parallel()
	const domain = "billing.acme"
	rows := []*rpcerr.Row{
		{Domain: domain, Number: 1, Reason: "NO_CREDIT", GRPC: codes.Aborted},
		{Domain: domain, Number: 2, Reason: "NO_ACCOUNT", GRPC: codes.NotFound},
	}
	catalogue := func(row *rpcerr.Row) *mapping.Catalog {
		var page [256]uint16
		page[row.Number] = 1
		c := rpcerr.CatalogOf(domain, []*rpcerr.Row{row}, []uint16{0}, [][256]uint16{page})
		return &c
	}
	decoder := mapping.NewDecoder(catalogue(rows[0]), catalogue(rows[1]))
	for _, row := range rows {
		want := rpcerr.CodeOf(row)
		byNumber, _ := decoder.FromStatus(statusOf(codes.Aborted, "x", &errorsv1.ErrorInfo{Domain: domain, Number: row.Number}))
		byReason, _ := decoder.FromStatus(statusOf(codes.Aborted, "x", &errdetails.ErrorInfo{Domain: domain, Reason: row.Reason}))
		if byNumber.Code() != want || byReason.Code() != want {
			t.Errorf("by number %v, by reason %v, want %v", byNumber.Code(), byReason.Code(), want)
		}
	}
	newer, _ := decoder.FromStatus(statusOf(codes.Aborted, "x", &errorsv1.ErrorInfo{Domain: domain, Number: 3}))
	if c := newer.Code(); c.Listed() || c.Domain() != domain || c.Number() != 3 {
		t.Errorf("a number that neither lists is decoded as %v", c)
	}
}

// errors.As finds the code in a code, in an error and in one that wraps it.
func TestAsCode(t *testing.T) {
	t.Parallel()
	for _, err := range []error{sdk.InstanceNotFound, sdk.InstanceNotFound.Errorf("x"), fmt.Errorf("x: %w", sdk.InstanceNotFound.Errorf("x"))} {
		var c mapping.Code
		if !errors.As(err, &c) || c != sdk.InstanceNotFound {
			t.Errorf("errors.As(%v) gives %v", err, c)
		}
	}
	var c mapping.Code
	if errors.As(rpcerr.Plain(codes.NotFound, "x"), &c) {
		t.Errorf("errors.As finds %v in an error without a code", c)
	}
}

// %w keeps everything on this side; what only looks like it does not.
func TestErrorfVerbs(t *testing.T) {
	t.Parallel()
	errSecret := errors.New("secret")
	text := sdk.InstanceNotFound.Description("en")
	for _, test := range []struct {
		format string
		arg    any
		want   string
		is     bool
	}{
		{"no %w", errSecret, text, true},
		{"no %[1]w", errSecret, text, true},
		{"no %+w", errSecret, text, true},
		{"no %%%w", errSecret, text, true},
		{"no % w", errSecret, text, true},
		{"%% w %s", "n7", "% w n7", false},
		{"disk 100%%worn on %s", "n7", "disk 100%worn on n7", false},
		{"how %v", "so", "how so", false},
	} {
		e := errorf(test.format, test.arg)
		if e.Message() != test.want || errors.Is(e, errSecret) != test.is {
			t.Errorf("Errorf(%q) has the message %q, and the cause: %v", test.format, e.Message(), errors.Is(e, errSecret))
		}
	}
}

// What vet would have refused is not lost either.
func TestWrapfKeepsBothCauses(t *testing.T) {
	t.Parallel()
	errCause, errOther := errors.New("cause"), errors.New("other")
	format := "no %w" // a variable hides it from vet, which would refuse it
	e := sdk.InstanceNotFound.Wrapf(errCause, format, errOther)
	if !errors.Is(e, errCause) || !errors.Is(e, errOther) || e.Message() != sdk.InstanceNotFound.Description("en") {
		t.Errorf("Wrapf has the message %q, its cause: %v, another: %v", e.Message(), errors.Is(e, errCause), errors.Is(e, errOther))
	}
	var none *fs.PathError
	text := rpcerr.TextOf(sdk.InstanceNotFound.Wrapf(none, format, errOther).Unwrap())
	if !strings.Contains(text, "no other") {
		t.Errorf("beside a typed nil the cause says %q, want what was formatted in it", text)
	}
}

// errorf hides the format from vet, which would refuse it.
var errorf = func(format string, args ...any) *mapping.Error { return sdk.InstanceNotFound.Errorf(format, args...) }

// The zero Error and a nil catalogue are of no use, and do no harm.
func TestZeroValues(t *testing.T) {
	t.Parallel()
	e := new(mapping.Error)
	if e.GRPCCode() != codes.Unknown || e.Retry() != (mapping.Retry{Class: mapping.Never}) || status.Code(e) != codes.Unknown || strings.Contains(e.Error(), "OK") {
		t.Errorf("the zero Error is %v, %v, %v", e, e.GRPCCode(), e.Retry())
	}
	var c *mapping.Catalog
	_, byNumber := c.Lookup(1)
	_, byReason := c.LookupReason("X")
	if byNumber || byReason || c.Len() != 0 || c.Domain() != "" {
		t.Error("a nil catalogue has codes")
	}
	for code := range c.All() {
		t.Errorf("a nil catalogue yields %v", code)
	}
}
