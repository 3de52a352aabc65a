package rpcerr_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

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

func TestMetadataKeys(t *testing.T) {
	long := strings.Repeat("k", 100)
	for _, test := range []struct{ key, want string }{
		{"instance", "instance"},
		{"instance-Id_2", "instance-Id_2"},
		{"Instance", "instance"},
		{"a", "a_"},
		{"", "x_"},
		{"1st", "x1st"},
		{"_x", "x_x"},
		{"a.b c", "a_b_c"},
		{"实例", "x__"},
		{"a\xffb", "a_b"},
		{"a\r\nb", "a__b"},
		{long, long[:64]},
		{long[:65], long[:64]},
		{"9" + long, "x9" + long[:62]},
	} {
		got := sdk.ParamInvalid.With(test.key, "v").Metadata()
		if diff := cmp.Diff(map[string]string{test.want: "v"}, got); diff != "" {
			t.Errorf("With(%q) (-want +got):\n%s", test.key, diff)
		}
	}
	if got, want := sdk.ParamInvalid.With("key", "a\xffb\x00").Metadata()["key"], "a\uFFFDb\x00"; got != want {
		t.Errorf("the value became %q, want %q", got, want)
	}
	if got := sdk.ParamInvalid.With("key", "1").With("Key", "2").Metadata(); got["key"] != "2" || len(got) != 1 {
		t.Errorf("one key set twice gives %v, want the second value", got)
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

// TestRetryInfoOnlyWhereRepeatingIsSafe reads the statuses as a client does that
// knows nothing but the standard details.
func TestRetryInfoOnlyWhereRepeatingIsSafe(t *testing.T) {
	for _, test := range []struct {
		name string
		err  *rpcerr.Error
		wire rpcerr.Wire
		want []time.Duration
	}{
		{"safe", sdk.ResourceNotEnough.AsError(), rpcerr.Wire{}, []time.Duration{time.Second}},
		{"safe at once", sdk.ResourceNotEnough.Errorf("").RetryAfter(0), rpcerr.Wire{}, []time.Duration{0}},
		{"never", sdk.ParamInvalid.AsError(), rpcerr.Wire{Idempotent: true}, nil},
		{"higher level", sdk.InstanceNotFound.AsError(), rpcerr.Wire{Idempotent: true}, nil},
		{"idempotent, unknown method", sdk.InnerCommunication.AsError(), rpcerr.Wire{}, nil},
		{"idempotent, idempotent method", sdk.InnerCommunication.AsError(), rpcerr.Wire{Idempotent: true}, []time.Duration{sdk.InnerCommunication.Retry().Delay}},
		{"idempotent, idempotent method, with text", sdk.InnerCommunication.Errorf("x"), rpcerr.Wire{Idempotent: true, RequestID: "r"}, []time.Duration{sdk.InnerCommunication.Retry().Delay}},
		{"not executed", sdk.InnerCommunication.Errorf("").NotExecuted(), rpcerr.Wire{}, []time.Duration{sdk.InnerCommunication.Retry().Delay}},
	} {
		var got []time.Duration
		for _, d := range test.err.Seal(test.wire).GRPCStatus().Details() {
			if info, ok := d.(*errdetails.RetryInfo); ok {
				got = append(got, info.RetryDelay.AsDuration())
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: delays in RetryInfo (-want +got):\n%s", test.name, diff)
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

// TestErrorText is the promise about log lines: one line, 512 bytes, no cause.
func TestErrorText(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	fromPeer := func(domain, reason string, number int32, message string) error {
		e, _ := decoder.FromStatus(statusOf(codes.NotFound, message,
			&errorsv1.ErrorInfo{Domain: domain, Number: number}, &errdetails.ErrorInfo{Domain: domain, Reason: reason}))
		return e
	}
	long := strings.Repeat("重", 500)
	for _, test := range []struct {
		err  error
		want string
	}{
		{sdk.InstanceNotFound, "INSTANCE_NOT_FOUND (1003): No such instance."},
		{sdk.InstanceNotFound.Errorf("no %q", "a1"), `INSTANCE_NOT_FOUND (1003): no "a1"`},
		{sdk.InstanceNotFound.Errorf(""), "INSTANCE_NOT_FOUND (1003): No such instance."},
		{sdk.InstanceNotFound.Wrap(errors.New("secret")), "INSTANCE_NOT_FOUND (1003): No such instance."},
		{sdk.InstanceNotFound.Wrapf(errors.New("secret"), "m"), "INSTANCE_NOT_FOUND (1003): m"},
		{sdk.InstanceNotFound.Errorf("a\nb\rc\x00d\u2028e\u0085f"), "INSTANCE_NOT_FOUND (1003): a b c d e f"},
		{sdk.InstanceNotFound.Errorf("a\u202eb\u2066c\u200fd\u061ce\ufefff"), "INSTANCE_NOT_FOUND (1003): a b c d e f"},
		{sdk.InstanceNotFound.Errorf("\xff"), "INSTANCE_NOT_FOUND (1003): \uFFFD"},
		{rpcerr.Plain(codes.NotFound, "nf"), "NotFound: nf"},
		{rpcerr.Plain(codes.NotFound, ""), "NotFound"},
		{rpcerr.Plain(codes.OK, "x"), "Unknown: x"},
		{fromPeer("sdk.yuanrong", "NEW_ERROR", 9999, "text"), "NEW_ERROR (9999): text"},
		{fromPeer("new.domain", "", 9999, "text"), "new.domain 9999: text"},
		{fromPeer("a\nb", "C\nD", 9999, "e\nf"), "C D (9999): e f"},
		{fromPeer("a\nb", "", 9999, "e\nf"), "a b 9999: e f"},
		{sdk.InstanceNotFound.Errorf("%s", long), ""},
		{fromPeer(strings.Repeat("d", 63), "", 9999, long), ""},
		{rpcerr.Code{}, "no code"},
		{(*rpcerr.Error)(nil), "<nil>"},
	} {
		got := test.err.Error()
		if test.want != "" && got != test.want {
			t.Errorf("Error() = %q, want %q", got, test.want)
		}
		if len(got) > 512 || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("Error() = %q (%d bytes), want valid text of one line, at most 512 bytes", got, len(got))
		}
	}
	if got := sdk.InstanceNotFound.Errorf("%s", long).Error(); !strings.HasSuffix(got, "重…") || len(got) < 500 {
		t.Errorf("a long message ends in %q, want as much as fits and an ellipsis", got[len(got)-20:])
	}
	if got := fromPeer("a\nb", "", 9999, "").(*rpcerr.Error).Code(); strings.Contains(got.String(), "\n") || strings.Contains(got.Error(), "\n") {
		t.Errorf("the code of a peer breaks the line: %q, %q", got.String(), got.Error())
	}
}

// TestPercentIsNoVerb: Errorf formats once, and what was formatted stays as it is.
func TestPercentIsNoVerb(t *testing.T) {
	if got := sdk.ParamInvalid.Errorf("%s", "100%d").Message(); got != "100%d" {
		t.Errorf("Message() = %q, want %q", got, "100%d")
	}
	if got := sdk.ParamInvalid.Errorf("100%%").Message(); got != "100%" {
		t.Errorf("Message() = %q, want %q", got, "100%")
	}
}

// One bad byte would cost all details.
func TestErrorfMendsInvalidText(t *testing.T) {
	bad := "a\xff"
	for _, e := range []*rpcerr.Error{sdk.ParamInvalid.Errorf("a\xff"), sdk.ParamInvalid.Errorf("%s", bad), sdk.ParamInvalid.Wrapf(nil, "a\xff")} {
		if got := e.GRPCStatus().Message(); e.Message() != "a\uFFFD" || got != "a\uFFFD" {
			t.Errorf("the message is %q, and %q in the status", e.Message(), got)
		}
	}
}

func TestLogValue(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}, Infer: func(codes.Code) rpcerr.Code { return sdk.InnerCommunication }}
	inferred, _ := decoder.FromStatus(status.New(codes.Unavailable, "down"))
	unlisted, _ := decoder.FromStatus(statusOf(codes.Aborted, "new", &errorsv1.ErrorInfo{Domain: "sdk.yuanrong", Number: 9999, Trimmed: true}, &errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "NEW"}))
	fromGRPC, _ := new(rpcerr.Decoder).FromError(status.Error(codes.NotFound, "nf"))
	for _, test := range []struct {
		value slog.LogValuer
		want  string
	}{
		{sdk.InstanceNotFound, "e.domain=sdk.yuanrong e.number=1003 e.reason=INSTANCE_NOT_FOUND"},
		{sdk.InstanceNotFound.Wrapf(errors.New("why"), "m").With("key", "v").WithRequestID("r"),
			`e.domain=sdk.yuanrong e.number=1003 e.reason=INSTANCE_NOT_FOUND e.grpc=NotFound e.message=m e.retry="HIGHER_LEVEL after 100ms" e.request_id=r e.metadata=map[key:v] e.cause=why`},
		{inferred.WithOrigin(rpcerr.OriginUnsent).WithAttempts(3),
			`e.domain=sdk.yuanrong e.number=3002 e.reason=INNER_COMMUNICATION e.grpc=Unavailable e.message=down e.retry="` + sdk.InnerCommunication.Retry().String() + `" e.origin=unsent e.attempts=3 e.inferred=true`},
		{unlisted, `e.domain=sdk.yuanrong e.number=9999 e.reason=NEW e.grpc=Aborted e.message=new e.retry=NEVER e.origin=peer e.trimmed=true`},
		{fromGRPC, `e.grpc=NotFound e.message=nf e.retry=NEVER e.origin=peer`}, // whose cause says the same again
		{rpcerr.Plain(codes.Canceled, "context canceled"), `e.grpc=Canceled e.message="context canceled" e.retry=NEVER`},
		{sdk.ParamInvalid.Wrap((*nilWrapper)(nil)),
			`e.domain=sdk.yuanrong e.number=1001 e.reason=PARAM_INVALID e.grpc=InvalidArgument ` +
				`e.message="A parameter did not pass validation." e.retry=NEVER e.cause="*rpcerr_test.nilWrapper, whose Error method panics"`},
		{new(rpcerr.Error), `e.grpc=Unknown e.message="" e.retry=NEVER`},
		{(*rpcerr.Error)(nil), "e=<nil>"},
	} {
		var b bytes.Buffer
		log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
				return slog.Attr{}
			}
			return a
		}}))
		log.Info("", "e", test.value)
		if got := strings.TrimSuffix(b.String(), "\n"); got != test.want {
			t.Errorf("logged %s\nwant   %s", got, test.want)
		}
	}
}

// A line of the log is bounded, whatever a peer sends, and has in it what is sent within
// a budget.
func TestLogIsBounded(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	huge := strings.Repeat("错", 1<<20)
	few, many := map[string]string{"aa": "1", "bb": huge, "zz": "2"}, map[string]string{huge: "x"}
	for i := range 10_000 {
		many[fmt.Sprintf("key%05d", i)] = "v"
	}
	received := func(message string, metadata map[string]string) *rpcerr.Error {
		e, _ := decoder.FromStatus(statusOf(codes.NotFound, message, &errorsv1.ErrorInfo{Domain: sdk.Domain, Number: 1003},
			&errdetails.ErrorInfo{Domain: sdk.Domain, Reason: "INSTANCE_NOT_FOUND", Metadata: metadata}))
		return e
	}
	fits := strings.Repeat("m", 7000)
	for name, test := range map[string]struct {
		err  *rpcerr.Error
		want []string
	}{
		"message":      {received(huge, nil), []string{"错…"}},
		"metadata":     {received("m", few), []string{"aa:1", "错…", "zz:2"}},
		"many entries": {received("m", many), []string{"key00000:v", "more"}},
		"cause":        {sdk.InstanceNotFound.Wrap(errors.New("why " + huge)), []string{"cause=why 错", "错…"}},
		"what fits":    {rpcerr.Plain(codes.NotFound, fits).Seal(rpcerr.Wire{Budget: rpcerr.MaxBudget}), []string{"message=" + fits + " "}},
	} {
		got := test.err.LogValue().String()
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: logged as %.300q, want %.300q in it", name, got, want)
			}
		}
		if len(got) > 3*rpcerr.MaxBudget || !utf8.ValidString(got) {
			t.Errorf("%s: logged as %d bytes of %.300q", name, len(got), got)
		}
	}
}

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

func TestZeroCode(t *testing.T) {
	var c rpcerr.Code
	if !c.IsZero() || c.Listed() || c.Domain() != "" || c.Number() != 0 || c.Reason() != "" || c.DocumentedMessage() != "" || c.Describe("zh") != "" {
		t.Errorf("the zero Code says something: %v", c)
	}
	if c.GRPCCode() != codes.Unknown || c.Retry() != (rpcerr.Retry{Class: rpcerr.Never}) || c.GRPCStatus() != nil || c.AsError() != nil {
		t.Errorf("the zero Code has %v, %v, %v", c.GRPCCode(), c.Retry(), c.GRPCStatus())
	}
	if errors.Is(c, sdk.ParamInvalid) || sdk.ParamInvalid.Is(c) || c.Is(c) {
		t.Error("the zero Code matches")
	}
	for _, e := range []*rpcerr.Error{c.Errorf("m %d", 1), c.Wrap(errors.New("x")), c.With("key", "v")} {
		st := e.GRPCStatus()
		if st.Code() != codes.Unknown || len(st.Proto().Details) != 0 || e.Error() == "" {
			t.Errorf("an error of the zero Code travels as %v", st)
		}
	}
}

func TestCodeIdentity(t *testing.T) {
	other := rpcerr.CodeOf(&rpcerr.Row{Domain: "sdk.yuanrong", Number: 1003, Reason: "COPY", GRPC: codes.Aborted})
	foreign := rpcerr.CodeOf(&rpcerr.Row{Domain: "other", Number: 1003, Reason: "INSTANCE_NOT_FOUND", GRPC: codes.NotFound})
	if !errors.Is(other, sdk.InstanceNotFound) || !errors.Is(sdk.InstanceNotFound.Errorf("x"), other) {
		t.Error("the same domain and number in two tables are not the same code")
	}
	if errors.Is(foreign, sdk.InstanceNotFound) || errors.Is(sdk.InstanceNotFound.Errorf("x"), foreign) {
		t.Error("one number in two domains is one code")
	}
	switch e := error(sdk.InstanceNotFound.Errorf("x").With("key", "v")); e.(*rpcerr.Error).Code() {
	case sdk.InstanceNotFound:
	default:
		t.Error("the code of an error is no switch case")
	}
	if got, want := sdk.InstanceNotFound.String(), "INSTANCE_NOT_FOUND (1003)"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	for _, both := range []struct{ a, b error }{
		{sdk.InstanceNotFound, sdk.InstanceNotFound}, {fmt.Errorf("x: %w", sdk.InstanceNotFound), sdk.InstanceNotFound},
		{errors.Join(errors.New("x"), sdk.InstanceNotFound.Errorf("y")), sdk.InstanceNotFound},
	} {
		if !errors.Is(both.a, both.b) {
			t.Errorf("errors.Is(%v, %v) = false", both.a, both.b)
		}
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

func TestDescribe(t *testing.T) {
	const en, zh = "No such instance. Check that the instance was created or scaled out.", "找不到实例。 检查用例是否被正常申请扩容。"
	for tag, want := range map[string]string{
		"zh": zh, "zh-CN": zh, "zh-Hant-TW": zh, "ZH": zh, "zh_CN.UTF-8": zh, "ZH_cn.UTF-8": zh, "zh.UTF-8": zh, "zh-TW": zh, "zh-HK": zh, "cmn": zh, "cmn-Hans": zh,
		"en": en, "fr": en, "": en, "zha": en, "z": en, "-": en, "C": en, "x-zh": en,
	} {
		if got := sdk.InstanceNotFound.Describe(tag); got != want {
			t.Errorf("Describe(%q) = %q, want %q", tag, got, want)
		}
	}
	onlyEnglish := rpcerr.CodeOf(&rpcerr.Row{Domain: "d", Number: 1, Reason: "R_R", EN: rpcerr.Text{Description: "text"}})
	if got := onlyEnglish.Describe("zh"); got != "text" {
		t.Errorf("without Chinese and without a remedy Describe = %q, want the English description alone", got)
	}
}

func TestStrings(t *testing.T) {
	for _, test := range []struct {
		value fmt.Stringer
		want  string
	}{
		{rpcerr.Never, "NEVER"}, {rpcerr.Safe, "SAFE"}, {rpcerr.Idempotent, "IDEMPOTENT"}, {rpcerr.HigherLevel, "HIGHER_LEVEL"}, {rpcerr.RetryClass(9), "RetryClass(9)"},
		{rpcerr.OriginLocal, "local"}, {rpcerr.OriginPeer, "peer"}, {rpcerr.OriginTransport, "transport"}, {rpcerr.OriginUnsent, "unsent"}, {rpcerr.Origin(9), "Origin(9)"},
		{rpcerr.Retry{Class: rpcerr.Never}, "NEVER"}, {rpcerr.Retry{Class: rpcerr.Safe, Delay: 1500 * time.Millisecond}, "SAFE after 1.5s"},
	} {
		if got := test.value.String(); got != test.want {
			t.Errorf("String() = %q, want %q", got, test.want)
		}
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

func TestWalk(t *testing.T) {
	leaf := func(s string) error { return errors.New(s) }
	tree := fmt.Errorf("top: %w", errors.Join(fmt.Errorf("left: %w", leaf("ll")), errors.Join(leaf("m1"), leaf("m2")), leaf("right")))
	var got []string
	rpcerr.Walk(tree, func(err error) bool {
		got = append(got, strings.Split(err.Error(), "\n")[0])
		return err.Error() != "m2"
	})
	want := []string{"top: left: ll", "left: ll", "left: ll", "ll", "m1", "m1", "m2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("visited (-want +got):\n%s", diff)
	}
	rpcerr.Walk(nil, func(error) bool { t.Error("visited nil"); return true })
	last := leaf("last")
	visits := 0
	rpcerr.Walk(several{nil, last, nil}, func(err error) bool {
		if visits++; err == nil {
			t.Error("visited a nil among others")
		}
		return true
	})
	if visits != 2 {
		t.Errorf("visited %d errors, want the outer and the one in it", visits)
	}
}

// several wraps errors as errors.Join does, but leaves nil ones where they are.
type several []error

func (several) Error() string     { return "several" }
func (s several) Unwrap() []error { return s }

// A nilWrapper panics when it is nil, as errors do that nobody expects to be.
type nilWrapper struct{ err error }

func (w *nilWrapper) Error() string { return w.err.Error() }
func (w *nilWrapper) Unwrap() error { return w.err }

func TestWalkGoesOnBehindPanics(t *testing.T) {
	last := errors.New("last")
	visits := 0
	rpcerr.Walk(errors.Join((*nilWrapper)(nil), last), func(err error) bool {
		visits++
		_ = err.Error() // that of the join panics too
		return err != last
	})
	if visits != 3 {
		t.Errorf("visited %d errors, want 3", visits)
	}
}

// TestDecoderFromError finds the first error that says something, and nothing where
// none does.
func TestDecoderFromError(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	for _, err := range []error{nil, errors.New("x"), (*rpcerr.Error)(nil), rpcerr.Code{}, context.Canceled, errors.Join(errors.New("x"), rpcerr.Code{})} {
		if e, ok := decoder.FromError(err); ok || e != nil {
			t.Errorf("FromError(%v) = %v, %v; want nothing", err, e, ok)
		}
	}
	raised := sdk.ParamInvalid.Errorf("x")
	st := status.New(codes.NotFound, "nf")
	for _, test := range []struct {
		err  error
		code rpcerr.Code
		grpc codes.Code
		text string
	}{
		{raised, sdk.ParamInvalid, codes.InvalidArgument, "x"},
		{fmt.Errorf("y: %w", raised), sdk.ParamInvalid, codes.InvalidArgument, "x"},
		{fmt.Errorf("y: %w", sdk.InstanceNotFound), sdk.InstanceNotFound, codes.NotFound, "No such instance."},
		{errors.Join(rpcerr.Code{}, (*rpcerr.Error)(nil), fmt.Errorf("y: %w", st.Err()), raised), rpcerr.Code{}, codes.NotFound, "nf"},
		{fmt.Errorf("max retries exhausted: %w", raised.GRPCStatus().Err()), sdk.ParamInvalid, codes.InvalidArgument, "x"},
	} {
		e, ok := decoder.FromError(test.err)
		if !ok || e.Code() != test.code || e.GRPCCode() != test.grpc || e.Message() != test.text {
			t.Errorf("FromError(%v) = %v, %v", test.err, e, ok)
		}
	}
	around := fmt.Errorf("y: %w", sdk.InstanceNotFound)
	if e, _ := decoder.FromError(around); e.Unwrap() != around {
		t.Errorf("FromError of what wraps a code has the cause %v, want what wraps it", e.Unwrap())
	}
	if e, _ := decoder.FromError(raised); e != raised {
		t.Error("FromError of an *Error is another one")
	}
	for _, st := range []*status.Status{nil, status.New(codes.OK, "fine")} {
		if e, ok := decoder.FromStatus(st); ok || e != nil {
			t.Errorf("FromStatus(%v) = %v, %v; want nothing", st, e, ok)
		}
	}
}

// What is relayed stays within the budget where the method here is idempotent and that of
// the peer was not, so that RetryInfo is added to what the peer sent.
func TestRelayedWithRetryInfoFitsTheBudget(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	info := &errorsv1.ErrorInfo{Domain: sdk.Domain, Number: 3002, Retry: &errorsv1.RetryHint{Class: errorsv1.RetryClass_RETRY_CLASS_IDEMPOTENT, DelayMs: 70}}
	filler := &errdetails.DebugInfo{Detail: strings.Repeat("f", 2745)}
	received := statusOf(codes.Unavailable, "lost", info, filler)
	if size := rpcerr.Size(received.Proto()); size > rpcerr.DefaultBudget || size < rpcerr.DefaultBudget-50 {
		t.Fatalf("the status takes %d bytes, want just below %d", size, rpcerr.DefaultBudget)
	}
	e, _ := decoder.FromStatus(received)
	sealed := e.Seal(rpcerr.Wire{Idempotent: true})
	if size := rpcerr.Size(sealed.GRPCStatus().Proto()); size > rpcerr.DefaultBudget {
		t.Errorf("relayed it takes %d bytes", size)
	}
	again, _ := decoder.FromStatus(sealed.GRPCStatus())
	if again.Code() != sdk.InnerCommunication || again.Retry() != e.Retry() || !again.Trimmed() {
		t.Errorf("relayed: %v, %v, trimmed %v", again, again.Retry(), again.Trimmed())
	}
}

// A message that is too long fills the budget: the last character that fits arrives.
func TestLongMessageFillsTheBudget(t *testing.T) {
	for _, letter := range []string{"m", "错", "😀", "%", "\n"} {
		for _, budget := range []int{rpcerr.MinBudget, rpcerr.DefaultBudget, rpcerr.MaxBudget} {
			size := func(n int) (int, bool) {
				e := sdk.InstanceNotFound.Errorf("%s", strings.Repeat(letter, n)).Seal(rpcerr.Wire{Budget: budget})
				return rpcerr.Size(e.GRPCStatus().Proto()), e.Trimmed()
			}
			tooMany := sort.Search(budget, func(n int) bool { _, trimmed := size(n); return trimmed })
			for _, n := range []int{tooMany, tooMany + 1, 10 * tooMany, 100_000} {
				// A character takes at most 4 bytes of the message, and so 12 and 16/3 on the wire.
				if got, trimmed := size(n); !trimmed || got > budget || got <= budget-20 {
					t.Errorf("%d times %q: %d bytes of %d are used, trimmed %v", n, letter, got, budget, trimmed)
				}
			}
		}
	}
}

// What others wrote in the place of our details goes after what else is large.
func TestPlainStatusKeepsItsReasonAndHint(t *testing.T) {
	wait := &errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)}
	reason := &errdetails.ErrorInfo{Reason: "THEIR_REASON", Domain: "their.domain"}
	help := &errdetails.Help{Links: []*errdetails.Help_Link{{Url: "https://example.com"}}}
	e := rpcerr.Plain(codes.Unavailable, strings.Repeat("错", 4000)).WithDetails(wait, help, reason)
	st := e.Seal(rpcerr.Wire{Budget: rpcerr.MinBudget}).GRPCStatus().Proto()
	var kept []string
	for _, d := range st.Details {
		kept = append(kept, string(d.MessageName()))
	}
	if diff := cmp.Diff([]string{"google.rpc.RetryInfo", "google.rpc.ErrorInfo"}, kept); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	if size := rpcerr.Size(st); size > rpcerr.MinBudget || st.Message == "" {
		t.Errorf("%d bytes, message %q", size, st.Message)
	}
}

// A guess stays one, for this process and for whoever it is sent to: what is changed in
// the error does not make the peer say what it has not said.
func TestGuessIsNotSent(t *testing.T) {
	inferring := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}, Infer: func(codes.Code) rpcerr.Code { return sdk.InnerCommunication }}
	parsing := &rpcerr.Decoder{Parse: func(string) rpcerr.Code { return sdk.InstanceNotFound }}
	wait := &errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)}
	reason := &errdetails.ErrorInfo{Reason: "THEIR_REASON", Domain: "their.domain", Metadata: map[string]string{"kk": "v"}}
	for _, test := range []struct {
		name    string
		decoder *rpcerr.Decoder
		st      *status.Status
	}{
		{"inferred", inferring, status.New(codes.Unavailable, "down")},
		{"inferred, without a message", inferring, status.New(codes.Unavailable, "")},
		{"inferred, with details of others", inferring, statusOf(codes.Unavailable, "down", reason, wait, &errdetails.Help{})},
		{"parsed", parsing, status.New(codes.Unknown, "code: 1003, message: gone")},
	} {
		e, _ := test.decoder.FromStatus(test.st)
		quota := &errdetails.QuotaFailure{}
		for how, changed := range map[string]*rpcerr.Error{
			"as it is":         e,
			"With":             e.With("key", "v"),
			"WithRequestID":    e.WithRequestID("id"),
			"RetryAfter":       e.RetryAfter(time.Minute),
			"NotExecuted":      e.NotExecuted(),
			"DoNotRetry":       e.DoNotRetry(),
			"WithDetails":      e.WithDetails(quota),
			"WithoutDebugInfo": e.WithDetails(&errdetails.DebugInfo{}).WithoutDebugInfo(),
			"WithCause":        e.With("key", "v").WithCause(nil).WithAttempts(2).WithOrigin(rpcerr.OriginLocal),
		} {
			for _, wire := range []rpcerr.Wire{{}, {RequestID: "id", Idempotent: true, Budget: rpcerr.MaxBudget, CodeInMetadata: true, Details: []proto.Message{quota}}} {
				sealed := changed.Seal(wire)
				for _, st := range []*status.Status{changed.GRPCStatus(), sealed.GRPCStatus()} {
					got, want := st.Proto(), test.st.Proto()
					got.Details = slices.DeleteFunc(got.Details, func(a *anypb.Any) bool { return a.MessageIs(quota) })
					if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
						t.Errorf("%s, %s: what is sent (-want +got):\n%s", test.name, how, diff)
					}
				}
				if changed.SendsRetryInfo(true) || sealed.SendsRetryInfo(true) {
					t.Errorf("%s, %s: a guess sends RetryInfo", test.name, how)
				}
				if sealed.Code() != e.Code() || sealed.Inferred() != e.Inferred() || sealed.Parsed() != e.Parsed() || sealed.Message() != e.Message() {
					t.Errorf("%s, %s: sealed it is %v, inferred %v, parsed %v", test.name, how, sealed, sealed.Inferred(), sealed.Parsed())
				}
			}
		}
	}
}

// A google.rpc.ErrorInfo of another domain has no place beside ours when the status is
// made anew, and that is said.
func TestForeignErrorInfoIsLeftOut(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	own := &errorsv1.ErrorInfo{Domain: sdk.Domain, Number: 1003}
	for _, test := range []struct {
		domain string
		want   bool
	}{{"billing.acme", true}, {sdk.Domain, false}} {
		e, _ := decoder.FromStatus(statusOf(codes.NotFound, "m", own, &errdetails.ErrorInfo{Domain: test.domain, Reason: "NO_CREDIT"}))
		if e.Trimmed() {
			t.Errorf("%s: trimmed as it came", test.domain)
		}
		changed := e.With("hop", "1")
		again, _ := decoder.FromStatus(changed.GRPCStatus())
		if changed.Trimmed() != test.want || again.Trimmed() != test.want || again.MetadataValue("hop") != "1" {
			t.Errorf("%s: trimmed %v, and %v for the client, want %v", test.domain, changed.Trimmed(), again.Trimmed(), test.want)
		}
	}
}

// statusOf returns a status with details.
func statusOf(c codes.Code, message string, details ...proto.Message) *status.Status {
	p := &spb.Status{Code: int32(c), Message: message}
	for _, d := range details {
		a := new(anypb.Any)
		if err := anypb.MarshalFrom(a, d, proto.MarshalOptions{Deterministic: true}); err != nil {
			panic(err)
		}
		p.Details = append(p.Details, a)
	}
	return status.FromProto(p)
}

// The status of an error whose origin was changed is the same whether the status before
// was looked at or not.
func TestOriginDecidesAboutRetryInfo(t *testing.T) {
	raised := sdk.InvokeRateLimited.Errorf("x").NotExecuted().RetryAfter(time.Second)
	_ = raised.GRPCStatus()
	seen := raised.WithOrigin(rpcerr.OriginPeer).GRPCStatus().Proto()
	fresh := sdk.InvokeRateLimited.Errorf("x").NotExecuted().RetryAfter(time.Second).WithOrigin(rpcerr.OriginPeer).GRPCStatus().Proto()
	if !proto.Equal(seen, fresh) {
		t.Errorf("looked at before: %v, not looked at: %v", seen, fresh)
	}
}

// RetryInfo goes with a received error as SendsRetryInfo says, for the method here, which
// may be another than that of the peer.
func TestSealOfAReceivedErrorGoesByTheMethodHere(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	for _, there := range []bool{false, true} {
		for _, here := range []bool{false, true} {
			received, _ := decoder.FromStatus(sdk.InnerCommunication.Errorf("lost").Seal(rpcerr.Wire{Idempotent: there}).GRPCStatus())
			for _, e := range []*rpcerr.Error{received, received.WithOrigin(rpcerr.OriginLocal)} {
				got := slices.ContainsFunc(e.Seal(rpcerr.Wire{Idempotent: here}).GRPCStatus().Proto().GetDetails(), func(a *anypb.Any) bool {
					return a.MessageIs((*errdetails.RetryInfo)(nil))
				})
				if got != here || e.SendsRetryInfo(here) != here {
					t.Errorf("origin %v, idempotent there %v, here %v: RetryInfo %v, SendsRetryInfo %v", e.Origin(), there, here, got, e.SendsRetryInfo(here))
				}
			}
		}
	}
}

// Whoever passes an error on and knows that nothing was executed here can say so.
func TestPassedOnAndNotExecuted(t *testing.T) {
	st := sdk.InvokeRateLimited.Errorf("x").WithRetry(rpcerr.Retry{Class: rpcerr.Safe}).WithOrigin(rpcerr.OriginPeer).GRPCStatus() // no RetryInfo
	e, _ := new(rpcerr.Decoder).FromStatus(st)
	if e.Repeatable(false) {
		t.Fatal("what was passed on is repeatable")
	}
	if !e.NotExecuted().Repeatable(false) {
		t.Error("NotExecuted has no effect")
	}
	for name, e := range map[string]*rpcerr.Error{"RetryAfter": e.RetryAfter(time.Second), "WithRetry": e.WithRetry(e.Retry()), "With": e.With("key", "v")} {
		if e.Repeatable(false) {
			t.Errorf("%s claims that nothing was executed on the way", name)
		}
	}
}

// Each call gets what belongs to it, whatever another one got.
func TestSealAgain(t *testing.T) {
	raised := sdk.InnerCommunication.Errorf("%s", strings.Repeat("m", 2000))
	want := raised.Seal(rpcerr.Wire{}).GRPCStatus().Proto()
	for name, before := range map[string]rpcerr.Wire{"idempotent": {Idempotent: true}, "a small budget": {Budget: rpcerr.MinBudget}} {
		got := raised.Seal(before).Seal(rpcerr.Wire{}).GRPCStatus().Proto()
		got.Details[0], want.Details[0] = nil, nil // its mark that something was trimmed stays
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("sealed before for %s (-want +got):\n%s", name, diff)
		}
	}
}

// The gRPC code of what is sent is that of its status.
func TestSealOfACodeThatGRPCDoesNotKnow(t *testing.T) {
	e, _ := new(rpcerr.Decoder).FromStatus(status.New(99, "m"))
	sealed := e.Seal(rpcerr.Wire{})
	if sealed.GRPCCode() != codes.Unknown || sealed.GRPCStatus().Code() != codes.Unknown {
		t.Errorf("sealed with %v, and %v in the status, want UNKNOWN", sealed.GRPCCode(), sealed.GRPCStatus().Code())
	}
}

func TestSealWithoutADetail(t *testing.T) {
	e := sdk.ParamInvalid.AsError()
	if got := e.Seal(rpcerr.Wire{Details: []proto.Message{nil}}); got != e {
		t.Errorf("a detail that is nil makes %v of it", got)
	}
}

// Only the number itself is kept in the metadata, and not whatever looks like it.
func TestSealTrimsMetadataThatLooksLikeTheNumber(t *testing.T) {
	e := sdk.InstanceNotFound.Errorf("m")
	for i := range 200 {
		e = e.With(fmt.Sprintf("key%d", i), "1003")
	}
	sealed := e.Seal(rpcerr.Wire{Budget: rpcerr.MinBudget, CodeInMetadata: true})
	if size := rpcerr.Size(sealed.GRPCStatus().Proto()); size > rpcerr.MinBudget {
		t.Errorf("the status takes %d bytes, want at most %d", size, rpcerr.MinBudget)
	}
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	again, _ := decoder.FromStatus(sealed.GRPCStatus())
	if got := again.MetadataValue("code"); got != "1003" || len(e.Metadata()) != 200 {
		t.Errorf("the number arrives as %q, and %d entries are left", got, len(e.Metadata()))
	}
}

// A server in another language needs no more than the standard details.
func TestDecoderReadsTheStandardDetails(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	info := &errdetails.ErrorInfo{Domain: sdk.Domain, Reason: "RESOURCE_NOT_ENOUGH", Metadata: map[string]string{"node": "n1"}}
	for _, test := range []struct {
		details []proto.Message
		delay   time.Duration
	}{
		{[]proto.Message{info}, sdk.ResourceNotEnough.Retry().Delay},
		{[]proto.Message{info, &errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)}}, 7 * time.Second},
	} {
		e, _ := decoder.FromStatus(statusOf(codes.ResourceExhausted, "full", test.details...))
		want := rpcerr.Retry{Class: rpcerr.Safe, Delay: test.delay}
		if e.Code() != sdk.ResourceNotEnough || e.Retry() != want || e.MetadataValue("node") != "n1" || e.Origin() != rpcerr.OriginPeer {
			t.Errorf("%d details: %v, want 1002, %v", len(test.details), e.LogValue(), want)
		}
	}
}

// A name of a peer has at most 63 bytes, as AIP-193 has it; a longer one is none.
func TestLongNamesOfAPeer(t *testing.T) {
	for n, want := range map[int]bool{62: true, 63: true, 64: false} {
		name := strings.Repeat("N", n)
		e, _ := new(rpcerr.Decoder).FromStatus(statusOf(codes.NotFound, "m",
			&errorsv1.ErrorInfo{Domain: "d", Number: 7}, &errdetails.ErrorInfo{Domain: "d", Reason: name}))
		if got := e.Reason() == name; got != want || !want && e.Reason() != "" {
			t.Errorf("a reason of %d bytes is read as %q", n, e.Reason())
		}
		e, _ = new(rpcerr.Decoder).FromStatus(statusOf(codes.NotFound, "m", &errorsv1.ErrorInfo{Domain: name, Number: 7}))
		if got := e.Code().Domain() == name; got != want || !want && !e.Code().IsZero() {
			t.Errorf("a domain of %d bytes is read as %q", n, e.Code().Domain())
		}
	}
}

// However many small entries there are, the status fits.
func TestManySmallEntriesFitTheBudget(t *testing.T) {
	e := sdk.InstanceNotFound.Errorf("m")
	for i := range 400 {
		e = e.With(fmt.Sprintf("k%d", i), "")
		if size := rpcerr.Size(e.GRPCStatus().Proto()); size > rpcerr.DefaultBudget {
			t.Fatalf("%d entries: the status takes %d bytes", i+1, size)
		}
	}
	if !e.Trimmed() {
		t.Error("nothing was trimmed")
	}
}

// What is trimmed for the wire, its own process still has.
func TestTrimmingLeavesTheMetadata(t *testing.T) {
	for _, test := range []struct {
		name          string
		entries, size int
	}{
		{"too many keys", 400, 0},
		{"values that are too long", 40, 200},
	} {
		e, want := sdk.InstanceNotFound.Errorf("m"), map[string]string{}
		for i := range test.entries {
			key, value := fmt.Sprintf("key%03d", i), strings.Repeat("v", test.size)
			e, want[key] = e.With(key, value), value
		}
		sealed := e.Seal(rpcerr.Wire{Budget: rpcerr.MinBudget})
		e.GRPCStatus()
		for how, e := range map[string]*rpcerr.Error{"as it is": e, "sealed": sealed} {
			if diff := cmp.Diff(want, e.Metadata()); diff != "" || !e.Trimmed() {
				t.Errorf("%s, %s: trimmed %v (-want +got):\n%s", test.name, how, e.Trimmed(), diff)
			}
		}
	}
}

// As in any protobuf map the last of several entries with one key counts, before and after
// the status is made anew.
func TestMetadataThatComesTwice(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	st := sdk.InstanceNotFound.Errorf("m").GRPCStatus().Proto()
	want := map[string]string{}
	for i := range 100 {
		key, value := fmt.Sprintf("key%d", i%7), fmt.Sprint(i)
		entry, err := proto.Marshal(&errdetails.ErrorInfo{Metadata: map[string]string{key: value}})
		if err != nil {
			t.Fatal(err)
		}
		st.Details[1].Value = append(st.Details[1].Value, entry...)
		want[key] = value
	}
	e, _ := decoder.FromStatus(status.FromProto(st))
	for how, e := range map[string]*rpcerr.Error{"received": e, "made anew": e.WithRequestID("r1")} {
		if diff := cmp.Diff(want, e.Metadata()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", how, diff)
		}
		if got := e.MetadataValue("key1"); got != want["key1"] {
			t.Errorf("%s: MetadataValue = %q, want %q", how, got, want["key1"])
		}
	}
}

// Some on the way take blanks at the end of a header away.
func TestCutMessageEndsWithoutABlank(t *testing.T) {
	for n := range 8 {
		e := sdk.InstanceNotFound.Errorf("%s", strings.Repeat("x", n)+strings.Repeat("m   ", 5000)).Seal(rpcerr.Wire{})
		if got := e.GRPCStatus().Message(); !strings.HasSuffix(got, "m") {
			t.Errorf("the message ends in %q", got[len(got)-4:])
		}
	}
}
