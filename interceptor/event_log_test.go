package interceptor_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

// logged returns an event as slog's text handler prints it.
func logged(ev interceptor.Event) string {
	var b bytes.Buffer
	handler := slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	slog.New(handler).Warn("failed", "call", ev)
	return strings.TrimSpace(b.String())
}

// typedNil is an error whose Error method cannot be called.
type typedNil struct{ text string }

func (e *typedNil) Error() string { return e.text }

func TestEventLogValue(t *testing.T) {
	t.Parallel()
	received, ok := mapping.FromStatus(status.Convert(sdk.InstanceExited.Errorf("gone")))
	if !ok {
		t.Fatal("no error")
	}
	for _, tt := range []struct {
		name string
		ev   interceptor.Event
		want string
	}{
		{
			"a handler's error, with its cause",
			interceptor.Event{
				Method: "/a.B/C", Duration: 12*time.Millisecond + 345678*time.Nanosecond,
				Error: sdk.InnerCommunication.Wrap(io.ErrUnexpectedEOF).With("node", "n1").WithRequestID("r1"),
				Cause: fmt.Errorf("forward: %w", io.ErrUnexpectedEOF),
			},
			`level=WARN msg=failed call.side=server call.method=/a.B/C call.domain=sdk.yuanrong call.number=3002 ` +
				`call.reason=INNER_COMMUNICATION call.grpc=Unavailable call.message="A communication error occurred." ` +
				`call.retry="IDEMPOTENT after 500ms" call.request_id=r1 call.metadata=map[node:n1] ` +
				`call.cause="forward: unexpected EOF" call.took=12.346ms`,
		},
		{
			"a platform error as it is",
			interceptor.Event{Method: "/a.B/C", Error: sdk.ParamInvalid.Errorf("no"), Cause: sdk.ParamInvalid.Errorf("no")},
			`level=WARN msg=failed call.side=server call.method=/a.B/C call.domain=sdk.yuanrong call.number=1001 ` +
				`call.reason=PARAM_INVALID call.grpc=InvalidArgument call.message=no call.retry=NEVER call.took=0s`,
		},
		{
			"a client's attempt, to be repeated",
			interceptor.Event{
				Side: interceptor.ClientSide, Method: "/a.B/C", Error: received, Cause: status.Error(codes.Aborted, "gone"),
				Duration: time.Millisecond, Attempt: 2, Retrying: true, Wait: 100 * time.Millisecond,
			},
			`level=WARN msg=failed call.side=client call.method=/a.B/C call.domain=sdk.yuanrong call.number=1007 ` +
				`call.reason=INSTANCE_EXITED call.grpc=Aborted call.message=gone call.retry="HIGHER_LEVEL after 200ms" ` +
				`call.origin=peer call.took=1ms call.attempt=2 call.retrying=true call.wait=100ms`,
		},
		{
			"a client's last attempt",
			interceptor.Event{
				Side: interceptor.ClientSide, Method: "/a.B/C", Error: sdk.InvokeRateLimited.AsError(), Attempt: 2, GaveUp: interceptor.GaveUpBudget,
			},
			`level=WARN msg=failed call.side=client call.method=/a.B/C call.domain=sdk.yuanrong call.number=1005 ` +
				`call.reason=INVOKE_RATE_LIMITED call.grpc=ResourceExhausted call.message="` + sdk.InvokeRateLimited.Description("en") + `" call.retry="SAFE after 1s" ` +
				`call.took=0s call.attempt=2 call.gave_up=budget`,
		},
		{
			"a client's last attempt, of an error that has counted them",
			interceptor.Event{
				Side: interceptor.ClientSide, Method: "/a.B/C", Error: sdk.ParamInvalid.Errorf("no").WithAttempts(2), Attempt: 2, GaveUp: interceptor.GaveUpError,
			},
			`level=WARN msg=failed call.side=client call.method=/a.B/C call.domain=sdk.yuanrong call.number=1001 ` +
				`call.reason=PARAM_INVALID call.grpc=InvalidArgument call.message=no call.retry=NEVER call.attempts=2 call.took=0s`,
		},
		{
			"a call that is not to be repeated, as usual",
			interceptor.Event{
				Side: interceptor.ClientSide, Method: "/a.B/C", Error: sdk.ParamInvalid.Errorf("no"), Attempt: 1, GaveUp: interceptor.GaveUpError,
			},
			`level=WARN msg=failed call.side=client call.method=/a.B/C call.domain=sdk.yuanrong call.number=1001 ` +
				`call.reason=PARAM_INVALID call.grpc=InvalidArgument call.message=no call.retry=NEVER call.took=0s call.attempt=1`,
		},
		{
			"a panic, in-band, and an id that only the event has",
			interceptor.Event{
				Method: "/a.B/C", Error: sdk.InnerSystemError.AsError(), RequestID: "r2", InBand: true, Panic: 42, Stack: []byte("goroutine 1"),
			},
			`level=WARN msg=failed call.side=server call.method=/a.B/C call.domain=sdk.yuanrong call.number=3003 ` +
				`call.reason=INNER_SYSTEM_ERROR call.grpc=Internal call.message="An internal error occurred." ` +
				`call.retry="IDEMPOTENT after 1s" call.request_id=r2 call.in_band=true call.took=0s call.panic=42 call.stack="goroutine 1"`,
		},
	} {
		if got := logged(tt.ev); got != tt.want {
			t.Errorf("%s is logged as\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// What a log shows of a cause: everything but what the error says already.
func TestEventLogsCause(t *testing.T) {
	t.Parallel()
	if got := logged(interceptor.Event{}); !strings.Contains(got, "call.side=server") || strings.Contains(got, "panicked") {
		t.Errorf("an empty event is logged as %s", got)
	}
	e := sdk.InnerSystemError.AsError()
	var none *typedNil
	for _, tt := range []struct {
		name  string
		side  interceptor.Side
		cause error
		want  string // "": none
	}{
		{"none", interceptor.ServerSide, nil, ""},
		{"a secret of the server", interceptor.ServerSide, errSecret, `call.cause="secret: password=hunter2"`},
		{"a secret that a platform error wraps", interceptor.ServerSide, e.WithCause(errSecret), `call.cause="secret: password=hunter2"`},
		{"one inside another", interceptor.ServerSide, fmt.Errorf("forward: %w", sdk.ParamInvalid.Wrap(fmt.Errorf("read: %w", sdk.Finalized.Wrap(errSecret)))),
			`call.cause="forward: PARAM_INVALID (1001): A parameter did not pass validation: ` +
				`read: FINALIZED (9000): The instance exited after finalize: secret: password=hunter2"`},
		{"one whose text is a part of what stands around it", interceptor.ServerSide, fmt.Errorf("connect: %w", sdk.EtcdOperationError.Wrap(errors.New("etcd"))),
			`call.cause="connect: ETCD_OPERATION_ERROR (3005): Access to etcd failed: etcd"`},
		{"one whose text is the end of what stands around it", interceptor.ServerSide, sdk.EtcdOperationError.Wrapf(errors.New("cd"), "no etcd"),
			`call.cause="ETCD_OPERATION_ERROR (3005): no etcd: cd"`},
		{"one inside another that holds io.EOF and is mapped already", interceptor.ServerSide, new(mapping.Mapper).Map(t.Context(),
			fmt.Errorf("forward: %w", sdk.ParamInvalid.Wrap(fmt.Errorf("read: %w: %w", io.EOF, sdk.Finalized.Wrap(errSecret))))),
			`call.cause="PARAM_INVALID (1001): A parameter did not pass validation: ` +
				`forward: PARAM_INVALID (1001): A parameter did not pass validation: read: EOF: FINALIZED (9000): The instance exited after finalize: secret: password=hunter2"`},
		{"one that another service sent", interceptor.ServerSide, fmt.Errorf("forward: %w", sentByPeer(sdk.InstanceNotFound.Errorf("gone").GRPCStatus())),
			`call.cause="forward: INSTANCE_NOT_FOUND (1003): gone"`},
		{"one that a code of ours says, as it stands with another service", interceptor.ServerSide, sdk.ParamInvalid.Wrap(errSecret).WithOrigin(mapping.OriginPeer), "hunter2"},
		{"one that two errors have", interceptor.ServerSide, sdk.ParamInvalid.Wrap(e.WithCause(errSecret)),
			`call.cause="PARAM_INVALID (1001): A parameter did not pass validation: ` +
				`INNER_SYSTEM_ERROR (3003): An internal error occurred: secret: password=hunter2"`},
		{"one that is said already", interceptor.ServerSide, fmt.Errorf("%w: %w", sdk.ParamInvalid.Wrap(errSecret), errSecret),
			`call.cause="PARAM_INVALID (1001): A parameter did not pass validation.: secret: password=hunter2"`},
		{"one without a text", interceptor.ServerSide, e.WithCause(errors.New("")), ""},
		{"one without a text inside another", interceptor.ServerSide, fmt.Errorf("x: %w", e.WithCause(errors.New(""))),
			`call.cause="x: INNER_SYSTEM_ERROR (3003): An internal error occurred."`},
		{"a typed nil that a platform error wraps", interceptor.ServerSide, e.WithCause(none), "whose Error method panics"},
		{"a status of the handler", interceptor.ServerSide, status.Error(codes.Internal, "boom"), `call.cause="rpc error: code = Internal desc = boom"`},
		{"the status that the client got", interceptor.ClientSide, status.Error(codes.Internal, "boom"), ""},
		{"a wait that was cut short", interceptor.ClientSide, errors.Join(status.Error(codes.Internal, "boom"), errSecret), "hunter2"},
		{"a typed nil", interceptor.ServerSide, none, "*interceptor_test.typedNil, whose Error method panics"},
	} {
		got := logged(interceptor.Event{Side: tt.side, Error: e, Cause: tt.cause})
		if strings.Contains(got, "call.cause=") != (tt.want != "") || !strings.Contains(got, tt.want) || strings.Contains(got, "!PANIC") {
			t.Errorf("%s: logged as %s, want %q", tt.name, got, tt.want)
		}
	}
}

// What the server makes of an error whose Error method panics is logged, and the cause,
// which may be costly to print, is asked for its text once.
func TestEventLogsCauseOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	for name, tt := range map[string]struct {
		cause error
		want  string
	}{
		"a typed nil":         {(*typedNil)(nil), `call.cause="*interceptor_test.typedNil, whose Error method panics"`},
		"an error that lasts": {&countingError{&asked}, "call.cause=costly"},
		"a huge one":          {errors.New(strings.Repeat("x", 1<<20)), "x…"},
	} {
		e := new(mapping.Mapper).Map(t.Context(), tt.cause)
		got := logged(interceptor.Event{Error: e, Cause: tt.cause})
		if !strings.Contains(got, "call.number=3003") || !strings.Contains(got, tt.want) || len(got) > 10_000 {
			t.Errorf("%s: logged as %.500s (%d bytes), want %s", name, got, len(got), tt.want)
		}
	}
	if asked != 1 {
		t.Errorf("the cause was asked for its text %d times, want once", asked)
	}
}

// A countingError counts how often it is asked for its text.
type countingError struct{ asked *int }

func (e *countingError) Error() string {
	*e.asked++
	return "costly"
}

// TestEventLogIsBounded: neither a peer nor a handler decides how long a line is.
func TestEventLogIsBounded(t *testing.T) {
	var many []error
	for i := range 500 {
		many = append(many, sdk.InnerCommunication.Wrap(errors.New(fmt.Sprint(i, strings.Repeat(" text of a peer", 600)))))
	}
	for name, ev := range map[string]interceptor.Event{
		"causes":                     {Error: sdk.InnerSystemError.AsError(), Cause: errors.Join(many...)},
		"a cause":                    {Error: sdk.InnerSystemError.AsError(), Cause: errors.New(strings.Repeat("x", 1<<20))},
		"a panic":                    {Error: sdk.InnerSystemError.AsError(), Panic: strings.Repeat("x", 1<<20)},
		"an error that is the panic": {Error: sdk.InnerSystemError.AsError(), Panic: errors.New(strings.Repeat("x", 1<<20))},
	} {
		var line strings.Builder
		slog.New(slog.NewTextHandler(&line, nil)).Warn("failed", "call", ev)
		if n := line.Len(); n > 20_000 || n < 500 {
			t.Errorf("of %s, the line has %d bytes", name, n)
		}
	}
}
