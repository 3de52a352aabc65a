package rpcerr

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
)

// FuzzWire holds the hand-written encoding to what the protobuf runtime makes of the
// generated messages, byte for byte, and the computed size to the real one.
func FuzzWire(f *testing.F) {
	f.Add("sdk.yuanrong", int32(3011), "LOCAL_SCHEDULER_OPERATION_ERROR", "no node", uint8(3), int64(1500), "req-1", "node", "n1", "zone", "")
	f.Add("", int32(0), "", "", uint8(0), int64(0), "", "", "", "", "")
	f.Add("a.b", int32(-1), "\xff", "%\n错误", uint8(200), int64(math.MaxInt64), "\x00", "k", "\xc3\x28", "k", "重")
	f.Fuzz(func(t *testing.T, domain string, number int32, reason, message string, class uint8, ms int64, id, k1, v1, k2, v2 string) {
		for _, s := range []*string{&domain, &reason, &message, &id, &v1, &v2} {
			*s = validUTF8(*s)
		}
		number = max(1, number)
		retry := Retry{RetryClass(class), time.Duration(ms) * time.Millisecond}.normal()
		pairs := with(nil, k1, v1, []string{k2, v2})
		e := &Error{facts: facts{
			code: Code{&Row{Domain: domain, Number: number, Reason: reason, GRPC: codes.Aborted}},
			grpc: codes.Aborted, message: message, requestID: id, metadata: pairs,
		}}
		e.setRetry(retry)
		d := draft{
			grpc: e.grpc, message: e.Message(), code: e.code, reason: reason, metadata: pairs,
			retry: retry, retryInfo: true, requestID: id, trimmed: class&1 == 1,
		}
		got := new(scratch)
		st := d.fill(got)

		metadata := map[string]string{}
		for _, p := range pairs {
			metadata[p.key] = p.value
		}
		marshal := proto.MarshalOptions{Deterministic: true}
		want := []proto.Message{
			&errorsv1.ErrorInfo{
				Domain: domain, Number: number, RequestId: id, Trimmed: d.trimmed,
				Retry: &errorsv1.RetryHint{Class: errorsv1.RetryClass(retry.Class), DelayMs: uint32(retry.Delay.Milliseconds())},
			},
			&errdetails.ErrorInfo{Reason: reason, Domain: domain, Metadata: metadata},
			&errdetails.RetryInfo{RetryDelay: durationpb.New(retry.Delay)},
		}
		for i, m := range want {
			var detail anypb.Any
			if err := anypb.MarshalFrom(&detail, m, marshal); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(st.Details[i].Value, detail.Value) || st.Details[i].TypeUrl != detail.TypeUrl {
				t.Errorf("detail %d: got %q %x, want %q %x", i, st.Details[i].TypeUrl, st.Details[i].Value, detail.TypeUrl, detail.Value)
			}
		}
		if got, want := d.size(), Size(st); got != want {
			t.Errorf("computed size %d, real size %d", got, want)
		}

		if d.bound() < d.size() {
			t.Errorf("bound %d below the size %d", d.bound(), d.size())
		}

		// And back.
		info := scanErrorInfo(st.Details[0].Value)
		if string(info.domain) != domain || info.number != number || info.retry != retry || string(info.requestID) != id || info.trimmed != d.trimmed {
			t.Errorf("scanned %+v, of %v", info, want[0])
		}
		if got := scanMetadata(st.Details[1].Value); !slices.Equal(got, pairs) {
			t.Errorf("scanned metadata %v, want %v", got, pairs)
		}
		if got := scanRetryInfo(st.Details[2].Value); got != retry.Delay {
			t.Errorf("scanned delay %v, want %v", got, retry.Delay)
		}
	})
}

// FuzzScan holds the reading of damaged details to what the protobuf runtime reads
// where it reads anything, and to not failing where it does not.
func FuzzScan(f *testing.F) {
	seed, err := proto.Marshal(&errorsv1.ErrorInfo{Domain: "a.b", Number: 7, RequestId: "x", Trimmed: true, Retry: &errorsv1.RetryHint{Class: 2, DelayMs: 9}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(append(seed, seed...))
	f.Add(seed[:len(seed)-1])
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		info := scanErrorInfo(b)
		pairs := scanMetadata(b)
		delay := scanRetryInfo(b)
		var own errorsv1.ErrorInfo
		if proto.Unmarshal(b, &own) == nil {
			if string(info.domain) != own.Domain || info.number != own.Number || string(info.requestID) != own.RequestId || info.trimmed != own.Trimmed {
				t.Errorf("scanned %+v of %v", info, &own)
			}
			if c := own.GetRetry().GetClass(); c >= 0 && c <= 4 && info.retry.Class != RetryClass(c) {
				t.Errorf("scanned class %v of %v", info.retry.Class, &own)
			}
			if want := time.Duration(own.GetRetry().GetDelayMs()) * time.Millisecond; info.retry.Delay != want {
				t.Errorf("scanned delay %v, want %v", info.retry.Delay, want)
			}
		}
		var google errdetails.ErrorInfo
		if proto.Unmarshal(b, &google) == nil {
			got := map[string]string{}
			for _, p := range pairs {
				got[p.key] = p.value
			}
			want := google.Metadata
			if want == nil {
				want = map[string]string{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("scanned metadata (-want +got):\n%s", diff)
			}
		}
		for _, p := range pairs {
			if got := metadataValue(b, p.key); got != p.value {
				t.Errorf("value of %q is %q, want %q", p.key, got, p.value)
			}
			if !utf8.ValidString(p.key) || !utf8.ValidString(p.value) {
				t.Errorf("invalid UTF-8 in %q", p)
			}
		}
		var retry errdetails.RetryInfo
		if proto.Unmarshal(b, &retry) == nil {
			d := retry.GetRetryDelay()
			if d.CheckValid() == nil && d.GetSeconds() >= 0 && d.GetNanos() >= 0 && d.GetSeconds() < 1<<30 && delay != d.AsDuration() {
				t.Errorf("scanned delay %v, want %v", delay, d.AsDuration())
			}
		}
		if delay < 0 {
			t.Errorf("negative delay %v", delay)
		}
	})
}

// TestSizeCountsWhatGRPCSends compares Size with a count of the header fields of
// RFC 9113 §6.5.2, written out.
func TestSizeCountsWhatGRPCSends(t *testing.T) {
	detail, err := anypb.New(&errdetails.DebugInfo{Detail: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range []*spb.Status{
		{Code: 5, Message: "plain"},
		{Code: 5, Message: "100 %\n错误"},
		{Code: 5, Message: "plain", Details: []*anypb.Any{detail}},
	} {
		fields := map[string]int{":status": len("200"), "content-type": len("application/grpc"), "grpc-status": 2}
		encoded := 0
		for i := 0; i < len(st.Message); i++ {
			if c := st.Message[i]; c < 0x20 || c > 0x7e || c == '%' {
				encoded += 3
			} else {
				encoded++
			}
		}
		fields["grpc-message"] = encoded
		if len(st.Details) > 0 {
			raw, err := proto.Marshal(st)
			if err != nil {
				t.Fatal(err)
			}
			fields["grpc-status-details-bin"] = len(raw)/3*4 + []int{0, 2, 3}[len(raw)%3]
		}
		want := 0
		for name, value := range fields {
			want += len(name) + value + 32
		}
		if got := Size(st); got != want {
			t.Errorf("Size(%v) = %d, want %d", st, got, want)
		}
	}
}
