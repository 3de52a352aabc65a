package mapping_test

import (
	stdcmp "cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
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

	"github.com/openyuanrong/statusmap/gen/rest"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

const typePrefix = "type.googleapis.com/"

func encoded(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// FuzzFromStatus reads statuses of any bytes. Whatever they are, what was received is
// kept, and what could be read of it survives being relayed.
func FuzzFromStatus(f *testing.F) {
	own := encoded(&errorsv1.ErrorInfo{Domain: "sdk.yuanrong", Number: 1003, RequestId: "r", Retry: &errorsv1.RetryHint{Class: 2, DelayMs: 70}})
	newer := encoded(&errorsv1.ErrorInfo{Domain: "new.domain", Number: math.MaxInt32, Trimmed: true})
	google := encoded(&errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "INSTANCE_NOT_FOUND", Metadata: map[string]string{"kk": "v", "": ""}})
	retry := encoded(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
	long := strings.Repeat("错误 %", 1000)
	for _, seed := range []struct {
		code               uint32
		message            string
		own, google, retry []byte
		url                string
		foreign            []byte
	}{
		{5, "gone", own, google, retry, "a/b", []byte("x")},
		{5, "gone", own, nil, nil, "", nil},
		{5, "gone", nil, google, retry, "", nil},
		{5, "gone", nil, google, nil, typePrefix + "google.rpc.DebugInfo", []byte("\x12\x01x")},
		{5, "gone", []byte{}, google, retry, "", nil},
		{14, "", newer, nil, nil, "", nil},
		{0, "fine", own, google, retry, "", nil},
		{17, "", own, nil, nil, "", nil},
		{math.MaxUint32, "\xff", own, google, nil, "\xff", []byte{0xff}},
		{2, long, own, google, nil, "a/b", []byte(long)},
		{2, "", own[:len(own)-1], google[:len(google)-1], retry[:1], typePrefix + "yuanrong.errors.v1.ErrorInfo", own},
		{2, "", append(own[:len(own):len(own)], newer...), append(google[:len(google):len(google)], google...), append(retry[:len(retry):len(retry)], retry...), "/", nil},
		{2, "", []byte("\x0a\x01x\x10\x00"), []byte("\x12\x01x"), nil, "", nil},
		{2, "", []byte("\x0a\x01x\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), nil, nil, "", nil},
		{2, "", []byte("\x0a\x03\xff\xfe\n\x10\x07\x22\x01\xff"), []byte("\x0a\x01\xff\x12\x03\xff\xfe\n\x1a\x06\x0a\x01\xff\x12\x01\xfe"), nil, "", nil},
		{2, "", []byte("\x10\x07\x1a\x02\x08\x7f"), nil, []byte("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x10\x7f"), "", nil},
	} {
		f.Add(seed.code, seed.message, seed.own, seed.google, seed.retry, seed.url, seed.foreign)
	}
	f.Fuzz(func(t *testing.T, code uint32, message string, own, google, retry []byte, url string, foreign []byte) {
		st := &spb.Status{Code: int32(code), Message: message}
		add := func(url string, value []byte) {
			if value != nil {
				st.Details = append(st.Details, &anypb.Any{TypeUrl: url, Value: value})
			}
		}
		add(typePrefix+"yuanrong.errors.v1.ErrorInfo", own)
		add(typePrefix+"google.rpc.ErrorInfo", google)
		add(url, foreign)
		add(typePrefix+"google.rpc.RetryInfo", retry)
		e, ok := mapping.FromStatus(status.FromProto(st))
		if ok != (code != 0) || ok != (e != nil) {
			t.Fatalf("FromStatus = %v, %v", e, ok)
		}
		if !ok {
			return
		}
		if got := e.GRPCStatus().Proto(); !proto.Equal(got, st) {
			t.Errorf("the status has changed (-received +kept):\n%s", cmp.Diff(st, got, protocmp.Transform()))
		}
		if e.GRPCCode() != codes.Code(code) || status.Code(e) != codes.Code(code) {
			t.Errorf("gRPC code %v, want %v", e.GRPCCode(), codes.Code(code))
		}
		if want := strings.ToValidUTF8(message, "\uFFFD"); e.Message() != want {
			t.Errorf("message %q, want %q", e.Message(), want)
		}
		checkDecoded(t, e)

		// Relayed, it is sent whole, and read as the same error.
		sealed := new(mapping.Mapper).Map(context.Background(), e).Seal(rpcerr.Wire{RequestID: "here"})
		again := throughWire(t, sealed, rpcerr.DefaultBudget)
		if e.Code().IsZero() || e.Inferred() {
			return // it has become 3002 or 3003
		}
		if again.Code() != e.Code() || again.Reason() != e.Reason() || again.Retry() != e.Retry() || again.RequestID() != e.RequestID() && e.RequestID() != "" {
			t.Errorf("relayed %v %q %v %q, want %v %q %v %q", again.Code(), again.Reason(), again.Retry(), again.RequestID(), e.Code(), e.Reason(), e.Retry(), e.RequestID())
		}
		if want := e.GRPCCode(); want <= codes.Unauthenticated && again.GRPCCode() != want {
			t.Errorf("relayed with gRPC code %v, want %v", again.GRPCCode(), want)
		}
	})
}

// checkDecoded holds what every decoded error promises.
func checkDecoded(t *testing.T, e *mapping.Error) {
	t.Helper()
	r := e.Retry()
	if r.Class < mapping.Never || r.Class > mapping.HigherLevel || r.Delay < 0 || r.Delay > rpcerr.MaxRetryDelay || r.Delay%time.Millisecond != 0 || r.Class == mapping.Never && r.Delay != 0 {
		t.Errorf("retry hint %+v is out of bounds", r)
	}
	texts := []string{e.Message(), e.Error(), e.Reason(), e.RequestID(), e.Code().Domain(), e.Code().String()}
	for k, v := range e.Metadata() {
		texts = append(texts, k, v)
	}
	for _, s := range texts {
		if !utf8.ValidString(s) {
			t.Errorf("%q is invalid UTF-8", s)
		}
	}
	if len(e.Error()) > 512 || strings.ContainsAny(e.Error(), "\r\n") {
		t.Errorf("Error() = %q, want one line of at most 512 bytes", e.Error())
	}
	if !e.Code().IsZero() && (!errors.Is(e, e.Code()) || e.Code().Number() <= 0 || e.Code().Domain() == "") {
		t.Errorf("the code %v is none", e.Code())
	}
	_ = e.LogValue().Resolve()
}

// throughWire sends e as gRPC does and returns what a client reads.
func throughWire(t *testing.T, e *mapping.Error, budget int) *mapping.Error {
	t.Helper()
	st := e.GRPCStatus().Proto()
	b, err := proto.Marshal(st)
	if err != nil {
		t.Fatalf("gRPC cannot send %v: %v", st, err)
	}
	if size := rpcerr.Size(st); size > budget {
		t.Fatalf("the status takes %d bytes, more than %d", size, budget)
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

// A builder makes an error tree of bytes: each takes a step.
type builder struct {
	steps      []byte
	text       string
	key, value string
	left       int // errors that may still be made
}

func (b *builder) next() byte {
	if len(b.steps) == 0 {
		return 0
	}
	s := b.steps[0]
	b.steps = b.steps[1:]
	return s
}

// code picks one of the first 109: as many are documented.
func (b *builder) code() mapping.Code {
	n := int(b.next()) % 109
	for catalog := range mapping.Catalogs() {
		for c := range catalog.All() {
			if n == 0 {
				return c
			}
			n--
		}
	}
	panic("no code")
}

// platform returns an error with a code and what its raiser may say about it.
func (b *builder) platform() *mapping.Error {
	e := b.code().Errorf("%s", b.text)
	for range 4 {
		switch b.next() % 9 {
		case 0:
			return e
		case 1:
			e = e.With(b.key, b.value)
		case 2:
			e = e.With(b.key+string(rune('a'+b.next()%26)), strings.Repeat(b.value, 1+int(b.next())))
		case 3:
			e = e.RetryAfter(time.Duration(b.next()) << (b.next() % 64))
		case 4:
			e = e.NotExecuted()
		case 5:
			e = e.DoNotRetry()
		case 6:
			e = e.WithDetails(&errdetails.DebugInfo{Detail: b.text}, &errdetails.ErrorInfo{Reason: "NOT_OURS"})
		case 7:
			e = e.WithDetails(&errdetails.Help{}, &errdetails.QuotaFailure{})
		case 8:
			e = e.WithRequestID(b.value)
		}
	}
	return e
}

func (b *builder) tree() error {
	if b.left--; b.left < 0 {
		return errors.New(b.text)
	}
	switch b.next() % 12 {
	case 0:
		return errors.New(b.text)
	case 1:
		return b.code()
	case 2, 3:
		return b.platform()
	case 4:
		return fmt.Errorf("%s: %w", b.text, b.tree())
	case 5:
		return errors.Join(b.tree(), b.tree(), b.tree())
	case 6:
		return b.code().Wrapf(b.tree(), "%s", b.value)
	case 7:
		return status.FromProto(&spb.Status{Code: int32(b.next()) % 20, Message: b.text, Details: []*anypb.Any{{TypeUrl: b.key, Value: []byte(b.value)}}}).Err()
	case 8:
		return []error{context.Canceled, context.DeadlineExceeded}[b.next()%2]
	case 9:
		return []error{(*mapping.Error)(nil), mapping.Code{}}[b.next()%2]
	case 10:
		e, _ := mapping.FromStatus(b.platform().GRPCStatus())
		return e
	default:
		e, ok := mapping.FromStatus(status.New(codes.Code(b.next()%20), b.text))
		if !ok {
			return mapping.Code{}
		}
		return e
	}
}

// FuzzRoundTrip maps error trees of any shape and reads on the other side what the
// mapper promised.
func FuzzRoundTrip(f *testing.F) {
	long := strings.Repeat("值", 2000)
	for _, seed := range []struct {
		steps            []byte
		text, key, value string
		budget           int
	}{
		{nil, "", "", "", 0},
		{[]byte{1, 2}, "", "", "", 0},
		{[]byte{2, 2, 1, 2, 0, 3, 3, 200, 20}, "no instance", "instance", "a1", 0},
		{[]byte{2, 1, 2, 0, 255, 2, 1, 255, 2, 2, 255, 2, 3, 255}, long, "key", long, rpcerr.MinBudget},
		{[]byte{2, 24, 6, 7, 4, 8}, "bad \xff\xfe", "k\xff", "v\xff\x00", 1},
		{[]byte{4, 4, 4, 5, 0, 9, 0, 2, 19, 1}, "wrapped\n", "_", "%", 7168},
		{[]byte{5, 9, 1, 0, 7, 5}, "status", "\xff", "\xff", 1 << 30},
		{[]byte{7, 0}, "fine", "", "", -1},
		{[]byte{7, 17}, "17", "a/b", long, 2000},
		{[]byte{5, 8, 0, 8, 1, 1, 2}, "context", "", "", 0},
		{[]byte{6, 50, 6, 30, 10, 3, 1}, "cause", "Key", "v", 0},
		{[]byte{10, 21, 6, 1, 2, 9, 200}, long, "key", long, 0},
		{[]byte{11, 14}, "down", "", "", 0},
		{[]byte{4, 11, 19}, "odd", "", "", 0},
	} {
		f.Add(seed.steps, seed.text, seed.key, seed.value, seed.budget)
	}
	mapper := &mapping.Mapper{Rules: []mapping.Rule{mapping.WhenIs(context.Canceled, rest.EtcdError)}}
	f.Fuzz(func(t *testing.T, steps []byte, text, key, value string, budget int) {
		if len(text)+len(key)+len(value) > 1<<14 {
			return
		}
		b := &builder{steps, text, key, value, 30}
		err := b.tree()
		if err == nil {
			if mapper.Map(context.Background(), err) != nil {
				t.Error("nil became an error")
			}
			return
		}
		mapped := mapper.Map(context.Background(), err)
		if mapped == nil {
			t.Fatalf("%v became nil", err)
		}
		within := min(max(budget, rpcerr.MinBudget), rpcerr.MaxBudget)
		if budget == 0 {
			within = rpcerr.DefaultBudget
		}
		sealed := mapped.Seal(rpcerr.Wire{RequestID: "r", Budget: budget})
		got := throughWire(t, sealed, within)
		if !sealed.Code().IsZero() && !sealed.Inferred() {
			if got.Code() != mapped.Code() || got.Retry() != mapped.Retry() || got.Reason() != mapped.Reason() {
				t.Errorf("got %v %v %q, want %v %v %q", got.Code(), got.Retry(), got.Reason(), mapped.Code(), mapped.Retry(), mapped.Reason())
			}
			if want := stdcmp.Or(mapped.RequestID(), "r"); mapped.Origin() == mapping.OriginLocal && got.RequestID() != want {
				t.Errorf("request id %q, want %q", got.RequestID(), want)
			}
			checkKept(t, mapped, got)
		}
		want := mapped.GRPCCode()
		if want > codes.Unauthenticated {
			want = codes.Unknown
		}
		if got.GRPCCode() != want {
			t.Errorf("gRPC code %v, want %v", got.GRPCCode(), want)
		}
	})
}

// checkKept compares what was sent with what came: all of it, or marked.
func checkKept(t *testing.T, sent, got *mapping.Error) {
	t.Helper()
	if !got.Trimmed() {
		if got.Message() != sent.Message() {
			t.Errorf("message %q, want %q", got.Message(), sent.Message())
		}
		if diff := cmp.Diff(sent.Metadata(), got.Metadata()); diff != "" {
			t.Errorf("metadata (-sent +got):\n%s", diff)
		}
		return
	}
	if !strings.HasPrefix(sent.Message(), got.Message()) {
		t.Errorf("message %q is no beginning of %q", got.Message(), sent.Message())
	}
	for k, v := range got.Metadata() {
		if was, ok := sent.Metadata()[k]; !ok || v != "" && v != was {
			t.Errorf("metadata %q: %q, sent was %q", k, v, was)
		}
	}
	if len(got.Metadata()) != 0 && len(got.Metadata()) != len(sent.Metadata()) {
		t.Errorf("%d metadata keys, want all %d or none", len(got.Metadata()), len(sent.Metadata()))
	}
}
