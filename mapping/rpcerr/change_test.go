package rpcerr_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// TestDerivedErrorsLeaveTheOriginal changes an error in every way there is, and finds
// the original as it was.
func TestDerivedErrorsLeaveTheOriginal(t *testing.T) {
	detail := &errdetails.DebugInfo{Detail: "d"}
	raised := sdk.InnerCommunication.Errorf("m").With("aa", "1").With("bb", "2").WithDetails(detail, &errdetails.Help{})
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	received, _ := decoder.FromStatus(raised.GRPCStatus())
	for name, e := range map[string]*rpcerr.Error{"raised": raised, "received": received} {
		before, metadata := proto.Clone(e.GRPCStatus().Proto()), e.Metadata()
		next := e.With("zz", "1").GRPCStatus().Proto()
		e.Metadata()["aa"] = "changed"
		derived := map[string]*rpcerr.Error{
			"With":             e.With("aa", "9").With("a0", "9").With("cc", "9"),
			"WithRequestID":    e.WithRequestID("id"),
			"RetryAfter":       e.RetryAfter(time.Minute),
			"NotExecuted":      e.NotExecuted(),
			"DoNotRetry":       e.DoNotRetry(),
			"WithRetry":        e.WithRetry(rpcerr.Retry{Class: rpcerr.Safe}),
			"WithDetails":      e.WithDetails(&errdetails.DebugInfo{Detail: "other"}, &errdetails.BadRequest{}),
			"WithoutDebugInfo": e.WithoutDebugInfo(),
			"WithAttempts":     e.WithAttempts(3),
			"Seal, idempotent": e.Seal(rpcerr.Wire{Idempotent: true}),
			"Seal, number":     e.Seal(rpcerr.Wire{CodeInMetadata: true, Budget: rpcerr.MaxBudget}),
			"Seal":             e.Seal(rpcerr.Wire{RequestID: "id", Budget: rpcerr.MinBudget, Idempotent: true, Details: []proto.Message{&errdetails.ResourceInfo{}}}),
		}
		for how, d := range derived {
			if d == e && !(name == "received" && how == "Seal") {
				t.Errorf("%s: %s returned the error itself", name, how)
			}
		}
		if diff := cmp.Diff(before, e.GRPCStatus().Proto(), protocmp.Transform()); diff != "" {
			t.Errorf("%s: the status has changed (-before +after):\n%s", name, diff)
		}
		if diff := cmp.Diff(metadata, e.Metadata()); diff != "" {
			t.Errorf("%s: the metadata has changed (-before +after):\n%s", name, diff)
		}
		if diff := cmp.Diff(next, e.With("zz", "1").GRPCStatus().Proto(), protocmp.Transform()); diff != "" {
			t.Errorf("%s: what is derived from it has changed (-before +after):\n%s", name, diff)
		}
		if name == "received" && e.Seal(rpcerr.Wire{}) != e {
			t.Error("received: it is sent as another one now")
		}
		if n := e.Attempts(); n != 0 {
			t.Errorf("%s: has %d attempts", name, n)
		}
	}
	// Two errors derived from one must not share what comes after.
	base := sdk.ParamInvalid.With("aa", "1")
	one, two := base.With("bb", "one"), base.With("bb", "two")
	if one.Metadata()["bb"] != "one" || two.Metadata()["bb"] != "two" {
		t.Errorf("siblings have %v and %v", one.Metadata(), two.Metadata())
	}
}

func TestRetryHints(t *testing.T) {
	for _, test := range []struct {
		name string
		err  *rpcerr.Error
		want rpcerr.Retry
	}{
		{"as listed", sdk.ResourceNotEnough.Errorf(""), rpcerr.Retry{Class: rpcerr.Safe, Delay: time.Second}},
		{"another delay", sdk.ResourceNotEnough.Errorf("").RetryAfter(time.Minute), rpcerr.Retry{Class: rpcerr.Safe, Delay: time.Minute}},
		{"no delay", sdk.ResourceNotEnough.Errorf("").RetryAfter(0), rpcerr.Retry{Class: rpcerr.Safe}},
		{"negative delay", sdk.ResourceNotEnough.Errorf("").RetryAfter(math.MinInt64), rpcerr.Retry{Class: rpcerr.Safe}},
		{"too long", sdk.ResourceNotEnough.Errorf("").RetryAfter(math.MaxInt64), rpcerr.Retry{Class: rpcerr.Safe, Delay: time.Hour}},
		{"the longest", sdk.ResourceNotEnough.Errorf("").RetryAfter(time.Hour), rpcerr.Retry{Class: rpcerr.Safe, Delay: time.Hour}},
		{"rounded up", sdk.ResourceNotEnough.Errorf("").RetryAfter(1), rpcerr.Retry{Class: rpcerr.Safe, Delay: time.Millisecond}},
		{"rounded up to the longest", sdk.ResourceNotEnough.Errorf("").RetryAfter(time.Hour - 1), rpcerr.Retry{Class: rpcerr.Safe, Delay: time.Hour}},
		{"delay of what is never retried", sdk.ParamInvalid.Errorf("").RetryAfter(time.Minute), rpcerr.Retry{Class: rpcerr.Never}},
		{"not executed, was idempotent", sdk.InnerCommunication.Errorf("").NotExecuted(), rpcerr.Retry{Class: rpcerr.Safe, Delay: sdk.InnerCommunication.Retry().Delay}},
		{"not executed, was never", sdk.ParamInvalid.Errorf("").NotExecuted(), rpcerr.Retry{Class: rpcerr.Never}},
		{"not executed, was higher level", sdk.InstanceNotFound.Errorf("").NotExecuted(), sdk.InstanceNotFound.Retry()},
		{"of another error", sdk.ParamInvalid.Errorf("").WithRetry(rpcerr.Retry{Class: rpcerr.Idempotent, Delay: time.Minute}), rpcerr.Retry{Class: rpcerr.Idempotent, Delay: time.Minute}},
		{"of another error, out of bounds", sdk.ParamInvalid.Errorf("").WithRetry(rpcerr.Retry{Class: rpcerr.Safe, Delay: 2 * time.Hour}), rpcerr.Retry{Class: rpcerr.Safe, Delay: time.Hour}},
		{"of another error, of no class", sdk.ResourceNotEnough.Errorf("").WithRetry(rpcerr.Retry{Class: 9, Delay: time.Minute}), rpcerr.Retry{Class: rpcerr.Never}},
		{"do not retry", sdk.ResourceNotEnough.Errorf("").DoNotRetry(), rpcerr.Retry{Class: rpcerr.Never}},
		{"do not retry, whatever comes later", sdk.ResourceNotEnough.Errorf("").DoNotRetry().RetryAfter(time.Second).NotExecuted(), rpcerr.Retry{Class: rpcerr.Never}},
	} {
		if got := test.err.Retry(); got != test.want {
			t.Errorf("%s: Retry() = %v, want %v", test.name, got, test.want)
		}
		decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
		if e, _ := decoder.FromStatus(test.err.GRPCStatus()); e.Retry() != test.want {
			t.Errorf("%s: after the wire Retry() = %v, want %v", test.name, e.Retry(), test.want)
		}
	}
}

func TestWithDetails(t *testing.T) {
	one, two := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "a"}}}, &errdetails.BadRequest{}
	help := &errdetails.Help{Links: []*errdetails.Help_Link{{Url: "https://example.com"}}}
	broken := &errdetails.Help{Links: []*errdetails.Help_Link{{Url: "\xff"}}}
	for _, test := range []struct {
		name    string
		details []proto.Message
		want    []any
		trimmed bool
	}{
		{"none", nil, nil, false},
		{"in their order", []proto.Message{help, one}, []any{help, one}, false},
		{"the later of a type in place of the earlier", []proto.Message{one, help, two}, []any{two, help}, false},
		{"nil", []proto.Message{nil, help}, []any{help}, true},
		{"typed nil", []proto.Message{(*errdetails.Help)(nil)}, []any{&errdetails.Help{}}, false},
		{"invalid UTF-8", []proto.Message{broken, one}, []any{one}, true},
		{"our own", []proto.Message{&errorsv1.ErrorInfo{Domain: "x", Number: 7}, &errdetails.ErrorInfo{Reason: "X"}, &errdetails.RetryInfo{}}, nil, true},
	} {
		e := sdk.ParamInvalid.Errorf("").WithDetails(test.details...)
		got := e.GRPCStatus().Details()[2:]
		if diff := cmp.Diff(test.want, got, protocmp.Transform()); diff != "" && len(test.want)+len(got) > 0 {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if e.Trimmed() != test.trimmed {
			t.Errorf("%s: Trimmed() = %v, want %v", test.name, e.Trimmed(), test.trimmed)
		}
	}
	// Where the package writes no details itself, those of its types are the author's.
	inferring := &rpcerr.Decoder{Infer: func(codes.Code) rpcerr.Code { return sdk.InnerCommunication }}
	guessed, _ := inferring.FromStatus(status.New(codes.Unavailable, "down"))
	for name, e := range map[string]*rpcerr.Error{"plain": rpcerr.Plain(codes.Unavailable, "down"), "guessed": guessed} {
		standard := []any{&errdetails.ErrorInfo{Reason: "THEIR_REASON", Domain: "their.domain"}, &errdetails.RetryInfo{}}
		e = e.WithDetails(standard[0].(proto.Message), standard[1].(proto.Message))
		if diff := cmp.Diff(standard, e.GRPCStatus().Details(), protocmp.Transform()); diff != "" || e.Trimmed() {
			t.Errorf("%s: trimmed %v (-want +got):\n%s", name, e.Trimmed(), diff)
		}
	}
	// A peer may write type URLs with another prefix.
	st := sdk.ParamInvalid.Errorf("").WithDetails(one).GRPCStatus().Proto()
	st.Details[2].TypeUrl = "example.com/google.rpc.BadRequest"
	e, _ := new(rpcerr.Decoder).FromStatus(status.FromProto(st))
	got := e.WithDetails(two).GRPCStatus().Details()[2:]
	if diff := cmp.Diff([]any{two}, got, protocmp.Transform()); diff != "" {
		t.Errorf("in place of one with another prefix (-want +got):\n%s", diff)
	}
}

// The prefix of a type URL says nothing, and the name says all.
func TestDetailsAreKnownByTheirName(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	for _, test := range []struct {
		before string // the name
		want   rpcerr.Code
	}{
		{"type.googleapis.com/", sdk.ResourceNotEnough},
		{"example.com/types/", sdk.ResourceNotEnough},
		{"", sdk.ResourceNotEnough},
		{"type.googleapis.com/acme.", rpcerr.Code{}},
		{"acme.", rpcerr.Code{}},
	} {
		st := sdk.ResourceNotEnough.Errorf("full").With("node", "n1").GRPCStatus().Proto()
		for _, d := range st.Details {
			d.TypeUrl = test.before + string(d.MessageName())
		}
		e, _ := decoder.FromStatus(status.FromProto(st))
		if known := !test.want.IsZero(); e.Code() != test.want || e.Repeatable(false) != known || (e.MetadataValue("node") != "") != known {
			t.Errorf("%q: %v, repeatable %v, metadata %v; want %v", test.before, e, e.Repeatable(false), e.Metadata(), test.want)
		}
	}
}

func TestRequestID(t *testing.T) {
	for _, test := range []struct{ id, want string }{
		{"", ""}, {"r-1", "r-1"}, {"r\xff", "r\uFFFD"}, {strings.Repeat("x", 129), strings.Repeat("x", 128)},
		{strings.Repeat("重", 43), strings.Repeat("重", 42)}, {strings.Repeat("x", 125) + "😀", strings.Repeat("x", 125)},
		{"r" + strings.Repeat("\x9f", 200), "r\uFFFD"},
	} {
		if got := sdk.ParamInvalid.Errorf("").WithRequestID(test.id).RequestID(); got != test.want {
			t.Errorf("WithRequestID(%q) gives %q, want %q", test.id, got, test.want)
		}
		if got := sdk.ParamInvalid.AsError().Seal(rpcerr.Wire{RequestID: test.id}).RequestID(); got != test.want {
			t.Errorf("Seal with id %q gives %q, want %q", test.id, got, test.want)
		}
	}
	if got := sdk.ParamInvalid.Errorf("").WithRequestID("mine").Seal(rpcerr.Wire{RequestID: "other"}).RequestID(); got != "mine" {
		t.Errorf("Seal replaced the request id by %q", got)
	}
}
