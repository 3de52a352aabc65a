package interceptor_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

// An outcome is what a client sees of one error.
type outcome struct {
	Code     mapping.Code
	GRPC     codes.Code
	Message  string
	Metadata map[string]string
	Retry    mapping.Retry
	Inferred bool
	HasID    bool
	// Details are the message names of the details on the wire.
	Details []string
}

var equalCodes = cmp.Comparer(func(a, b mapping.Code) bool { return a == b })

func outcomeOf(e *mapping.Error, st *status.Status) outcome {
	o := outcome{
		Code: e.Code(), GRPC: e.GRPCCode(), Message: e.Message(), Metadata: e.Metadata(), Retry: e.Retry(),
		Inferred: e.Inferred(), HasID: e.RequestID() != "",
	}
	for _, d := range st.Proto().GetDetails() {
		o.Details = append(o.Details, d.TypeUrl[strings.LastIndexByte(d.TypeUrl, '/')+1:])
	}
	return o
}

const (
	ourDetail    = "yuanrong.errors.v1.ErrorInfo"
	googleDetail = "google.rpc.ErrorInfo"
	retryDetail  = "google.rpc.RetryInfo"
)

// bareOutcome is what a bare code gives.
func bareOutcome(c mapping.Code) outcome {
	o := outcome{
		Code: c, GRPC: c.GRPCCode(), Message: c.Description("en"), Retry: c.Retry(),
		Details: []string{ourDetail, googleDetail},
	}
	if c.Retry().Class == mapping.Safe {
		o.Details = append(o.Details, retryDetail)
	}
	return o
}

// hiddenOutcome is what every error gives of which the client may know nothing.
func hiddenOutcome() outcome { return bareOutcome(sdk.InnerSystemError).wrapped() }

// wrapped is the outcome where the server knows more than what the outcome is about: if
// the client gets no text but the catalogue's, it gets an id to ask about.
func (o outcome) wrapped() outcome {
	o.HasID = o.HasID || !o.Inferred && !o.Code.IsZero() && o.Message == o.Code.Description("en")
	return o
}

// plainOutcome is what a status without a platform code gives; clients infer one from some
// gRPC codes.
func plainOutcome(c codes.Code, message string, details ...string) outcome {
	o := outcome{GRPC: c, Message: message, Retry: mapping.Retry{Class: mapping.Never}, Details: details}
	switch c {
	case codes.Unavailable:
		o.Code, o.Retry = sdk.InnerCommunication, sdk.InnerCommunication.Retry()
	case codes.Internal, codes.Unknown, codes.DataLoss:
		o.Code = sdk.InnerSystemError
	}
	o.Inferred = !o.Code.IsZero()
	return o
}

func (o outcome) with(change func(*outcome)) outcome {
	change(&o)
	return o
}

// sentByPeer returns err as our client interceptor would have decoded it.
func sentByPeer(st *status.Status) error {
	e, ok := mapping.FromStatus(st)
	if !ok {
		panic("not an error")
	}
	return e.WithCause(st.Err())
}

func statusWith(c codes.Code, message string, details ...proto.Message) *status.Status {
	p := &spb.Status{Code: int32(c), Message: message}
	for _, d := range details {
		p.Details = append(p.Details, anyOf(d))
	}
	return status.FromProto(p)
}

// Errors of a kind that only a careless handler returns.
type (
	nilStatusError struct{}
	okStatusError  struct{ details []proto.Message }
	saysIsNoRows   struct{}
)

func (nilStatusError) Error() string              { return errSecret.Error() }
func (nilStatusError) GRPCStatus() *status.Status { return nil }

func (okStatusError) Error() string { return errSecret.Error() }
func (e okStatusError) GRPCStatus() *status.Status {
	return statusWith(codes.OK, "fine", e.details...)
}

func (saysIsNoRows) Error() string        { return errSecret.Error() }
func (saysIsNoRows) Is(target error) bool { return target == sql.ErrNoRows }

var (
	ourInfo = &errorsv1.ErrorInfo{
		Domain: "sdk.yuanrong", Number: 1003, RequestId: "r1",
		Retry: &errorsv1.RetryHint{Class: errorsv1.RetryClass_RETRY_CLASS_SAFE, DelayMs: 70},
	}
	googleInfo = &errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "INSTANCE_NOT_FOUND", Metadata: map[string]string{"instance": "a1"}}
	debugInfo  = &errdetails.DebugInfo{Detail: errSecret.Error()}
	quota      = &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{Subject: "s"}}}
)

type matrixRow struct {
	name string
	err  error
	want outcome
	opts []interceptor.ServerOption
}

// matrix is what a handler may return and what the client gets, row by row.
func matrix() []matrixRow {
	custom := func(relay func(*mapping.Error) *mapping.Error) []interceptor.ServerOption {
		return []interceptor.ServerOption{interceptor.WithMapper(&mapping.Mapper{Relay: relay})}
	}
	rules := []interceptor.ServerOption{interceptor.WithRules(
		nil,
		mapping.WhenIs(sql.ErrNoRows, rest.KVNotFound),
		mapping.WhenAs[*fs.PathError](rest.FunctionNotFound),
		mapping.WhenIs(errSecret, mapping.Code{}),
		mapping.WhenIs(nil, sdk.ParamInvalid),
	)}
	relayed := func(c codes.Code, into mapping.Code, name string) matrixRow {
		return matrixRow{"received " + name + " without a code", sentByPeer(status.New(c, errSecret.Error())), bareOutcome(into).wrapped().with(func(o *outcome) {
			o.Metadata = map[string]string{"grpc_code": name}
			if c != codes.Unavailable { // nothing else says by itself that another try may help
				o.Retry = mapping.Retry{Class: mapping.Never}
			}
		}), nil}
	}
	return []matrixRow{
		{"bare code", sdk.InstanceNotFound, bareOutcome(sdk.InstanceNotFound), nil},
		{"bare code that may be repeated", sdk.ResourceNotEnough, bareOutcome(sdk.ResourceNotEnough), nil},
		{"error with message and metadata", sdk.InstanceNotFound.Errorf("no %q", "a1").With("instance", "a1"),
			bareOutcome(sdk.InstanceNotFound).with(func(o *outcome) {
				o.Message, o.Metadata = `no "a1"`, map[string]string{"instance": "a1"}
			}), nil},
		{"error with a cause", sdk.InnerCommunication.Wrap(errSecret), bareOutcome(sdk.InnerCommunication).wrapped(), nil},
		{"error with cause and message", rest.KVNotFound.Wrapf(errSecret, "key %d", 7),
			bareOutcome(rest.KVNotFound).with(func(o *outcome) { o.Message, o.HasID = "key 7", true }), nil},
		{"error around another error", sdk.ParamInvalid.Wrap(sdk.InstanceNotFound), bareOutcome(sdk.ParamInvalid).wrapped(), nil},
		{"error with details", sdk.ParamInvalid.Errorf("bad").WithDetails(quota),
			bareOutcome(sdk.ParamInvalid).with(func(o *outcome) {
				o.Message, o.Details = "bad", append(o.Details, "google.rpc.QuotaFailure")
			}), nil},
		{"error with debug details", sdk.ParamInvalid.Errorf("bad").WithDetails(quota, debugInfo),
			bareOutcome(sdk.ParamInvalid).with(func(o *outcome) {
				o.Message, o.Details = "bad", append(o.Details, "google.rpc.QuotaFailure")
			}), nil},
		{"error that was not executed", sdk.InnerCommunication.Errorf("full").NotExecuted().RetryAfter(2 * time.Second),
			bareOutcome(sdk.InnerCommunication).with(func(o *outcome) {
				o.Message, o.Retry = "full", mapping.Retry{Class: mapping.Safe, Delay: 2 * time.Second}
				o.Details = []string{ourDetail, googleDetail, retryDetail}
			}), nil},

		{"claimed by WhenIs", sql.ErrNoRows, bareOutcome(rest.KVNotFound).wrapped(), rules},
		{"claimed by WhenIs through its method", saysIsNoRows{}, bareOutcome(rest.KVNotFound).wrapped(), rules},
		{"claimed by WhenAs", &fs.PathError{Op: "open", Path: "/secret", Err: fs.ErrNotExist}, bareOutcome(rest.FunctionNotFound).wrapped(), rules},
		{"claimed by nobody", errSecret, hiddenOutcome(), rules},
		{"a platform error before rules", sdk.ParamInvalid.Wrap(sql.ErrNoRows), bareOutcome(sdk.ParamInvalid).wrapped(), rules},

		{"received with a code", sentByPeer(statusWith(codes.NotFound, "gone", ourInfo, googleInfo, quota, debugInfo)), outcome{
			Code: sdk.InstanceNotFound, GRPC: codes.NotFound, Message: "gone", HasID: true,
			Metadata: map[string]string{"instance": "a1"},
			Retry:    mapping.Retry{Class: mapping.Safe, Delay: 70 * time.Millisecond},
			Details:  []string{ourDetail, googleDetail, "google.rpc.QuotaFailure"},
		}, nil},
		{"received with a standard detail only", sentByPeer(statusWith(codes.NotFound, "gone", googleInfo, &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})), outcome{
			Code: sdk.InstanceNotFound, GRPC: codes.NotFound, Message: "gone",
			Metadata: map[string]string{"instance": "a1"},
			Retry:    mapping.Retry{Class: mapping.HigherLevel, Delay: time.Second},
			// RetryInfo would make others repeat the call, so the delay goes on in our detail.
			Details: []string{ourDetail, googleDetail},
		}, nil},
		relayed(codes.NotFound, sdk.InnerSystemError, "NOT_FOUND"),
		relayed(codes.Internal, sdk.InnerSystemError, "INTERNAL"),
		relayed(codes.PermissionDenied, sdk.InnerSystemError, "PERMISSION_DENIED"),
		relayed(codes.Unavailable, sdk.InnerCommunication, "UNAVAILABLE"),
		relayed(codes.DeadlineExceeded, sdk.InnerCommunication, "DEADLINE_EXCEEDED"),
		relayed(codes.Canceled, sdk.InnerCommunication, "CANCELLED"),
		{"received, relayed as it is", sentByPeer(statusWith(codes.NotFound, "gone", debugInfo)), plainOutcome(codes.NotFound, "gone"),
			custom(func(e *mapping.Error) *mapping.Error { return e })},
		{"received, relayed as another", sentByPeer(status.New(codes.NotFound, "gone")), bareOutcome(sdk.ParamInvalid).wrapped(),
			custom(func(e *mapping.Error) *mapping.Error { return sdk.ParamInvalid.Wrap(e) })},
		{"received, relayed as nil", sentByPeer(statusWith(codes.NotFound, "gone", ourInfo)), hiddenOutcome(),
			custom(func(*mapping.Error) *mapping.Error { return nil })},
		{"received, relaying panics", sentByPeer(statusWith(codes.NotFound, "gone", ourInfo)), hiddenOutcome(),
			custom(func(*mapping.Error) *mapping.Error { panic(errSecret) })},

		{"status", status.Error(codes.NotFound, "nf"), plainOutcome(codes.NotFound, "nf"), nil},
		{"status with details", statusWith(codes.AlreadyExists, "ae", quota, debugInfo).Err(), plainOutcome(codes.AlreadyExists, "ae", "google.rpc.QuotaFailure"), nil},
		{"status with details, DebugInfo allowed", statusWith(codes.AlreadyExists, "ae", quota, &errdetails.DebugInfo{Detail: "d"}).Err(), plainOutcome(codes.AlreadyExists, "ae", "google.rpc.QuotaFailure", "google.rpc.DebugInfo"),
			[]interceptor.ServerOption{interceptor.WithMapper(&mapping.Mapper{DebugInfo: true})}},
		{"status UNAVAILABLE", status.Error(codes.Unavailable, "down"), plainOutcome(codes.Unavailable, "down"), nil},
		{"status without text", status.Error(codes.Aborted, ""), plainOutcome(codes.Aborted, ""), nil},
		{"status of no known gRPC code", status.Error(codes.Code(17), "17"), plainOutcome(codes.Unknown, "17"), nil},

		{"context.Canceled", context.Canceled, plainOutcome(codes.Canceled, "context canceled"), nil},
		{"context.DeadlineExceeded", context.DeadlineExceeded, plainOutcome(codes.DeadlineExceeded, "context deadline exceeded"), nil},

		{"plain error", errSecret, hiddenOutcome(), nil},
		{"typed nil of ours", (*mapping.Error)(nil), hiddenOutcome(), nil},
		{"typed nil of others", (*net.OpError)(nil), hiddenOutcome(), nil},
		{"zero code", mapping.Code{}, hiddenOutcome(), nil},
		{"nil status", nilStatusError{}, hiddenOutcome(), nil},
		{"status OK", okStatusError{}, hiddenOutcome(), nil},
		{"status OK with our detail", okStatusError{[]proto.Message{ourInfo, googleInfo}}, hiddenOutcome(), nil},
	}
}

// TestMatrix holds every row to its outcome: however the error is wrapped, in all
// four shapes, with and without the client interceptors.
func TestMatrix(t *testing.T) {
	other := errors.New("secret context")
	wrappings := map[string]func(error) error{
		"plain":   func(err error) error { return err },
		"wrapped": func(err error) error { return fmt.Errorf("secret context: %w", err) },
		"first":   func(err error) error { return errors.Join(err, other) },
		"last":    func(err error) error { return errors.Join(other, fmt.Errorf("deeper: %w", err)) },
	}
	ctx := stubtest.Context(t)
	for _, row := range matrix() {
		t.Run(row.name, func(t *testing.T) {
			var returned error
			addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return returned }), interceptor.ServerOptions(row.opts...)...)
			ours, stock := stubtest.Dial(t, addr, interceptor.DialOptions()...), stubtest.Dial(t, addr)
			for wrapping, wrap := range wrappings {
				returned = wrap(row.err)
				want := row.want
				if wrapping != "plain" {
					want = want.wrapped()
				}
				for _, shape := range stubtest.Shapes() {
					err := shape.Call(ctx, ours)
					if diff := cmp.Diff(want, outcomeOf(typed(t, err), status.Convert(err)), equalCodes); diff != "" {
						t.Errorf("%s, %s (-want +got):\n%s", wrapping, shape.Name, diff)
					}
					err = shape.Call(ctx, stock)
					if diff := cmp.Diff(want, outcomeOf(decoded(t, err), status.Convert(err)), equalCodes); diff != "" {
						t.Errorf("%s, %s, stock client (-want +got):\n%s", wrapping, shape.Name, diff)
					}
				}
			}
		})
	}
}

// TestFirstMatchWins puts two rows into one error: the outermost wins, then the
// first of a join.
func TestFirstMatchWins(t *testing.T) {
	rows := slices.DeleteFunc(matrix(), func(r matrixRow) bool {
		// What matches nothing cannot come first, and policies differ.
		return r.opts != nil || r.want.HasID && r.want.Code == sdk.InnerSystemError
	})
	var returned error
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return returned }), interceptor.ServerOptions()...)
	c, unary, ctx := stubtest.Dial(t, addr, interceptor.DialOptions()...), stubtest.Shapes()[0], stubtest.Context(t)
	for _, first := range rows {
		for _, second := range rows {
			for _, returned = range []error{
				errors.Join(first.err, second.err),
				errors.Join(errSecret, errors.Join(fmt.Errorf("x: %w", first.err)), second.err),
				fmt.Errorf("%w and %w", first.err, second.err),
			} {
				err := unary.Call(ctx, c)
				if diff := cmp.Diff(first.want.wrapped(), outcomeOf(typed(t, err), status.Convert(err)), equalCodes); diff != "" {
					t.Errorf("%s before %s (-want +got):\n%s", first.name, second.name, diff)
				}
			}
		}
	}
}
