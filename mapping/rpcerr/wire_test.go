package rpcerr

import (
	"bytes"
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
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

// The seeds of the fuzz targets that are well-formed are added here. What is damaged, or
// no sender of ours would write, lies in testdata/fuzz, a file for each case. go test
// runs them all.

// FuzzWire holds the hand-written encoding to what the protobuf runtime makes of the
// generated messages, byte for byte, and the computed size to the real one.
func FuzzWire(f *testing.F) {
	f.Add("sdk.yuanrong", int32(3011), "LOCAL_SCHEDULER_OPERATION_ERROR", "no node", uint8(3), int64(1500), "req-1", "node\x00n1\x00zone\x00", []byte(nil))
	f.Add("", int32(0), "", "", uint8(0), int64(0), "", "", []byte(nil))
	f.Add("a.b", int32(7), "REASON", "%\n错误", uint8(2), int64(3_600_000), "r", "k\x00重", []byte("x"))
	f.Fuzz(func(t *testing.T, domain string, number int32, reason, message string, class uint8, ms int64, id, metadata string, foreign []byte) {
		for _, s := range []*string{&domain, &reason, &message, &id} {
			*s = str.Valid(*s)
		}
		number = max(1, number)
		retry := Retry{RetryClass(class), time.Duration(ms) * time.Millisecond}.normal()
		pairs := pairsOf(metadata)
		e := &Error{facts: facts{
			code: Code{&Row{Domain: domain, Number: number, Reason: reason, GRPC: codes.Aborted}},
			grpc: codes.Aborted, message: message, requestID: id, metadata: pairs,
		}}
		e.setRetry(retry)
		d := draft{
			grpc: e.grpc, message: e.Message(), code: e.code, reason: reason, metadata: pairs,
			retry: retry, retryInfo: class&2 == 2, requestID: id, trimmed: class&1 == 1,
			scratch: new(scratch),
		}
		if foreign != nil {
			d.foreign = []*anypb.Any{{TypeUrl: "a/b", Value: foreign}, {}}
		}
		st := d.fill()

		want := &spb.Status{Code: int32(codes.Aborted), Message: message}
		add := func(m proto.Message) {
			detail := new(anypb.Any)
			if err := anypb.MarshalFrom(detail, m, deterministic); err != nil {
				t.Fatal(err)
			}
			want.Details = append(want.Details, detail)
		}
		add(&errorsv1.ErrorInfo{
			Domain: domain, Number: number, RequestId: id, Trimmed: d.trimmed,
			Retry: &errorsv1.RetryHint{Class: errorsv1.RetryClass(retry.Class), DelayMs: uint32(retry.Delay.Milliseconds())},
		})
		add(&errdetails.ErrorInfo{Reason: reason, Domain: domain, Metadata: mapOf(pairs)})
		if d.retryInfo {
			add(&errdetails.RetryInfo{RetryDelay: durationpb.New(retry.Delay)})
		}
		want.Details = append(want.Details, d.foreign...)
		if got, want := marshalled(t, st), marshalled(t, want); !bytes.Equal(got, want) {
			t.Errorf("got  %x\nwant %x", got, want)
		}

		// And back.
		info := scanErrorInfo(st.Details[0].Value)
		if string(info.domain) != domain || info.number != number || info.retry != retry || !info.hinted || string(info.requestID) != id || info.trimmed != d.trimmed {
			t.Errorf("scanned %+v of %x", info, st.Details[0].Value)
		}
		if r, d := scanGoogleInfo(st.Details[1].Value); string(r) != reason || string(d) != domain {
			t.Errorf("scanned reason %q and domain %q, want %q and %q", r, d, reason, domain)
		}
		if got := scanMetadata(st.Details[1].Value); !slices.Equal(got, pairs) {
			t.Errorf("scanned metadata %v, want %v", got, pairs)
		}
		if d.retryInfo {
			if got := scanRetryInfo(st.Details[2].Value); got != retry.Delay {
				t.Errorf("scanned delay %v, want %v", got, retry.Delay)
			}
		}

		checkBounds(t, d)
		d.code = Code{} // then reason, metadata and request id are not written
		checkBounds(t, d)
	})
}

var deterministic = proto.MarshalOptions{Deterministic: true}

func marshalled(t *testing.T, m proto.Message) []byte {
	b, err := deterministic.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pairsOf makes metadata of keys and values that are separated by NUL.
func pairsOf(s string) []pair {
	if s == "" {
		return nil
	}
	words := strings.SplitN(s, "\x00", 40)
	return with(nil, words[0], "", words[1:])
}

func mapOf(pairs []pair) map[string]string {
	m := make(map[string]string, len(pairs))
	for _, p := range pairs {
		m[p.key] = p.value
	}
	return m
}

// checkBounds holds the quick bounds of a size to the size.
func checkBounds(t *testing.T, d draft) {
	t.Helper()
	if low, high := d.bounds(); Size(d.fill()) < low || Size(d.fill()) > high {
		t.Errorf("the size %d of a status with %d entries of metadata and %d details of others is not from %d to %d",
			Size(d.fill()), len(d.metadata), len(d.foreign), low, high)
	}
}

// TestBounds holds them to the size where there is much of what they take to have a
// certain length.
func TestBounds(t *testing.T) {
	for _, size := range []int{0, 1, 127, 128, 16383, 16384} {
		value := strings.Repeat("v", size)
		d := draft{grpc: codes.Internal, code: Code{&Row{Domain: "d", Number: 1}}, scratch: new(scratch)}
		checkBounds(t, d)
		checkBounds(t, draft{grpc: codes.Internal, message: value, scratch: new(scratch)})
		for i := range 500 {
			d.metadata = append(d.metadata, pair{"key" + strconv.Itoa(i), value})
		}
		checkBounds(t, d)
		d.metadata = nil
		for range 500 {
			d.foreign = append(d.foreign, &anypb.Any{TypeUrl: "a/b", Value: []byte(value)})
		}
		checkBounds(t, d)
	}
}

// FuzzFit trims statuses of any shape and holds what remains to the order in which
// things are documented to go.
func FuzzFit(f *testing.F) {
	words := func(word string, n int) string { return strings.Repeat(word+"\x00", n) }
	f.Add(false, "short", "r", "", "", uint16(0))
	f.Add(false, strings.Repeat("错", 300), "r", "", "", uint16(0))
	f.Add(false, strings.Repeat("%", 1000), strings.Repeat("r", 128), words("key\x00"+strings.Repeat("v", 100), 40), "", uint16(2048))
	f.Add(false, strings.Repeat("m ", 800), "r", "", "", uint16(3072))
	f.Add(false, strings.Repeat("错", 100), strings.Repeat("r", 128), words("key\x00"+strings.Repeat("v", 10), 40), "", uint16(0))
	f.Add(true, "short", "", words("k", 1), words(strings.Repeat("d", 500), 9), uint16(4096))
	f.Add(false, strings.Repeat("m", 900), "", strings.Repeat("k", 64)+"\x00"+strings.Repeat("v", 900), words(strings.Repeat("d", 300), 12), uint16(1024))
	f.Add(true, strings.Repeat("m", 900), "", "", words(strings.Repeat("d", 30), 12), uint16(0))
	f.Add(false, strings.Repeat("m", 900), strings.Repeat("r", 128), words("code\x002147483647\x00key\x00"+strings.Repeat("v", 400), 3), "", uint16(0))
	urls := [...]string{"a/b", typePrefix + "google.rpc.LocalizedMessage", typePrefix + debugInfoType, "google.rpc.Help", "", errorInfoURL, googleInfoURL, retryInfoURL}
	f.Fuzz(func(t *testing.T, plain bool, message, id, metadata, foreign string, limit uint16) {
		message, id = str.Valid(message), validRequestID(id)
		name := strings.Repeat("N", maxName)
		d := draft{
			grpc: codes.Unauthenticated, message: message, metadata: pairsOf(metadata),
			code:   Code{&Row{Domain: name, Number: math.MaxInt32, Reason: name}},
			reason: name, retry: Retry{Safe, MaxRetryDelay - time.Millisecond}, retryInfo: true, requestID: id,
			scratch: new(scratch),
		}
		if plain {
			d = draft{grpc: codes.Unavailable, message: message, scratch: d.scratch}
		}
		if foreign != "" {
			for i, value := range strings.SplitN(foreign, "\x00", 40) {
				if url := urls[i%len(urls)]; plain || !isOurs(url) {
					detail := &anypb.Any{TypeUrl: url, Value: []byte(value)}
					if i%3 == 2 { // a later version of Any has more fields
						detail.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 15, protowire.BytesType), value))
					}
					d.foreign = append(d.foreign, detail)
				}
			}
		}
		checkBounds(t, d)
		before, number := d, pair{"code", strconv.Itoa(math.MaxInt32)}
		var kept []pair // when the rest of the metadata is dropped
		if slices.Contains(d.metadata, number) {
			kept = []pair{number}
		}
		budget := (&Wire{Budget: MinBudget + int(limit)}).budget()
		checkBounds(t, d)
		d.fit(budget)
		checkBounds(t, d)

		if got := Size(d.fill()); got > budget {
			t.Fatalf("%d bytes, but the budget is %d", got, budget)
		}
		if d.code != before.code || d.grpc != before.grpc || d.reason != before.reason || d.retry != before.retry || d.retryInfo != before.retryInfo || d.requestID != before.requestID {
			t.Errorf("trimmed to %+v, but that must stay", d)
		}
		emptied, dropped := 0, len(before.metadata) > len(d.metadata)
		for _, p := range d.metadata {
			i, _ := search(before.metadata, p.key)
			switch was := before.metadata[i]; {
			case p == was:
			case p == pair{was.key, ""} && was != number:
				emptied++
			default:
				t.Errorf("metadata %q became %q", was, p)
			}
		}
		others, infos, retries := census(d.foreign)
		_, infosBefore, retriesBefore := census(before.foreign)
		switch cut, long := d.message != before.message, percentSize(d.message) > budget/messageShare; {
		case Size(before.fill()) <= budget:
			if d.trimmed || cut || emptied > 0 || dropped || len(d.foreign) != len(before.foreign) {
				t.Errorf("trimmed, although its %d bytes are within the budget of %d", Size(before.fill()), budget)
			}
		case !d.trimmed:
			t.Error("trimmed, but not marked")
		case (cut || emptied > 0 || dropped) && others > 0:
			t.Errorf("%d details of others are left, although message or metadata are trimmed", others)
		case long && (emptied > 0 || dropped || infos < infosBefore || retries < retriesBefore):
			t.Errorf("trimmed to %+v, but the message is long still", d)
		case infos > 0 && retries < retriesBefore:
			t.Errorf("RetryInfo is gone before ErrorInfo")
		case dropped && !slices.Equal(d.metadata, kept):
			t.Errorf("%v is left of the metadata %v, want %v", d.metadata, before.metadata, kept)
		}
		if !strings.HasPrefix(message, d.message) || !utf8.ValidString(d.message) {
			t.Errorf("the message %q is no beginning of %q", d.message, message)
		} else if d.message != message && d.message != cutPercent(message, budget/messageShare) {
			longer := d
			if longer.message = message[:nextEnd(message, len(d.message))]; Size(longer.fill()) <= budget {
				t.Errorf("cut to %q of %d bytes, but %q fits too", d.message, Size(d.fill()), longer.message)
			}
		}
		if !isSubsequence(d.foreign, before.foreign) {
			t.Errorf("details %v are not some of %v", d.foreign, before.foreign)
		}
	})
}

// nextEnd returns where the next character behind a position of s ends, spaces aside.
func nextEnd(s string, at int) int {
	rest := strings.TrimLeft(s[at:], " ")
	_, size := utf8.DecodeRuneInString(rest)
	return len(s) - len(rest) + size
}

// census counts details by how soon they are dropped.
func census(details []*anypb.Any) (others, infos, retries int) {
	for _, a := range details {
		switch a.TypeUrl {
		case googleInfoURL:
			infos++
		case retryInfoURL:
			retries++
		default:
			others++
		}
	}
	return others, infos, retries
}

func isSubsequence(part, all []*anypb.Any) bool {
	for _, a := range all {
		if len(part) > 0 && part[0] == a {
			part = part[1:]
		}
	}
	return len(part) == 0
}

// FuzzScan holds the reading of details of any bytes to what the protobuf runtime reads
// where it reads anything, and to not failing where it does not.
func FuzzScan(f *testing.F) {
	own := &errorsv1.ErrorInfo{Domain: "a.b", Number: 7, RequestId: "x", Trimmed: true, Retry: &errorsv1.RetryHint{Class: 2, DelayMs: 9}}
	for _, m := range []proto.Message{
		own,
		&errorsv1.ErrorInfo{Domain: "a.b", Number: math.MaxInt32, Retry: &errorsv1.RetryHint{Class: 9, DelayMs: math.MaxUint32}},
		&errdetails.ErrorInfo{Reason: "R_R", Domain: "a.b", Metadata: map[string]string{"kk": "v", "": ""}},
		&errdetails.RetryInfo{RetryDelay: &durationpb.Duration{Seconds: 3, Nanos: 5}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkScanned(t, b)
		info, pairs, delay := scanErrorInfo(b), scanMetadata(b), scanRetryInfo(b)
		if own := new(errorsv1.ErrorInfo); proto.Unmarshal(b, own) == nil {
			if string(info.domain) != own.Domain || info.number != own.Number || string(info.requestID) != own.RequestId || info.trimmed != own.Trimmed || info.hinted != (own.Retry != nil) {
				t.Errorf("scanned %+v of %v", info, own)
			}
			class := RetryClass(own.GetRetry().GetClass())
			if c := own.GetRetry().GetClass(); c < 0 || c > errorsv1.RetryClass_RETRY_CLASS_HIGHER_LEVEL {
				class = Never
			}
			if want := (Retry{class, time.Duration(own.GetRetry().GetDelayMs()) * time.Millisecond}); info.retry != want {
				t.Errorf("scanned %v, want %v", info.retry, want)
			}
		}
		if google := new(errdetails.ErrorInfo); proto.Unmarshal(b, google) == nil {
			if reason, domain := scanGoogleInfo(b); string(reason) != google.Reason || string(domain) != google.Domain {
				t.Errorf("scanned reason %q and domain %q of %v", reason, domain, google)
			}
			if got := mapOf(pairs); len(got) != len(pairs) || !maps.Equal(got, google.Metadata) {
				t.Errorf("scanned metadata %v, want %v", pairs, google.Metadata)
			}
		}
		if retry := new(errdetails.RetryInfo); proto.Unmarshal(b, retry) == nil {
			if got, want := min(delay, MaxRetryDelay), durationOf(retry.GetRetryDelay()); got != want {
				t.Errorf("scanned delay %v, want %v", got, want)
			}
		}
	})
}

// durationOf is what a peer's delay means: none if it is negative, else at most
// MaxRetryDelay.
func durationOf(d *durationpb.Duration) time.Duration {
	switch {
	case d.GetSeconds() < 0 || d.GetNanos() < 0:
		return 0
	case d.GetSeconds() >= 3600:
		return MaxRetryDelay
	}
	return min(time.Duration(d.GetSeconds())*time.Second+time.Duration(d.GetNanos()), MaxRetryDelay)
}

// checkScanned holds what reading promises of any bytes.
func checkScanned(t *testing.T, b []byte) {
	pairs, m := scanMetadata(b), metadataMap(b)
	if len(pairs) != len(m) || !maps.Equal(mapOf(pairs), m) {
		t.Errorf("in order the metadata is %v, as a map %v", pairs, m)
	}
	for i, p := range pairs {
		if got, ok := metadataValue(b, p.key); got != p.value || !ok {
			t.Errorf("value of %q is %q, want %q", p.key, got, p.value)
		}
		if !utf8.ValidString(p.key) || !utf8.ValidString(p.value) {
			t.Errorf("invalid UTF-8 in %q", p)
		}
		if i > 0 && pairs[i-1].key >= p.key {
			t.Errorf("%q comes after %q", p.key, pairs[i-1].key)
		}
	}
	_, in := m["absent"]
	if got, ok := metadataValue(b, "absent"); ok != in || !ok && got != "" {
		t.Errorf("the value of the key \"absent\" is %q, %v", got, ok)
	}
	if scanRetryInfo(b) < 0 {
		t.Errorf("negative delay %v", scanRetryInfo(b))
	}
	if info := scanErrorInfo(b); info.retry.Class > HigherLevel || info.retry.Delay < 0 {
		t.Errorf("scanned the hint %v", info.retry)
	}

	// What comes before a damage stands, and what comes after it does not count.
	whole := b
	for rest := b; len(rest) > 0; {
		_, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			whole = b[:len(b)-len(rest)]
			break
		}
		rest = rest[n:]
	}
	if len(whole) == len(b) {
		return
	}
	if !maps.Equal(metadataMap(whole), m) {
		t.Errorf("metadata %v before the damage, %v with it", metadataMap(whole), m)
	}
	if got, want := scanErrorInfo(b), scanErrorInfo(whole); got.number != want.number || got.retry != want.retry || !bytes.Equal(got.domain, want.domain) {
		t.Errorf("%+v before the damage, %+v with it", want, got)
	}
	if scanRetryInfo(whole) != scanRetryInfo(b) {
		t.Errorf("delay %v before the damage, %v with it", scanRetryInfo(whole), scanRetryInfo(b))
	}
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
		{Code: 16, Message: "plain"},
		{Code: 5, Message: "100 %\n错误 ~\x7f"},
		{Code: 5, Message: "plain", Details: []*anypb.Any{detail}},
	} {
		fields := map[string]int{":status": len("200"), "content-type": len("application/grpc"), "grpc-status": len(strconv.Itoa(int(st.Code)))}
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
