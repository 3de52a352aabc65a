package rpcerr_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// TestNilError calls every method of a nil *Error.
func TestNilError(t *testing.T) {
	var e *rpcerr.Error
	v := reflect.ValueOf(e)
	for i := range v.NumMethod() {
		m := v.Method(i)
		var args []reflect.Value
		n := m.Type().NumIn()
		if m.Type().IsVariadic() {
			n--
		}
		for j := range n {
			args = append(args, reflect.Zero(m.Type().In(j)))
		}
		for _, out := range m.Call(args) {
			if out.Kind() == reflect.Pointer && !out.IsNil() {
				t.Errorf("%s of a nil *Error returns %v, want nil", v.Type().Method(i).Name, out)
			}
		}
	}
	if e.GRPCCode() != codes.Unknown || e.Retry().Class != rpcerr.Never || !e.Code().IsZero() || e.Is(sdk.ParamInvalid) || e.Is(rpcerr.Code{}) {
		t.Errorf("a nil *Error says more than nothing: %v %v %v", e.GRPCCode(), e.Retry(), e.Code())
	}
	if status.Code(e) != codes.Unknown {
		t.Errorf("status.Code of a nil *Error = %v, want Unknown", status.Code(e))
	}
}

func TestCauseStaysFindable(t *testing.T) {
	cause := context.DeadlineExceeded
	for _, e := range []*rpcerr.Error{
		sdk.InnerCommunication.Wrap(cause), sdk.InnerCommunication.Wrapf(cause, "m"),
		sdk.InnerCommunication.Wrap(cause).With("key", "v").WithRequestID("r").RetryAfter(1).NotExecuted().DoNotRetry(),
		sdk.InnerCommunication.Wrap(cause).Seal(rpcerr.Wire{RequestID: "r"}),
	} {
		if !errors.Is(e, cause) {
			t.Errorf("errors.Is(%v, %v) = false", e, cause)
		}
		if !e.HidesCause() {
			t.Errorf("%v hides no cause", e)
		}
	}
	for _, e := range []*rpcerr.Error{
		nil, sdk.InnerCommunication.AsError(), sdk.InnerCommunication.Wrap(nil), sdk.InnerCommunication.Wrapf(nil, "m"),
		sdk.InnerCommunication.Errorf("m"), sdk.InnerCommunication.Errorf("m").WithCause(cause),
	} {
		if e.HidesCause() {
			t.Errorf("%v hides a cause", e)
		}
	}
	if sdk.InnerCommunication.Wrap(nil).Unwrap() != nil {
		t.Error("Wrap(nil) has a cause")
	}
	if errors.Is(sdk.ScheduleCanceled, context.Canceled) || errors.Is(sdk.ScheduleCanceled.Errorf("x"), context.Canceled) {
		t.Error("an error raised here is a context error without having one as its cause")
	}
}

func TestPlain(t *testing.T) {
	for c := range codes.Code(20) {
		want := c
		if c == codes.OK || c > codes.Unauthenticated {
			want = codes.Unknown
		}
		if got := rpcerr.Plain(c, "m").GRPCStatus().Code(); got != want {
			t.Errorf("Plain(%d) has code %v, want %v", c, got, want)
		}
	}
	// Only what came over the wire is a context's error by its gRPC code.
	if errors.Is(rpcerr.Plain(codes.Canceled, "m"), context.Canceled) || errors.Is(rpcerr.Plain(codes.DeadlineExceeded, "m"), context.DeadlineExceeded) {
		t.Error("an error raised here is that of a context")
	}
	if got := rpcerr.Plain(codes.Aborted, "a\xff").Message(); got != "a\uFFFD" {
		t.Errorf("Message() = %q", got)
	}

	// What does not cross does not count.
	e := rpcerr.Plain(codes.Aborted, "m").With("key", strings.Repeat("v", rpcerr.MaxBudget)).WithDetails(&errdetails.BadRequest{}).Seal(rpcerr.Wire{})
	if got := len(e.GRPCStatus().Details()); got != 1 || e.Trimmed() {
		t.Errorf("%d details, trimmed %v, want the one that fits", got, e.Trimmed())
	}
}
