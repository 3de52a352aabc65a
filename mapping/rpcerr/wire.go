package rpcerr

import (
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	// Linked so that whoever resolves the details of a status by their type, such
	// as a JSON gateway, knows those that are written here by hand.
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"

	_ "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
)

// The three details are written and read by hand, field by field: generated
// messages would cost about three times the time and allocations on every failing
// RPC. Tests hold each function to what the protobuf runtime does.

const (
	typePrefix     = "type.googleapis.com/"
	errorInfoType  = "yuanrong.errors.v1.ErrorInfo"
	googleInfoType = "google.rpc.ErrorInfo"
	retryInfoType  = "google.rpc.RetryInfo"
	debugInfoType  = "google.rpc.DebugInfo"
	errorInfoURL   = typePrefix + errorInfoType
	googleInfoURL  = typePrefix + googleInfoType
	retryInfoURL   = typePrefix + retryInfoType
	maxName        = 63 // AIP-193's bound on reasons, ours on domains; a peer's longer one is none
)

// typeName returns the message name in a type URL.
func typeName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// isOurs reports whether the package itself writes details of that type.
func isOurs(url string) bool {
	switch typeName(url) {
	case errorInfoType, googleInfoType, retryInfoType:
		return true
	}
	return false
}

// Field numbers of yuanrong.errors.v1.ErrorInfo and RetryHint, google.rpc.ErrorInfo,
// google.rpc.RetryInfo and google.protobuf.Duration.
const (
	infoDomain, infoNumber, infoRetry, infoRequestID, infoTrimmed = 1, 2, 3, 4, 5
	hintClass, hintDelay                                          = 1, 2
	googleReason, googleDomain, googleMetadata                    = 1, 2, 3
	mapKey, mapValue                                              = 1, 2
	retryInfoDelay                                                = 1
	durationSeconds, durationNanos                                = 1, 2
)

func appendString(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendString(b, s)
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, v)
}

// sizeString is the length of what appendString appends for a field below 16.
func sizeString(s string) int {
	if s == "" {
		return 0
	}
	return 1 + protowire.SizeBytes(len(s))
}

// appendErrorInfo appends a yuanrong.errors.v1.ErrorInfo.
func appendErrorInfo(b []byte, domain string, number int32, r Retry, requestID string, trimmed bool) []byte {
	b = appendString(b, infoDomain, domain)
	b = appendVarint(b, infoNumber, uint64(number))
	delay := uint64(r.Delay / time.Millisecond)
	size := 0
	if r.Class != 0 {
		size += 1 + protowire.SizeVarint(uint64(r.Class))
	}
	if delay != 0 {
		size += 1 + protowire.SizeVarint(delay)
	}
	b = protowire.AppendTag(b, infoRetry, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = appendVarint(b, hintClass, uint64(r.Class))
	b = appendVarint(b, hintDelay, delay)
	b = appendString(b, infoRequestID, requestID)
	if trimmed {
		b = appendVarint(b, infoTrimmed, 1)
	}
	return b
}

// appendGoogleInfo appends a google.rpc.ErrorInfo, with the metadata in its order.
func appendGoogleInfo(b []byte, reason, domain string, metadata []pair) []byte {
	b = appendString(b, googleReason, reason)
	b = appendString(b, googleDomain, domain)
	for _, p := range metadata {
		b = protowire.AppendTag(b, googleMetadata, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(1+protowire.SizeBytes(len(p.key))+1+protowire.SizeBytes(len(p.value))))
		// Unlike other fields, both of a map entry are written when empty.
		b = protowire.AppendTag(b, mapKey, protowire.BytesType)
		b = protowire.AppendString(b, p.key)
		b = protowire.AppendTag(b, mapValue, protowire.BytesType)
		b = protowire.AppendString(b, p.value)
	}
	return b
}

// appendRetryInfo appends a google.rpc.RetryInfo.
func appendRetryInfo(b []byte, delay time.Duration) []byte {
	seconds, nanos := uint64(delay/time.Second), uint64(delay%time.Second)
	size := 0
	if seconds != 0 {
		size += 1 + protowire.SizeVarint(seconds)
	}
	if nanos != 0 {
		size += 1 + protowire.SizeVarint(nanos)
	}
	b = protowire.AppendTag(b, retryInfoDelay, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = appendVarint(b, durationSeconds, seconds)
	return appendVarint(b, durationNanos, nanos)
}

// A field is one field of an encoded message: number and value, a varint in num
// or bytes in raw.
type field struct {
	number protowire.Number
	kind   protowire.Type
	num    uint64
	raw    []byte
}

// next splits the first field off b. It returns no rest and false at the end and
// at the first malformed byte; what came before stands.
func next(b []byte) (f field, rest []byte, ok bool) {
	number, kind, n := protowire.ConsumeTag(b)
	if n < 0 {
		return field{}, nil, false
	}
	f.number, f.kind, b = number, kind, b[n:]
	switch kind {
	case protowire.VarintType:
		f.num, n = protowire.ConsumeVarint(b)
	case protowire.BytesType:
		f.raw, n = protowire.ConsumeBytes(b)
	default:
		n = protowire.ConsumeFieldValue(number, kind, b)
	}
	if n < 0 {
		return field{}, nil, false
	}
	return f, b[n:], true
}

// An errorInfo is a scanned yuanrong.errors.v1.ErrorInfo. Its bytes are parts of
// the scanned ones.
type errorInfo struct {
	domain, requestID []byte
	number            int32
	retry             Retry
	hinted, trimmed   bool
}

// scanErrorInfo reads what it can: fields of a later version are passed over, and
// damage ends the scan but keeps what came before it.
func scanErrorInfo(b []byte) (info errorInfo) {
	for {
		f, rest, ok := next(b)
		if !ok {
			return info
		}
		b = rest
		switch {
		case f.number == infoDomain && f.kind == protowire.BytesType:
			info.domain = f.raw
		case f.number == infoNumber && f.kind == protowire.VarintType:
			info.number = int32(f.num)
		case f.number == infoRetry && f.kind == protowire.BytesType:
			info.retry, info.hinted = scanHint(info.retry, f.raw), true
		case f.number == infoRequestID && f.kind == protowire.BytesType:
			info.requestID = f.raw
		case f.number == infoTrimmed && f.kind == protowire.VarintType:
			info.trimmed = f.num != 0
		}
	}
}

func scanHint(r Retry, b []byte) Retry {
	for {
		f, rest, ok := next(b)
		if !ok {
			return r
		}
		b = rest
		switch {
		case f.kind != protowire.VarintType:
		case f.number == hintClass:
			// Classes of a later version are unknown here, and so mean Never.
			if f.num > uint64(HigherLevel) {
				f.num = uint64(Never)
			}
			r.Class = RetryClass(f.num)
		case f.number == hintDelay:
			r.Delay = time.Duration(uint32(f.num)) * time.Millisecond
		}
	}
}

// scanGoogleInfo reads reason and domain of a google.rpc.ErrorInfo.
func scanGoogleInfo(b []byte) (reason, domain []byte) {
	for {
		f, rest, ok := next(b)
		if !ok {
			return reason, domain
		}
		b = rest
		if f.kind != protowire.BytesType {
			continue
		}
		switch f.number {
		case googleReason:
			reason = f.raw
		case googleDomain:
			domain = f.raw
		}
	}
}

// scanMetadata reads the metadata of a google.rpc.ErrorInfo, in the order of keys.
// As in any protobuf map, the last of two entries with one key counts.
func scanMetadata(b []byte) []pair {
	var pairs []pair
	for {
		f, rest, ok := next(b)
		if !ok {
			break
		}
		b = rest
		if f.number == googleMetadata && f.kind == protowire.BytesType {
			pairs = append(pairs, scanPair(f.raw))
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	unique := pairs[:0]
	for i, p := range pairs {
		if i+1 == len(pairs) || pairs[i+1].key != p.key {
			unique = append(unique, p)
		}
	}
	return unique
}

func scanPair(b []byte) (p pair) {
	for {
		f, rest, ok := next(b)
		if !ok {
			return p
		}
		b = rest
		if f.kind != protowire.BytesType {
			continue
		}
		switch f.number {
		case mapKey:
			p.key = validUTF8(string(f.raw))
		case mapValue:
			p.value = validUTF8(string(f.raw))
		}
	}
}

// scanRetryInfo reads the delay of a google.rpc.RetryInfo, 0 if it has none or a
// negative one.
func scanRetryInfo(b []byte) time.Duration {
	var delay []byte
	for {
		f, rest, ok := next(b)
		if !ok {
			break
		}
		b = rest
		if f.number == retryInfoDelay && f.kind == protowire.BytesType {
			delay = f.raw
		}
	}
	var seconds, nanos int64
	for {
		f, rest, ok := next(delay)
		if !ok {
			break
		}
		delay = rest
		switch {
		case f.kind != protowire.VarintType:
		case f.number == durationSeconds:
			seconds = int64(f.num)
		case f.number == durationNanos:
			nanos = int64(int32(f.num))
		}
	}
	if seconds < 0 || nanos < 0 {
		return 0
	}
	if seconds > math.MaxInt64/int64(time.Second)-1 {
		return math.MaxInt64
	}
	return time.Duration(seconds)*time.Second + time.Duration(nanos)
}

// foreignDetails returns the details of a status that are not ours: all of them if
// the status has no code of ours, because then others wrote its standard details.
func foreignDetails(st *spb.Status, code Code) []*anypb.Any {
	var details []*anypb.Any
	for _, d := range st.GetDetails() {
		if code.IsZero() || !isOurs(d.GetTypeUrl()) {
			details = append(details, d)
		}
	}
	return details
}
