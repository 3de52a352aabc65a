package rpcerr_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

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
