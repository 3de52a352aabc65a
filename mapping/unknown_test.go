package mapping_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

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

// peerError returns the error that a peer sent under that identity.
func peerError(t testing.TB, domain string, number int32, reason string, retry *errorsv1.RetryHint) *mapping.Error {
	t.Helper()
	e, ok := mapping.FromStatus(statusOf(codes.Aborted, "text",
		&errorsv1.ErrorInfo{Domain: domain, Number: number, Retry: retry},
		&errdetails.ErrorInfo{Domain: domain, Reason: reason, Metadata: map[string]string{"kk": "v"}}))
	if !ok {
		t.Fatal("no error")
	}
	return e
}

// TestNewerPeer: what a peer with a newer catalogue says is kept, although nobody here
// knows the number.
func TestNewerPeer(t *testing.T) {
	for _, domain := range []string{"sdk.yuanrong", "new.yuanrong"} {
		for _, test := range []struct {
			hint *errorsv1.RetryHint
			want mapping.Retry
		}{
			{nil, mapping.Retry{Class: mapping.Never}},
			{&errorsv1.RetryHint{}, mapping.Retry{Class: mapping.Never}},
			{&errorsv1.RetryHint{Class: 77, DelayMs: 5}, mapping.Retry{Class: mapping.Never}},
			{&errorsv1.RetryHint{Class: errorsv1.RetryClass_RETRY_CLASS_SAFE, DelayMs: 5}, mapping.Retry{Class: mapping.Safe, Delay: 5 * time.Millisecond}},
			{&errorsv1.RetryHint{Class: errorsv1.RetryClass_RETRY_CLASS_HIGHER_LEVEL}, mapping.Retry{Class: mapping.HigherLevel}},
		} {
			e := peerError(t, domain, 9999, "BRAND_NEW", test.hint)
			c := e.Code()
			if c.Domain() != domain || c.Number() != 9999 || c.Listed() || c.IsZero() || e.Reason() != "BRAND_NEW" || e.Message() != "text" || e.Metadata()["kk"] != "v" || e.GRPCCode() != codes.Aborted {
				t.Errorf("decoded %v with reason %q, message %q, metadata %v, grpc %v", c, e.Reason(), e.Message(), e.Metadata(), e.GRPCCode())
			}
			if e.Retry() != test.want {
				t.Errorf("hint %v gives %v, want %v", test.hint, e.Retry(), test.want)
			}
			if e.Origin() != mapping.OriginPeer || e.Inferred() {
				t.Errorf("origin %v, inferred %v", e.Origin(), e.Inferred())
			}
			if c.Describe("zh") != "" || c.DocumentedMessage() != "" || c.Reason() != "" {
				t.Errorf("%v has texts of its own", c)
			}
		}
	}
}

// TestRelayedNewerCode: an unlisted code that is raised again travels as before.
func TestRelayedNewerCode(t *testing.T) {
	c := peerError(t, "sdk.yuanrong", 9999, "BRAND_NEW", nil).Code()
	for _, e := range []*mapping.Error{c.AsError(), c.Errorf("mine"), c.Wrap(errors.New("why")), c.With("key", "v")} {
		again, _ := mapping.FromStatus(e.GRPCStatus())
		if again.Code() != c || !errors.Is(again, c) {
			t.Errorf("%v came back as %v", c, again.Code())
		}
	}
}

func TestUnlistedCodesAreComparable(t *testing.T) {
	a, b := peerError(t, "sdk.yuanrong", 9999, "A_A", nil), peerError(t, "sdk.yuanrong", 9999, "B_B", nil)
	if a.Code() != b.Code() || !errors.Is(a, b.Code()) {
		t.Error("two errors of one unlisted number have different codes")
	}
	counts := map[mapping.Code]int{}
	for range 3 {
		counts[peerError(t, "sdk.yuanrong", 9999, "", nil).Code()]++
		runtime.GC() // the map alone keeps the code
	}
	if counts[a.Code()] != 3 || len(counts) != 1 {
		t.Errorf("counted %v, want 3 of one code", counts)
	}
	switch b.Code() {
	case a.Code():
	default:
		t.Error("an unlisted code is no switch case")
	}
}

// TestOneNumberInTwoDomains: the number alone never matches.
func TestOneNumberInTwoDomains(t *testing.T) {
	elsewhere, unlisted := peerError(t, "other.domain", 1003, "INSTANCE_NOT_FOUND", nil), peerError(t, "rest.yuanrong", 1003, "INSTANCE_NOT_FOUND", nil)
	here := sdk.InstanceNotFound.Errorf("x")
	all := []*mapping.Error{elsewhere, unlisted, here}
	for i, a := range all {
		for j, b := range all {
			if got, want := errors.Is(a, b.Code()), i == j; got != want {
				t.Errorf("errors.Is(%v, %v) = %v, want %v", a, b.Code(), got, want)
			}
			if got, want := a.Code() == b.Code(), i == j; got != want {
				t.Errorf("%v == %v is %v, want %v", a.Code(), b.Code(), got, want)
			}
		}
	}
}

// TestManyUnknownCodes decodes a million different numbers, as a hostile peer may
// send, and finds the heap as before.
func TestManyUnknownCodes(t *testing.T) {
	n := 1_000_000
	if testing.Short() || raceEnabled {
		n = 50_000
	}
	st := statusOf(codes.Aborted, "").Proto()
	detail := &anypb.Any{TypeUrl: "type.googleapis.com/yuanrong.errors.v1.ErrorInfo"}
	st.Details = []*anypb.Any{detail}
	prefix := []byte("\x0a\x01d\x10")
	decode := func(i int) {
		detail.Value = binary.AppendUvarint(prefix[:len(prefix):len(prefix)], uint64(i))
		e, _ := mapping.FromStatus(status.FromProto(st))
		if e.Code().Number() != int32(i) {
			t.Fatalf("decoded %v, want number %d", e.Code(), i)
		}
	}
	decode(1)
	before := heap()
	for i := range n {
		decode(i + 1)
	}
	// Cleanups run on a goroutine of their own, after the collection.
	const limit = 4 << 20
	var after uint64
	for range 200 {
		if after = heap(); after < before+limit {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("the heap has grown from %s to %s", mib(before), mib(after))
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func mib(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// TestRelayedSafe: that nothing was executed holds for the service that says so. One in
// the middle may have done something before, whichever way the hint came to it.
func TestRelayedSafe(t *testing.T) {
	own := &errorsv1.ErrorInfo{Domain: "sdk.yuanrong", Number: 1002}
	hinted := &errorsv1.ErrorInfo{Domain: "sdk.yuanrong", Number: 1002, Retry: &errorsv1.RetryHint{Class: errorsv1.RetryClass_RETRY_CLASS_SAFE, DelayMs: 1000}}
	google := &errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "RESOURCE_NOT_ENOUGH"}
	after := &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}
	for name, details := range map[string][]proto.Message{
		"everything":                   {hinted, google, after},
		"no hint":                      {own, google, after},
		"no hint, no RetryInfo":        {own, google},
		"standard details":             {google, after},
		"reason only":                  {google},
		"nameless detail beside those": {&errorsv1.ErrorInfo{}, google, after},
	} {
		e, _ := mapping.FromStatus(statusOf(codes.ResourceExhausted, "full", details...))
		if want := sdk.ResourceNotEnough.Retry(); e.Retry() != want || !e.Repeatable(false) {
			t.Errorf("%s: retry %v, Repeatable(false) = %v; want %v, true", name, e.Retry(), e.Repeatable(false), want)
		}
		relay := func(idempotent bool) *mapping.Error {
			sealed := new(mapping.Mapper).Map(context.Background(), e).Seal(rpcerr.Wire{Idempotent: idempotent})
			relayed, _ := mapping.FromStatus(sealed.GRPCStatus())
			if relayed.Code() != sdk.ResourceNotEnough || relayed.Retry() != e.Retry() || relayed.Message() != "full" {
				t.Errorf("%s: relayed as %v, %v, %q", name, relayed.Code(), relayed.Retry(), relayed.Message())
			}
			return relayed
		}
		if once := relay(false); once.Repeatable(false) || !once.Repeatable(true) {
			t.Errorf("%s: relayed by a method that is not idempotent, Repeatable = %v and %v, want false and true", name, once.Repeatable(false), once.Repeatable(true))
		}
		if !relay(true).Repeatable(false) {
			t.Errorf("%s: relayed by an idempotent method, Repeatable(false) = false", name)
		}
	}
}
