package mapping_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// The seeds of the fuzz targets that are well-formed are added by the targets. What is
// damaged, or no sender of ours would write, lies in testdata/fuzz, a file for each
// case. go test runs them all.

const (
	typePrefix   = "type.googleapis.com/"
	ownType      = "yuanrong.errors.v1.ErrorInfo"
	googleType   = "google.rpc.ErrorInfo"
	retryType    = "google.rpc.RetryInfo"
	debugType    = "google.rpc.DebugInfo"
	maxFuzzInput = 1 << 12 // more bytes make the fuzzing slow, and find nothing else
)

func encoded(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// Well-formed details for seeds.
var (
	ownBytes    = encoded(&errorsv1.ErrorInfo{Domain: "sdk.yuanrong", Number: 1003, RequestId: "r", Retry: &errorsv1.RetryHint{Class: 2, DelayMs: 70}})
	newerBytes  = encoded(&errorsv1.ErrorInfo{Domain: "new.domain", Number: math.MaxInt32, Trimmed: true})
	googleBytes = encoded(&errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "INSTANCE_NOT_FOUND", Metadata: map[string]string{"kk": "v", "": ""}})
	retryBytes  = encoded(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
)

// FuzzDecode reads statuses of any bytes, as they come in grpc-status-details-bin.
func FuzzDecode(f *testing.F) {
	detail := func(name string, value []byte) *anypb.Any {
		return &anypb.Any{TypeUrl: typePrefix + name, Value: value}
	}
	own, google, retry := detail(ownType, ownBytes), detail(googleType, googleBytes), detail(retryType, retryBytes)
	for _, st := range []*spb.Status{
		{Code: 5, Message: "gone", Details: []*anypb.Any{own, google, retry}},
		{Code: 14, Message: "down"},
		{Code: 14, Message: "wait", Details: []*anypb.Any{retry}},
		{Code: 10, Details: []*anypb.Any{detail(ownType, newerBytes)}},
		{Code: 5, Message: "gone", Details: []*anypb.Any{google, retry}},
		{Code: 9, Message: "no", Details: []*anypb.Any{own, google, detail(debugType, []byte("\x12\x01x")), {TypeUrl: "a/b", Value: []byte("x")}}},
	} {
		f.Add(encoded(st))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxFuzzInput {
			return
		}
		st := new(spb.Status)
		if proto.Unmarshal(b, st) != nil {
			// gRPC reads no details then. As the content of each detail the bytes are
			// something to read all the same.
			st = &spb.Status{Code: int32(codes.Aborted), Details: []*anypb.Any{detail(ownType, b), detail(googleType, b), detail(retryType, b)}}
		}
		if e := checkReceived(t, st); e != nil {
			checkRelayed(t, e, st)
		}
	})
}

// FuzzFromStatus reads statuses whose details have any bytes, and changes what it read
// as a program may. Whatever the bytes and the changes are, what could be read survives.
func FuzzFromStatus(f *testing.F) {
	long := strings.Repeat("错误 %", 400)
	for _, seed := range []struct {
		code               uint32
		message            string
		own, google, retry []byte
		url                string
		foreign            []byte
		steps              []byte
	}{
		{5, "gone", ownBytes, googleBytes, retryBytes, "a/b", []byte("x"), nil},
		{5, "gone", ownBytes, nil, nil, "", nil, []byte{1, 2, 3, 4, 5, 6}},
		{5, "gone", nil, googleBytes, retryBytes, "", nil, []byte{2}},
		{5, "gone", nil, googleBytes, nil, typePrefix + debugType, []byte("\x12\x01x"), []byte{4}},
		{14, "", newerBytes, nil, nil, "", nil, []byte{8, 1}},
		{14, "", nil, nil, retryBytes, "", nil, []byte{3}},
		{0, "fine", ownBytes, googleBytes, retryBytes, "", nil, nil},
		{2, long, ownBytes, googleBytes, nil, "a/b", []byte(long), []byte{5, 9}},
	} {
		f.Add(seed.code, seed.message, seed.own, seed.google, seed.retry, seed.url, seed.foreign, seed.steps)
	}
	f.Fuzz(func(t *testing.T, code uint32, message string, own, google, retry []byte, url string, foreign, steps []byte) {
		if len(message)+len(own)+len(google)+len(retry)+len(url)+len(foreign) > maxFuzzInput {
			return
		}
		st := &spb.Status{Code: int32(code), Message: message}
		add := func(url string, value []byte) {
			if len(value) > 0 {
				st.Details = append(st.Details, &anypb.Any{TypeUrl: url, Value: value})
			}
		}
		add(typePrefix+ownType, own)
		add(typePrefix+googleType, google)
		add(url, foreign)
		add(typePrefix+retryType, retry)
		e := checkReceived(t, st)
		if e == nil {
			return
		}
		checkRelayed(t, e, st)
		checkChanged(t, e, steps, url, message)
	})
}

// checkReceived decodes a status and holds what every decoded error promises. It
// returns the error, nil if the status is none.
func checkReceived(t *testing.T, st *spb.Status) *mapping.Error {
	received := status.FromProto(st)
	e, ok := mapping.FromStatus(received)
	if ok != (st.Code != 0) || ok != (e != nil) {
		t.Fatalf("FromStatus(%v) = %v, %v", st, e, ok)
	}
	if !ok {
		return nil
	}
	if got := e.GRPCStatus(); got != received {
		t.Errorf("the status %v became %v", st, got.Proto())
	}
	if !proto.Equal(received.Proto(), st) {
		t.Errorf("the status %v was changed to %v", st, received.Proto())
	}
	if want := codes.Code(st.Code); e.GRPCCode() != want || status.Code(e) != want {
		t.Errorf("gRPC code %v, and %v for others, want %v", e.GRPCCode(), status.Code(e), want)
	}
	if want := strings.ToValidUTF8(st.Message, "\uFFFD"); e.Message() != want {
		t.Errorf("message %q, want %q", e.Message(), want)
	}
	checkDecoded(t, e)
	if again, ok := mapping.FromError(e); !ok || again != e {
		t.Errorf("FromError of a decoded error is another one, %v", again)
	}
	if again, ok := mapping.FromError(received.Err()); !ok || identityOf(again) != identityOf(e) {
		t.Errorf("FromError finds %+v in the status, FromStatus %+v", identityOf(again), identityOf(e))
	}
	return e
}

// checkDecoded holds what every error that was read promises about its parts.
func checkDecoded(t *testing.T, e *mapping.Error) {
	r := e.Retry()
	if r.Class < mapping.Never || r.Class > mapping.HigherLevel || r.Delay < 0 || r.Delay > rpcerr.MaxRetryDelay || r.Delay%time.Millisecond != 0 || r.Class == mapping.Never && r.Delay != 0 {
		t.Errorf("retry hint %+v is out of bounds", r)
	}
	text := e.Error()
	for _, s := range [...]string{e.Message(), text, e.Reason(), e.RequestID(), e.Code().Domain()} {
		if !utf8.ValidString(s) {
			t.Errorf("%q is invalid UTF-8", s)
		}
	}
	m := e.Metadata()
	for k, v := range m {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			t.Errorf("metadata %q=%q is invalid UTF-8", k, v)
		}
		if got := e.MetadataValue(k); got != v {
			t.Errorf("MetadataValue(%q) = %q, want %q", k, got, v)
		}
	}
	if got := e.MetadataValue("absent"); got != m["absent"] {
		t.Errorf("MetadataValue(absent) = %q, want %q", got, m["absent"])
	}
	if len(text) > 512 || strings.ContainsAny(text, "\r\n") {
		t.Errorf("Error() = %q, want one line of at most 512 bytes", text)
	}
	if len(e.Code().Domain()) > 63 || len(e.Reason()) > 63 || len(e.RequestID()) > 128 {
		t.Errorf("domain %q, reason %q or request id %q is too long", e.Code().Domain(), e.Reason(), e.RequestID())
	}
	if !e.Code().IsZero() && (!errors.Is(e, e.Code()) || e.Code().Number() <= 0 || e.Code().Domain() == "") {
		t.Errorf("the code %v is none", e.Code())
	}
}

// An identity is what no trimming and no relaying may cost.
type identity struct {
	domain string
	number int32
	reason string
	retry  mapping.Retry
	grpc   codes.Code
}

func identityOf(e *mapping.Error) identity {
	return identity{e.Code().Domain(), e.Code().Number(), e.Reason(), e.Retry(), e.GRPCCode()}
}

// sent returns the identity as it arrives: with a gRPC code that gRPC defines.
func (i identity) sent() identity {
	if i.grpc > codes.Unauthenticated {
		i.grpc = codes.Unknown
	}
	return i
}

// checkRelayed passes a received error on, and again from there.
func checkRelayed(t *testing.T, e *mapping.Error, st *spb.Status) {
	sealed := new(mapping.Mapper).Map(context.Background(), e).Seal(rpcerr.Wire{RequestID: "here"})
	again := throughWire(t, sealed, rpcerr.DefaultBudget)
	if e.Code().IsZero() || e.Inferred() {
		if want := [...]int32{3002, 3003}; !slices.Contains(want[:], again.Code().Number()) || again.Inferred() {
			t.Errorf("an error of another service became %v, want one of %v", again.Code(), want)
		}
		return
	}
	if got, want := identityOf(again), identityOf(e).sent(); got != want || again.RequestID() != e.RequestID() && e.RequestID() != "" {
		t.Errorf("relayed %+v %q, want %+v %q", got, again.RequestID(), want, e.RequestID())
	}
	if again.Repeatable(false) {
		t.Errorf("relayed by a method that is not idempotent, %v may be repeated by all", again)
	}
	checkKept(t, e, rpcerr.Wire{}, again)
	if !again.Trimmed() {
		checkDetails(t, othersIn(sealed.GRPCStatus().Proto()), othersIn(st))
	}
	twice := throughWire(t, new(mapping.Mapper).Map(context.Background(), again).Seal(rpcerr.Wire{}), rpcerr.DefaultBudget)
	if got, want := identityOf(twice), identityOf(again); got != want || twice.Message() != again.Message() || twice.RequestID() != again.RequestID() {
		t.Errorf("relayed again %+v %q %q, want %+v %q %q", got, twice.Message(), twice.RequestID(), want, again.Message(), again.RequestID())
	}
}

// othersIn returns the details that are neither ours nor for nobody else's eyes.
func othersIn(st *spb.Status) []*anypb.Any {
	return slices.DeleteFunc(slices.Clone(st.Details), func(a *anypb.Any) bool {
		for _, name := range [...]string{ownType, googleType, retryType, debugType} {
			if strings.HasSuffix("/"+a.TypeUrl, "/"+name) {
				return true
			}
		}
		return false
	})
}

func checkDetails(t *testing.T, got, want []*anypb.Any) {
	if !slices.EqualFunc(got, want, func(a, b *anypb.Any) bool { return proto.Equal(a, b) }) {
		t.Errorf("details of others %v, want %v", got, want)
	}
}

// checkChanged changes an error, a step for each byte, and sends what comes of it.
func checkChanged(t *testing.T, e *mapping.Error, steps []byte, key, value string) {
	steps = steps[:min(len(steps), 12)]
	changed, wire := change(e, steps, key, value)
	want := identityOf(e)
	want.retry = hintAfter(e.Retry(), steps)
	if got := identityOf(changed); got != want && got != want.sent() {
		t.Errorf("changed by %v: %+v, want %+v", steps, got, want)
	}
	if status.Code(changed) != e.GRPCCode() && status.Code(changed) != codes.Unknown {
		t.Errorf("changed by %v: gRPC code %v, want %v", steps, status.Code(changed), e.GRPCCode())
	}
	sealed := changed.Seal(wire)
	got := throughWire(t, sealed, budgetOf(wire))
	if want = want.sent(); changed.Code().IsZero() {
		if !got.Code().IsZero() && !got.Inferred() {
			t.Errorf("changed by %v, an error without a code got %v", steps, got.Code())
		}
		if got.GRPCCode() != want.grpc {
			t.Errorf("changed by %v: sent as %v, want %v", steps, got.GRPCCode(), want.grpc)
		}
		return
	}
	if changed.Inferred() {
		// A guess is not sent. The client makes its own by the rest, which has the hint too.
		want.retry = e.Retry()
		if sealed.Trimmed() && hasLargeRetryInfo(e) {
			want.retry = got.Retry()
		}
		if id := identityOf(got); id != want || !got.Inferred() || !strings.HasPrefix(e.Message(), got.Message()) {
			t.Errorf("changed by %v, a guess is sent as %+v, a guess: %v; want %+v", steps, id, got.Inferred(), want)
		}
	} else {
		if id := identityOf(got); id != want || got.RequestID() != sealed.RequestID() || got.Trimmed() != sealed.Trimmed() {
			t.Errorf("changed by %v: sent as %+v %q, trimmed %v; want %+v %q, %v", steps, id, got.RequestID(), got.Trimmed(), want, sealed.RequestID(), sealed.Trimmed())
		}
		checkKept(t, changed, wire, got)
	}
	// The same steps give the same bytes.
	twin, _ := change(e, steps, key, value)
	if a, b := encoded(sealed.GRPCStatus().Proto()), encoded(twin.Seal(wire).GRPCStatus().Proto()); string(a) != string(b) {
		t.Errorf("changed by %v: %q and then %q", steps, a, b)
	}
}

// hasLargeRetryInfo reports whether an error came with a RetryInfo that is no small one.
func hasLargeRetryInfo(e *mapping.Error) bool {
	return slices.ContainsFunc(e.GRPCStatus().Proto().Details, func(a *anypb.Any) bool {
		return strings.HasSuffix(a.TypeUrl, retryType) && len(a.Value) > 100
	})
}

var (
	aDetail     = &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{Subject: "s", Description: "d"}}}
	anyDebug    = &errdetails.DebugInfo{Detail: "stack"}
	notForUsers = &errdetails.ErrorInfo{Reason: "NOT_OURS"}
)

// change does to an error what each step says, and returns how it is to be sent.
func change(e *mapping.Error, steps []byte, key, value string) (*mapping.Error, rpcerr.Wire) {
	var wire rpcerr.Wire
	for _, step := range steps {
		switch step % 16 {
		case 0:
			wire.CodeInMetadata = true
		case 1:
			e = e.With(key, value)
		case 2:
			e = e.With("key-"+key, value, key, key, "last")
		case 3:
			e = e.WithRequestID(value)
		case 4:
			e = e.WithoutDebugInfo()
		case 5:
			e = e.WithDetails(aDetail, anyDebug, notForUsers, nil)
		case 6:
			e = e.RetryAfter(time.Duration(step) << 24)
		case 7:
			e = e.NotExecuted()
		case 8:
			e = e.DoNotRetry()
		case 9:
			e = e.WithCause(errors.New(key)).WithAttempts(int(step))
		case 10:
			e = e.WithOrigin(mapping.Origin(step >> 4 % 4))
		case 11:
			wire.Idempotent = true
		case 12:
			wire.Budget = int(step)<<5 + 1
		case 13:
			wire.RequestID = value
		case 14:
			wire.Details = []proto.Message{aDetail}
		case 15:
			e = e.Seal(wire)
		}
	}
	return e, wire
}

// hintAfter returns what a hint is to be after the steps of change.
func hintAfter(r mapping.Retry, steps []byte) mapping.Retry {
	for _, step := range steps {
		switch step % 16 {
		case 6:
			if r.Class != mapping.Never {
				r.Delay = (time.Duration(step)<<24 + time.Millisecond - 1).Truncate(time.Millisecond)
			}
		case 7:
			if r.Class == mapping.Idempotent {
				r.Class = mapping.Safe
			}
		case 8:
			r = mapping.Retry{Class: mapping.Never}
		}
	}
	return r
}

func budgetOf(w rpcerr.Wire) int {
	if w.Budget == 0 {
		return rpcerr.DefaultBudget
	}
	return min(max(w.Budget, rpcerr.MinBudget), rpcerr.MaxBudget)
}

// throughWire sends e as gRPC does and returns what a client reads.
func throughWire(t *testing.T, e *mapping.Error, budget int) *mapping.Error {
	st := e.GRPCStatus().Proto()
	b, err := proto.Marshal(st)
	if err != nil {
		t.Fatalf("gRPC cannot send %v: %v", st, err)
	}
	if size := rpcerr.Size(st); size > budget {
		t.Fatalf("the status takes %d bytes, more than %d: %v", size, budget, st)
	}
	if st.Code <= 0 || st.Code > int32(codes.Unauthenticated) {
		t.Fatalf("sent gRPC code %d", st.Code)
	}
	received := new(spb.Status)
	if err := proto.Unmarshal(b, received); err != nil {
		t.Fatal(err)
	}
	again, ok := mapping.FromStatus(status.FromProto(received))
	if !ok {
		t.Fatalf("%v became a success", e)
	}
	checkDecoded(t, again)
	return again
}

// checkKept compares what was sent with what came: all of it, or marked.
func checkKept(t *testing.T, sent *mapping.Error, wire rpcerr.Wire, got *mapping.Error) {
	before, after := sent.Metadata(), got.Metadata()
	number := strconv.Itoa(int(sent.Code().Number()))
	if _, taken := before["code"]; wire.CodeInMetadata && !taken {
		before = maps.Clone(before)
		if before == nil {
			before = map[string]string{}
		}
		before["code"] = number
	}
	if !got.Trimmed() {
		if got.Message() != sent.Message() && (sent.Message() != "" || got.Message() != got.Code().Description("en")) {
			t.Errorf("message %q, want %q", got.Message(), sent.Message())
		}
		if !maps.Equal(after, before) {
			t.Errorf("metadata %v, want %v", after, before)
		}
		return
	}
	if !strings.HasPrefix(sent.Message(), got.Message()) && sent.Message() != "" {
		t.Errorf("message %q is no beginning of %q", got.Message(), sent.Message())
	}
	kept := len(after)
	if before["code"] == number {
		if after["code"] != number {
			t.Errorf("the number in the metadata became %q", after["code"])
		}
		kept--
	}
	for k, v := range after {
		if was, ok := before[k]; !ok || v != was && v != "" {
			t.Errorf("metadata %q=%q, sent was %q", k, v, was)
		}
	}
	if kept != 0 && len(after) != len(before) {
		t.Errorf("%d metadata keys, want all %d or none", len(after), len(before))
	}
}
